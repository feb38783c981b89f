"""Labels as text to tasks with classes, and to the numbers that a network learns from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.names import did_you_mean, number_of
from xraybatch.core.tasks import Task, TaskKind, TaskRequest
from xraybatch.training.heads import UNLABELLED

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

# classes that say "nothing found", of which the other one is the positive class
_NOTHING = frozenset(
    ("0", "no", "none", "normal", "negative", "neg", "control", "healthy", "absent", "false")
)
_NOT = ("not ", "non ", "no ", "without ", "un")
_CELLS = {"1": 1, "0": 0, "true": 1, "false": 0, "1.0": 1, "0.0": 0, "": UNLABELLED}


def find_task(
    request: TaskRequest, columns: Sequence[str], table: pd.DataFrame, positive: str | None
) -> tuple[Task, str]:
    """What is left open in a request, found in the labels.

    Parameters
    ----------
    request : TaskRequest
    columns : sequence of str
        Of `table`: the task's, or one a finding.
    table : pandas.DataFrame
    positive : str, optional

    Returns
    -------
    Task
    str
        How the positive class was chosen, a sentence; empty where it was named or there is none.

    Raises
    ------
    InputError
        If the labels have one class only, or others than the request lists.
    UsageError
        If the positive class or the order of grades cannot be known.
    """
    if request.kind is TaskKind.MULTILABEL:
        for column in columns:
            _cells(table[column], column)
        return Task(request.name, TaskKind.MULTILABEL, tuple(columns)), ""
    found = _in_order({value for value in table[columns[0]] if value})
    if request.classes and (strange := [c for c in found if c not in request.classes]):
        near = did_you_mean(strange[0], request.classes)
        raise InputError(
            f"The labels of task '{request.name}' have the class '{strange[0]}'; --task, or the "
            f"preset, asks for {', '.join(request.classes)}.",
            near
            if near.startswith("Did")
            else "Are these the data that you meant? Else ask for their classes with --task.",
        )
    if len(found) < 2:
        raise InputError(
            f"All labels of task '{request.name}' are '{found[0]}'."
            if found
            else f"Task '{request.name}' has no label at all.",
            "A network cannot learn to tell one class from nothing; check the labels.",
        )
    classes = request.classes or tuple(found)
    kind = request.kind or (TaskKind.BINARY if len(classes) == 2 else TaskKind.MULTICLASS)
    if kind is TaskKind.ORDINAL and not request.classes:
        _check_grades(request.name, classes)
    if kind is not TaskKind.BINARY:
        return Task(request.name, kind, classes), ""
    if positive in classes:
        return Task(request.name, kind, classes, positive), ""
    chosen = positive_of(request.name, classes)
    return Task(request.name, kind, classes, chosen), (
        f"The positive class of '{request.name}' is '{chosen}', "
        f"because '{_other(classes, chosen)}' says that nothing was found (--positive changes it)."
    )


def check_positive(positive: str | None, tasks: Sequence[Task]) -> None:
    """Raise `UsageError` if a person named a positive class that no binary task has."""
    known = {c for task in tasks if task.kind is TaskKind.BINARY for c in task.classes}
    if positive is not None and positive not in known:
        raise UsageError(
            f"--positive {positive}: no binary task has that class.",
            did_you_mean(positive, known) if known else "No task here is binary.",
        )


def codes_of(task: Task, columns: Sequence[str], table: pd.DataFrame) -> NDArray[np.int64]:
    """Labels as numbers.

    Returns
    -------
    ndarray of int64
        ``(n,)`` class indices, −1 for unlabelled; multilabel ``(n, K)`` of 0, 1 and −1.
    """
    if task.kind is TaskKind.MULTILABEL:
        return np.stack([_cells(table[column], column) for column in columns], axis=1)
    index: Mapping[str, int] = {"": UNLABELLED, **{c: i for i, c in enumerate(task.classes)}}
    return np.array([index[value] for value in table[columns[0]]], np.int64)


def positive_of(task: str, classes: tuple[str, ...]) -> str:
    """The class beside the one that says "nothing found".

    Raises
    ------
    UsageError
        If neither says so, or both do.
    """
    words = [" ".join(c.lower().replace("_", " ").replace("-", " ").split()) for c in classes]
    nothing = [
        i
        for i, word in enumerate(words)
        if word in _NOTHING or any(word == prefix + words[1 - i] for prefix in _NOT)
    ]
    if len(nothing) != 1:
        raise UsageError(
            f"Which class of '{task}' is the positive one: '{classes[0]}' or '{classes[1]}'?",
            f"Say it with --positive, for example --positive {classes[1]!r}.",
        )
    return classes[1 - nothing[0]]


def _cells(column: pd.Series[str], name: str) -> NDArray[np.int64]:
    found = []
    for value in column:
        if value.lower() not in _CELLS:
            raise InputError(
                f"The finding '{name}' has the value '{value}'.",
                "Use 1, 0, or nothing where it is not known; --label-map renames values.",
            )
        found.append(_CELLS[value.lower()])
    return np.array(found, np.int64)


def _other(classes: tuple[str, ...], one: str) -> str:
    return classes[1 - classes.index(one)]


def _are_numbers(values: Iterable[str]) -> bool:
    return all(number_of(value) is not None for value in values)


def _in_order(values: set[str]) -> list[str]:
    # '1' and '1.0' are equal as numbers: without the text their order would be that of the set
    return sorted(values, key=lambda v: (float(v), v)) if _are_numbers(values) else sorted(values)


def _check_grades(task: str, classes: tuple[str, ...]) -> None:
    """Raise `UsageError` unless the classes are different numbers, which have an order."""
    if not _are_numbers(classes):
        raise UsageError(
            f"The grades of task '{task}' have no order that could be known.",
            f"Write --task {task}:ordinal={','.join(classes)}, lowest first.",
        )
    for one, other in pairwise(classes):
        if float(one) == float(other):
            raise UsageError(
                f"The grades '{one}' and '{other}' of task '{task}' are the same number.",
                f"--label-map {other}={one} makes them one.",
            )
