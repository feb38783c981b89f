"""From two files to a report: what ``xraybatch score``, ``xraybatch.score`` and training call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.files import sha256_of
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tables import read_table
from xraybatch.core.tasks import Task, TaskKind, TaskRequest
from xraybatch.evaluation.columns import infer_tasks
from xraybatch.evaluation.join import Joined, check_order
from xraybatch.evaluation.report import Report, Source
from xraybatch.evaluation.scoring import ScoreOptions, evaluate, join_for
from xraybatch.prediction.record import record_path

if TYPE_CHECKING:
    import pandas as pd

DEMONSTRATION = (
    "Demonstration model: trained on synthetic sample films. "
    "These numbers say nothing about real films."
)


def score_files(
    results: Path | str,
    labels: Path | str,
    *,
    requests: Sequence[TaskRequest] = (),
    positive: str | None = None,
    options: ScoreOptions | None = None,
    progress: Progress = SILENT,
) -> Report:
    """Score a results file against a labels file.

    Parameters
    ----------
    results, labels : Path or str
        CSV, Parquet or JSON Lines. The tasks are read from ``<results>.run.json`` where it lies
        beside, else from the columns.
    requests : sequence of TaskRequest
        Tasks as a person names them; given, the run record is not asked.
    positive : str, optional
        The positive class of the binary tasks; goes before the run record's.
    options : ScoreOptions, optional
    progress : Progress
        Is told a few films that are in one table only; the report itself names none.

    Raises
    ------
    InputError
        If a file cannot be read, or the two do not fit each other.
    UsageError
        If the tasks need more than the files say.
    """
    results, labels, chosen = Path(results), Path(labels), options or ScoreOptions()
    results_table, labels_table = read_table(results), read_table(labels)
    check_order(results_table, labels_table)
    digest, record = sha256_of(results), _read_record(results)
    sentences = (*_warnings(record, results, digest), *_seen(results_table))
    for sentence in sentences:
        progress.warn("Note", sentence)
    columns = [str(column) for column in results_table.columns]
    tasks = _tasks_of(record, results, requests)
    if not tasks:
        tasks = infer_tasks(columns, requests, positive)
    elif positive is not None:
        tasks = _with_positive(tasks, positive)
    joined, told = join_for(results_table, labels_table, tasks, chosen)
    _tell_examples(joined, results, labels, progress)
    report = evaluate(joined, told, tasks, chosen)
    sources = (
        Source("results", results.name, digest),
        Source("labels", labels.name, sha256_of(labels)),
    )
    return replace(report, sources=sources, sentences=sentences)


def _read_record(results: Path) -> Mapping[str, Any]:
    path = record_path(results)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        record = error
    if not isinstance(record, dict):
        raise InputError(
            f"{path} cannot be read as a run record.",
            "Remove it and name the tasks with --task, or predict again.",
        )
    return record


def _warnings(record: Mapping[str, Any], results: Path, digest: str) -> tuple[str, ...]:
    found = []
    card = record.get("card")
    if isinstance(card, dict) and card.get("demonstration"):
        found.append(DEMONSTRATION)
    if record.get("results_sha256", digest) != digest:
        found.append(f"{results.name} was changed after prediction.")
    return tuple(found)


def _seen(results: pd.DataFrame) -> tuple[str, ...]:
    """Films that the model was trained on make it look better than it is."""
    if "seen_in_training" not in results.columns:
        return ()
    seen = int((results["seen_in_training"] == "1").sum())
    if not seen:
        return ()
    return (
        f"{seen:,} of {len(results):,} films were seen in training: these numbers flatter the "
        "model. Score films that it has not seen; its held-back score is on its card "
        "(xraybatch inspect).",
    )


def _tasks_of(
    record: Mapping[str, Any], results: Path, requests: Sequence[TaskRequest]
) -> tuple[Task, ...]:
    if requests or "tasks" not in record:
        return ()
    try:
        return tuple(
            Task(t["name"], TaskKind(t["kind"]), tuple(t["classes"]), t.get("positive"))
            for t in record["tasks"]
        )
    except (KeyError, TypeError, ValueError, UsageError):
        raise InputError(
            f"{record_path(results)} does not say the tasks as it should.",
            "Remove it and name them with --task, or predict again.",
        ) from None


def _with_positive(tasks: Sequence[Task], positive: str) -> tuple[Task, ...]:
    fits = [t for t in tasks if t.kind is TaskKind.BINARY and positive in t.classes]
    if not fits:
        raise UsageError(
            f"No binary task has the class '{positive}'.",
            "The tasks are: " + "; ".join(f"{t.name}: {', '.join(t.classes)}" for t in tasks) + ".",
        )
    return tuple(replace(t, positive=positive) if t in fits else t for t in tasks)


def _tell_examples(joined: Joined, results: Path, labels: Path, progress: Progress) -> None:
    for name, examples in (
        (results.name, joined.only_in_results),
        (labels.name, joined.only_in_labels),
    ):
        if examples:
            listed = ", ".join(f"'{path}'" for path in examples)
            progress.note(f"Only in {name}, for example: {listed}.")
