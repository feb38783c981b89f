"""What a results table and its run record say before any number: tasks, and what to beware of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.names import nearest
from xraybatch.core.tasks import Task, TaskKind, TaskRequest
from xraybatch.evaluation.columns import infer_tasks
from xraybatch.reports.given import Given

DEMONSTRATION = (
    "Demonstration model: trained on synthetic sample films. "
    "These numbers say nothing about real films."
)


def tasks_of(
    results: Given, requests: Sequence[TaskRequest] = (), positive: str | None = None
) -> tuple[Task, ...]:
    """The tasks of a results table: as a person names them, of its run record, else its columns.

    Raises
    ------
    InputError
        If the run record does not say them as it should.
    UsageError
        If more must be said, or `positive` is no class of a binary task.
    """
    tasks = recorded_tasks(results, requests)
    if not tasks:
        columns = [str(column) for column in results.table.columns]
        return infer_tasks(columns, requests, positive)
    return tasks if positive is None else _with_positive(tasks, positive)


def warnings_of(results: Given) -> tuple[str, ...]:
    """What must be known of the model and the table before any number of theirs."""
    found = []
    card = results.record.get("card")
    if isinstance(card, dict) and card.get("demonstration"):
        found.append(DEMONSTRATION)
    model = results.record.get("model")
    if isinstance(model, dict) and model.get("broken_seal"):
        found.append(f"The model was not the file that was made: {model['broken_seal']}")
    if results.digest and results.record.get("results_sha256", results.digest) != results.digest:
        found.append(
            f"{results.name} was changed after prediction."
            if results.is_file
            else "The results are not the table that predict made: rows were left out or edited."
        )
    return tuple(found)


def recorded_tasks(results: Given, requests: Sequence[TaskRequest]) -> tuple[Task, ...]:
    """The tasks of the run record; none where there is no record, or a person names them."""
    if requests or "tasks" not in results.record:
        return ()
    try:
        return tuple(
            Task(t["name"], TaskKind(t["kind"]), tuple(t["classes"]), t.get("positive"))
            for t in results.record["tasks"]
        )
    except (KeyError, TypeError, ValueError, UsageError):
        raise InputError(
            f"{results.record_name} does not say the tasks as it should.",
            "Remove it and name the tasks with --task, or predict again.",
        ) from None


def _with_positive(tasks: Sequence[Task], positive: str) -> tuple[Task, ...]:
    fits = [t for t in tasks if t.kind is TaskKind.BINARY and positive in t.classes]
    if not fits:
        listed = "; ".join(f"{t.name}: {', '.join(t.classes)}" for t in tasks)
        raise UsageError(
            f"No binary task has the class '{positive}'.",
            nearest(positive, {c for t in tasks for c in t.classes}) or f"The tasks are: {listed}.",
        )
    return tuple(replace(t, positive=positive) if t in fits else t for t in tasks)
