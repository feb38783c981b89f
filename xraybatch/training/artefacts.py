"""What a run leaves beside its model: split, history, pictures, films for later exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.files import write_text
from xraybatch.evaluation.report import Report, TaskReport
from xraybatch.models.card import Card
from xraybatch.models.runs import FILE_HASH
from xraybatch.reports import plots
from xraybatch.reports.card_text import card_html, card_markdown
from xraybatch.reports.json_text import to_json
from xraybatch.training.cache import DecodedFilms
from xraybatch.training.gather import Gathered, columns_of_task
from xraybatch.training.part_names import TRAIN
from xraybatch.training.patients import cluster_column, clusters_of
from xraybatch.training.prepare import Prepared
from xraybatch.training.state import History

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTRADICTIONS = "contradictions.csv"
CALIBRATION, GATE = "calibration.npz", "gate.npz"
CALIBRATION_FILMS = 256
PROBABILITIES, TRUTH = "probabilities.", "truth."


def write_split(folder: Path, prepared: Prepared) -> None:
    """``split.csv``: path, labels, patient or study, split, file; ``left-out.csv`` if any."""
    columns = [column for task in prepared.tasks for column in prepared.columns(task)]
    table = prepared.table[["path", *dict.fromkeys(columns)]].copy()
    if any(clusters := clusters_of(prepared.table)):
        table[cluster_column(prepared.table)] = clusters
    table["split"] = prepared.split.part
    table[FILE_HASH] = short_hashes(prepared.films)
    write_text(folder / "split.csv", table.to_csv(index=False, lineterminator="\n"))
    if len(prepared.left_out):
        text = prepared.left_out.to_csv(index=False, lineterminator="\n")
        write_text(folder / "left-out.csv", text)


def write_contradictions(folder: Path, given: Gathered, numbers: NDArray[np.int64]) -> None:
    """``contradictions.csv``: films with the same pixels and other labels.

    Parameters
    ----------
    folder : Path
    given : Gathered
    numbers : ndarray of int64, shape (n,)
        Of the group of such films that each film is in, from 1; 0: in none.
    """
    films = np.flatnonzero(numbers)
    columns = [column for task in given.tasks for column in columns_of_task(task)]
    table = given.table[["path", *dict.fromkeys(columns)]].iloc[films]
    table = table.assign(same_pixels=numbers[films])
    table = table.sort_values(["same_pixels", "path"])
    write_text(folder / CONTRADICTIONS, table.to_csv(index=False, lineterminator="\n"))


def short_hashes(films: DecodedFilms) -> list[str]:
    """The beginning of each file's SHA-256: whether two runs saw the same films."""
    return [content[:16] for content in films.contents]


def write_history(folder: Path, rows: History) -> None:
    """``history.csv`` and ``plots/curves.png``."""
    import pandas as pd

    history = pd.DataFrame(rows)
    write_text(folder / "history.csv", history.to_csv(index=False, lineterminator="\n"))
    (folder / "plots").mkdir(exist_ok=True)
    curves = history.drop(columns=["phase", "seconds", "kept"])
    plots.save_png(plots.curves(curves), folder / "plots" / "curves.png")


def write_scores(folder: Path, report: Report) -> None:
    """``score.json``, and the confusion matrix and ROC curves of each task."""
    write_text(folder / "score.json", to_json(report))
    for task in report.tasks:
        _draw(folder / "plots", task)


def write_card_texts(folder: Path, card: Card) -> None:
    """``card.md`` and ``card.html``."""
    write_text(folder / "card.md", card_markdown(card))
    write_text(folder / "card.html", card_html(card))


def write_calibration(folder: Path, prepared: Prepared, seed: int) -> None:
    """``calibration.npz``: decoded training films, for exports that measure ranges of values."""
    films = prepared.split.where(TRAIN)
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(films)[:CALIBRATION_FILMS])
    np.savez(folder / CALIBRATION, allow_pickle=False, films=prepared.films[chosen])


@dataclass(frozen=True)
class Gate:
    """The films that a new file is held against.

    Attributes
    ----------
    films : ndarray of uint8, shape (n, height, width, 1)
        Of the validation part; of the training part where there is no other.
    answers : mapping of str to ndarray of float32, shape (m, K)
        What Keras said to the first of them, by task; ``m`` of 1 to ``n``.
    truth : mapping of str to ndarray of int64, shape (n,) or (n, K)
        Labels as numbers, by task; -1: not labelled. Empty in a run of an earlier version.
    patients : ndarray of int64, shape (n,)
        Numbers of what scores are clustered by; a film of nobody known has one of its own.
    """

    films: NDArray[np.uint8]
    answers: Mapping[str, NDArray[np.float32]]
    truth: Mapping[str, NDArray[np.int64]]
    patients: NDArray[np.int64]


def write_gate(folder: Path, gate: Gate) -> None:
    """``gate.npz``: films for gates, what Keras said to some, labels, patients as numbers."""
    named: dict[str, Any] = {PROBABILITIES + task: said for task, said in gate.answers.items()}
    named |= {TRUTH + task: codes for task, codes in gate.truth.items()}
    np.savez(folder / GATE, allow_pickle=False, films=gate.films, patients=gate.patients, **named)


def read_gate(folder: Path) -> Gate:
    """What `write_gate` wrote.

    Raises
    ------
    OSError, ValueError, KeyError
        If it is not there or is something else.
    """
    with np.load(folder / GATE, allow_pickle=False) as stored:
        films = stored["films"]
        alone = np.arange(len(films))  # a run of an earlier version knows none
        return Gate(
            films,
            {
                n.removeprefix(PROBABILITIES): stored[n]
                for n in stored
                if n.startswith(PROBABILITIES)
            },
            {n.removeprefix(TRUTH): stored[n] for n in stored if n.startswith(TRUTH)},
            stored.get("patients", alone),
        )


def read_calibration(folder: Path) -> NDArray[np.uint8]:
    """Films that `write_calibration` kept; raises as `read_gate` does."""
    with np.load(folder / CALIBRATION, allow_pickle=False) as stored:
        films: NDArray[np.uint8] = stored["films"]
        return films


def _draw(folder: Path, task: TaskReport) -> None:
    if task.confusion is not None:
        plots.save_png(plots.confusion(task), folder / f"confusion-{task.task}.png")
    found = task.curves or [curve for finding in task.findings for curve in finding.curves]
    plots.save_png(plots.roc_of(found, task.task), folder / f"roc-{task.task}.png")
