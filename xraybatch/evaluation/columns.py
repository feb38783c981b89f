"""Which columns hold what: the tasks of a results table, and where the labels have their truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.names import did_you_mean, nearest
from xraybatch.core.tasks import DEFAULT_TASK, RESERVED, Task, TaskKind, TaskRequest

_PROBABILITY = "prob."
_FINDING = "pred."


def infer_tasks(
    columns: Sequence[str], requests: Sequence[TaskRequest] = (), positive: str | None = None
) -> tuple[Task, ...]:
    """The tasks of a results table that comes without a run record.

    Parameters
    ----------
    columns : sequence of str
        Of the results, in their order: ``prob.<class>`` belongs to the column of answers left of
        it, ``<task>.prob.<class>`` to its task; ``pred.<finding>`` makes a task multilabel.
    requests : sequence of TaskRequest
        What a person said; kinds and classes given there win. None: every task that is found.
    positive : str, optional
        The positive class of the binary tasks; only those that have it take it.

    Raises
    ------
    UsageError
        If a binary task has no positive class, if a request names an unknown task, or if `positive`
        is a class of no binary task.
    InputError
        If the table has no task.
    """
    found = _probabilities(columns)
    wanted = list(requests) or [TaskRequest(name) for name in found]
    if not wanted:
        raise InputError(
            "The results have no columns 'prob.<class>', so their tasks are not known.",
            "Name them: --task label:multiclass=a,b,c.",
        )
    parts = []
    for request in wanted:
        if request.name not in found and not request.classes:
            raise UsageError(
                f"The results have no task '{request.name}'.", did_you_mean(request.name, found)
            )
        classes = request.classes or tuple(found[request.name])
        kind = request.kind or _kind(request.name, columns, classes)
        parts.append((request.name, kind, classes))
    # before any task lacks it
    known = {c for _, kind, classes in parts if kind is TaskKind.BINARY for c in classes}
    if positive is not None and positive not in known:
        raise UsageError(
            f"No binary task has the class '{positive}'.", did_you_mean(positive, known)
        )
    return tuple(_task(*part, positive) for part in parts)


def answer_column(task: Task, several: bool, part: str = "", name: str = "") -> str:
    """Column of a task's answers: ``label``, ``prob.a``, ``pred.effusion``, ``view.prob.ap``."""
    if not part:
        return task.name
    return f"{task.name}.{part}.{name}" if several else f"{part}.{name}"


def label_columns(
    columns: Iterable[str], tasks: Sequence[Task], label_column: str | None
) -> dict[str, tuple[str, ...]]:
    """Where each task's truth stands in the labels: its own column, or one a finding.

    Parameters
    ----------
    columns : iterable of str
        Of the labels.
    tasks : sequence of Task
    label_column : str, optional
        For the one task that a person named it for. Without it a single task whose column is
        missing takes ``label``.

    Raises
    ------
    UsageError
        If `label_column` is given for several tasks or for a multilabel one.
    InputError
        If a column is missing, or holds a model's answers: the labels are a results table.
    """
    homes = _truth_columns(list(columns), tasks, label_column)
    _refuse_answers(list(columns), [column for found in homes.values() for column in found])
    return homes


def _truth_columns(
    has: Sequence[str], tasks: Sequence[Task], label_column: str | None
) -> dict[str, tuple[str, ...]]:
    single = len(tasks) == 1 and tasks[0].kind is not TaskKind.MULTILABEL
    if label_column is not None:
        if not single:
            raise UsageError(
                "--label-column fits a model with one task that is not multilabel.",
                "Rename the columns of the labels to the names of tasks and findings.",
            )
        _require(has, label_column)
        return {tasks[0].name: (label_column,)}
    homes = {}
    for task in tasks:
        if task.kind is TaskKind.MULTILABEL:
            wanted: tuple[str, ...] = task.classes
        elif single and task.name not in has and DEFAULT_TASK in has:
            wanted = (DEFAULT_TASK,)
        else:
            wanted = (task.name,)
        for column in wanted:
            _require(has, column)
        homes[task.name] = wanted
    return homes


def check_label_map(label_map: Mapping[str, str], tasks: Sequence[Task]) -> None:
    """Raise `UsageError` if the map leads to a class that no task has."""
    known = {c for task in tasks for c in task.classes} | {""}
    if any(task.kind is TaskKind.MULTILABEL for task in tasks):
        known |= {"0", "1"}
    for value, name in label_map.items():
        if name not in known:
            raise UsageError(
                f"--label-map {value}={name}: '{name}' is no class of the results.",
                did_you_mean(name, known - {""}),
            )


def _probabilities(columns: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    left = DEFAULT_TASK
    for column in columns:
        head, dot, name = column.partition("." + _PROBABILITY)
        if column.startswith(_PROBABILITY):
            found.setdefault(left, []).append(column.removeprefix(_PROBABILITY))
        elif dot and head in columns:
            found.setdefault(head, []).append(name)
        elif column not in RESERVED and not column.startswith(_FINDING):
            left = column
    return found


def _kind(name: str, columns: Sequence[str], classes: Sequence[str]) -> TaskKind:
    if any(f"{prefix}{_FINDING}{c}" in columns for c in classes for prefix in ("", f"{name}.")):
        return TaskKind.MULTILABEL
    return TaskKind.BINARY if len(classes) == 2 else TaskKind.MULTICLASS


def _task(name: str, kind: TaskKind, classes: tuple[str, ...], positive: str | None) -> Task:
    if kind is not TaskKind.BINARY:
        return Task(name, kind, classes)
    return Task(name, kind, classes, positive if positive in classes else None)


def _refuse_answers(has: Sequence[str], truth: Sequence[str]) -> None:
    """A model that is held against answers, its own or another's, looks perfect."""
    if "status" not in has:
        return
    columns = _probabilities(has)
    found = next((c for c in truth if c in columns), None)
    if found is not None:
        raise _no_labels(f"their '{found}' holds the answers of a model")


def _no_labels(why: str) -> InputError:
    return InputError(
        f"The labels look like a results table (status, {_PROBABILITY}*): {why}.",
        "Give the table of the truth; if both stand in one table, name the truth with "
        "--label-column.",
    )


def _require(has: Sequence[str], column: str) -> None:
    if column in has:
        return
    if "status" in has and any(_PROBABILITY in name for name in has):
        raise _no_labels(f"they have no column '{column}'")
    listed = ", ".join(has[:20])
    raise InputError(
        f"The labels have no column '{column}'; they have: {listed}.",
        nearest(column, has) or "Name the column of the truth with --label-column.",
    )
