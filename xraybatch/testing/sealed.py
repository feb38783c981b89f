"""From a trained network to a sealed file, a results table and a score, by the real use cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.status import FilmStatus
from xraybatch.core.tables import read_table
from xraybatch.core.tasks import TaskKind
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.scoring import score
from xraybatch.extension.records import Exporter, ExportJob
from xraybatch.extension.registry import registry
from xraybatch.images.fingerprint import decoder_fingerprint
from xraybatch.images.rule import DecodingRule
from xraybatch.models.card import Card, decide
from xraybatch.models.model import Model, load_model, with_card
from xraybatch.models.seal import write_sealed
from xraybatch.models.selftest import record_self_test
from xraybatch.models.session import Session
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films
from xraybatch.testing.contract import Broken
from xraybatch.testing.films import TASK_CARDS, TASKS, labels_table, many_films, write_films
from xraybatch.training.gate import check_parity
from xraybatch.training.model_file import FORMAT
from xraybatch.training.network import Assembly

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xraybatch.evaluation.report import TaskReport

    Answers = Mapping[str, NDArray[np.float32]]

# of random weights: through hundreds of layers rounding alone grows beyond what a trained network
# is allowed, while a layer that means something else changes answers by far more than this
_TOLERANCE = 1e-3


def seal_exported(
    folder: Path, assembly: Assembly, answers: Answers, rule: DecodingRule, name: str
) -> tuple[Model, str]:
    """Export a network, hold it against Keras' answers, and seal it as a training run does.

    Returns
    -------
    Model
    str
        What the parity gate found.
    """
    exporter = registry().get(Exporter, FORMAT).record
    graph = folder / f"graph{exporter.suffix}"
    exporter.write(ExportJob(graph, assembly.outputs, keras_model=assembly.inference))
    pictures = many_films(rule.height, rule.width)
    predict = exporter.open(graph)
    parity = check_parity(answers, predict, pictures, TASK_CARDS, tolerance=_TOLERANCE)
    card = Card(TASK_CARDS, rule, name=name, decoder=decoder_fingerprint(), parity=parity.to_dict())
    path = folder / f"model{exporter.suffix}"
    write_sealed(graph.read_bytes(), card.to_json(), path)
    session = Session(load_model(path), device="cpu")
    card = replace(card, self_test=record_self_test(session.predict, rule.height, rule.width))
    said = f"largest difference {parity.largest_difference:.0e}, spread {parity.spread:.2f}"
    return with_card(load_model(path), card, path), said


def check_results(folder: Path, model: Model, answers: Answers) -> Path:
    """Classify a folder of films and hold every row against what Keras said.

    Raises
    ------
    Broken
        If a film has no row, or other probabilities than Keras gave it.
    """
    rule = model.card.rule
    names = write_films(folder / "films", many_films(rule.height, rule.width))
    found = find_films([folder / "films"])
    out = folder / "results.csv"
    predict_items(found.items, model, out, options=PredictOptions(device="cpu", discard_job=True))
    rows = read_table(out).set_index("path")
    if sorted(rows.index) != sorted([*names, "cut.png", "empty.png"]):
        raise Broken(f"Of {len(names) + 2} films {len(rows)} have a row.")
    wanted = [FilmStatus.OK] * len(names) + [FilmStatus.TRUNCATED, FilmStatus.EMPTY]
    statuses = list(rows.loc[[*names, "cut.png", "empty.png"], "status"])
    if statuses != wanted:
        raise Broken(f"The films have the statuses {', '.join(dict.fromkeys(statuses))}.")
    for task in TASKS:
        columns = [f"{task.name}.prob.{name}" for name in task.classes]
        given = rows.loc[names, columns].to_numpy(dtype=np.float64)
        worst = float(np.abs(given - answers[task.name]).max())
        if not worst <= _TOLERANCE:
            raise Broken(f"Rows of task '{task.name}' are {worst:.1e} off what Keras answers.")
    return out


def check_scores(results: Path, answers: Answers) -> None:
    """Score a results table against the classes that Keras gave: all must be right.

    Raises
    ------
    Broken
        If a film is not matched, or an answer counts as wrong.
    """
    codes = {entry.task.name: decide(answers[entry.task.name], entry) for entry in TASK_CARDS}
    names = [f"film{number:02d}.png" for number in range(len(next(iter(codes.values()))))]
    labels = labels_table(names, codes)
    report = score(read_table(results), labels, tasks=TASKS, options=ScoreOptions(resamples=100))
    if report.join.matched != len(names):
        raise Broken(f"Of {len(names)} labelled films {report.join.matched} were found.")
    for task in report.tasks:
        right = _share_right(task)
        if task.films != len(names) or right != 1.0:
            raise Broken(
                f"Task '{task.task}': of {task.films} films {right:.0%} count as right, though "
                "the labels are the network's own answers."
            )


def _share_right(task: TaskReport) -> float:
    if task.kind == TaskKind.MULTILABEL:
        shares = [f.estimates["accuracy"].value for f in task.findings]
    else:
        shares = [task.estimates["accuracy"].value]
    return min((share if share is not None else 0.0) for share in shares)
