"""The held-back part, classified and scored by the code of ``predict`` and ``score``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.progress import Progress
from xraybatch.core.tables import read_table
from xraybatch.evaluation.report import Report
from xraybatch.evaluation.scoring import ScoreOptions, score
from xraybatch.extension.registry import registry
from xraybatch.models.model import Model
from xraybatch.prediction.run import PredictOptions, predict_items
from xraybatch.reports.scoring import DEMONSTRATION
from xraybatch.sources.discover import Item
from xraybatch.sources.keys import order_key
from xraybatch.training.labels import FILE, TEST, VALIDATION
from xraybatch.training.prepare import Prepared

if TYPE_CHECKING:
    import pandas as pd

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
    films = prepared.table.iloc[prepared.split.where(part)]
    items = sorted(_items(films), key=lambda item: order_key(item.key))
    predict_items(items, model, out, options=PredictOptions(discard_job=True), progress=progress)
    columns = [column for task in prepared.tasks for column in prepared.columns(task)]
    labels = films[["path", *dict.fromkeys(columns)]].copy()
    if prepared.whole != "film":
        labels["patient"] = np.array(prepared.names)[prepared.split.where(part)]
    options = ScoreOptions(metrics=registry().metrics())
    report = score(read_table(out), labels, tasks=prepared.tasks, options=options)
    said = [DEMONSTRATION] if model.card.demonstration else []
    return replace(report, sentences=(*said, *([] if part == TEST else [OPTIMISTIC])))


def _items(films: pd.DataFrame) -> list[Item]:
    found = []
    for key, file in zip(films["path"], films[FILE], strict=True):
        status = Path(file).stat()
        found.append(Item(key, file, status.st_size, status.st_mtime_ns))
    return found
