"""A row of a results table, task by task: what a report says of one film."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xraybatch.core.errors import InputError
from xraybatch.core.tasks import TaskKind
from xraybatch.models.calibration_checks import BETWEEN_CLASSES
from xraybatch.models.card import TaskCard


@dataclass(frozen=True)
class Answer:
    """What the table says of one film and one task.

    Attributes
    ----------
    entry : TaskCard
    probabilities : tuple of float
        In the order of the classes, 0 to 1: the numbers that the table writes.
    decision : str
        The predicted class; empty for multilabel.
    present : tuple of bool
        Multilabel: of each finding whether it is there; else empty.
    inside : tuple of str or None
        The classes of the conformal set; None where the table has none.
    abstains : bool or None
        Whether the film is for a person; None where the table does not say.
    """

    entry: TaskCard
    probabilities: tuple[float, ...]
    decision: str
    present: tuple[bool, ...]
    inside: tuple[str, ...] | None
    abstains: bool | None


def answers_of(row: Mapping[str, str], tasks: Sequence[TaskCard]) -> list[Answer]:
    """The answers of a row whose status is ``ok``.

    Raises
    ------
    InputError
        If a column is missing, or a cell holds what `xraybatch predict` never writes there.
    """
    try:
        return [_answer(row, entry, several=len(tasks) > 1) for entry in tasks]
    except (KeyError, ValueError):
        raise InputError(
            "The table's columns are not those of the model.",
            "Give the table as `xraybatch predict` wrote it, and the model that it names.",
        ) from None


def _answer(row: Mapping[str, str], entry: TaskCard, *, several: bool) -> Answer:
    task = entry.task
    prefix = f"{task.name}." if several else ""
    is_multilabel = task.kind is TaskKind.MULTILABEL
    decision = row[task.name]
    if (decision != "") is is_multilabel or decision not in ("", *task.classes):
        raise ValueError
    inside = abstains = None
    if entry.conformal is not None:
        inside = _listed(row[f"{prefix}set"], task.classes)
        abstains = _flag(row[f"{prefix}abstain"])
    return Answer(
        entry,
        tuple(_probability(row[f"{prefix}prob.{name}"]) for name in task.classes),
        decision,
        tuple(_flag(row[f"{prefix}pred.{name}"]) for name in task.classes if is_multilabel),
        inside,
        abstains,
    )


def _probability(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and 0 <= number <= 1):
        raise ValueError
    return number


def _flag(text: str) -> bool:
    return {"0": False, "1": True}[text]


def _listed(text: str, classes: Sequence[str]) -> tuple[str, ...]:
    names = tuple(text.split(BETWEEN_CLASSES)) if text else ()
    if not set(names) <= set(classes):
        raise ValueError
    return names
