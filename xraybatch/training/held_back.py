"""The held-back part, classified and scored by the code of ``predict`` and ``score``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.progress import Progress
from xraybatch.core.tables import read_table
from xraybatch.core.tasks import Task
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.report import Report
from xraybatch.evaluation.scoring import score
from xraybatch.extension.registry import registry
from xraybatch.models.model import Model
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.run import predict_items
from xraybatch.reports.recorded import DEMONSTRATION
from xraybatch.sources.item import Item
from xraybatch.sources.keys import order_key
from xraybatch.training.gather import Gathered, columns_of_task
from xraybatch.training.labels import FILE
from xraybatch.training.part_names import TEST, VALIDATION
from xraybatch.training.patients import clusters_of, said_of_clusters
from xraybatch.training.prepare import Prepared

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

OPTIMISTIC = (
    "No film was held back: these numbers are of the validation films, the best epoch was chosen "
    "on these films, and they are optimistic."
)
HELD_BACK = "held-back test films"
CHOSEN_ON = "validation films, chosen on these films, optimistic"


def judged_part(prepared: Prepared) -> str:
    """The part that is scored: test, else validation, else none."""
    return next((part for part in (TEST, VALIDATION) if len(prepared.split.where(part))), "")


def score_part(
    model: Model, prepared: Prepared, part: str, out: Path, progress: Progress
) -> Report:
    """Classify a part's films with the exported file, from their files, and score the answers.

    Parameters
    ----------
    model : Model
    prepared : Prepared
    part : str
        As `judged_part` returns, not empty.
    out : Path
        Of the results table.
    progress : Progress
    """
    rows = prepared.split.where(part)
    films = prepared.table.iloc[rows]
    items = sorted(_items(films), key=lambda item: order_key(item.key))
    predict_items(items, model, out, options=PredictOptions(discard_job=True), progress=progress)
    labels = truth_of(prepared, rows)
    said = [DEMONSTRATION] if model.card.demonstration else []
    said += said_of_clusters(prepared.table, prepared.whole)
    return score_answers(
        read_table(out), labels, prepared.tasks, (*said, *([] if part == TEST else [OPTIMISTIC]))
    )


def truth_of(given: Prepared | Gathered, rows: NDArray[np.int64]) -> pd.DataFrame:
    """A labels table of films: ``path``, the truth, ``patient`` as `clusters_of` has it if any."""
    columns = [column for task in given.tasks for column in columns_of_task(task)]
    labels = given.table.iloc[rows][["path", *dict.fromkeys(columns)]].copy()
    if any(clusters := clusters_of(given.table)):
        labels["patient"] = np.array(clusters)[rows]
    return labels


def score_answers(
    results: pd.DataFrame, labels: pd.DataFrame, tasks: Sequence[Task], sentences: Sequence[str]
) -> Report:
    """Score a results table by a table of `truth_of`, as ``score`` would."""
    options = ScoreOptions(metrics=registry().metrics())
    report = score(results, labels, tasks=tasks, options=options)
    return replace(report, sentences=tuple(sentences))


def _items(films: pd.DataFrame) -> list[Item]:
    found = []
    for key, file in zip(films["path"], films[FILE], strict=True):
        status = Path(file).stat()
        found.append(Item(key, file, status.st_size, status.st_mtime_ns))
    return found
