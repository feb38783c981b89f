"""Tasks: the questions a model answers, and the classes it answers with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from xraybatch.core.errors import UsageError
from xraybatch.core.names import did_you_mean

DEFAULT_TASK = "label"

# Columns of labels and results tables, outputs of networks and words of cards that no task and no
# finding may be called.
RESERVED = frozenset(
    {"path", "frame", "status", "error", "patient", "study", "split", "fold", "set", "abstain"}
    | {"seen_in_training", "prob", "pred", "tag", "embedding", "films", "part", "val"}
)
_OF_VALIDATION = "val_"  # what a history calls figures of validation films
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


class TaskKind(StrEnum):
    """What kind of answer a task has.

    `BINARY`: one of two classes, one of them positive. `MULTICLASS`: one of several.
    `ORDINAL`: one of several ordered grades. `MULTILABEL`: any number of findings at once.
    """

    BINARY = "binary"
    MULTICLASS = "multiclass"
    ORDINAL = "ordinal"
    MULTILABEL = "multilabel"


@dataclass(frozen=True)
class Task:
    """One question: its name, kind and classes in the order of the model's output columns.

    Attributes
    ----------
    name : str
        ``[a-z][a-z0-9_]*``, none of the reserved names.
    kind : TaskKind
    classes : tuple of str
        At least two different, non-empty names (one or more for `MULTILABEL`, none of them
        reserved); for `ORDINAL` from lowest to highest.
    positive : str or None
        The class that sensitivity speaks of; one of `classes` for `BINARY`, None otherwise.

    Raises
    ------
    UsageError
        If name, classes or positive class do not fit together.
    """

    name: str
    kind: TaskKind
    classes: tuple[str, ...]
    positive: str | None = None

    def __post_init__(self) -> None:
        check_task_name(self.name)
        if len(set(self.classes)) != len(self.classes) or "" in self.classes:
            raise UsageError(
                f"The classes of task '{self.name}' repeat or are empty: {list(self.classes)}."
            )
        for name in self.classes:
            if name != name.strip():
                raise UsageError(
                    f"The class '{name}' of task '{self.name}' begins or ends with a blank.",
                    "Rename it, for example with --label-map.",
                )
            if not name.isprintable() or name.startswith(("=", "@")):
                raise UsageError(
                    f"The class {name!r} of task '{self.name}' would be executed by a spreadsheet "
                    "or a terminal.",
                    "Rename it, for example with --label-map.",
                )
        _check_findings(self.kind, self.classes)
        needed = 1 if self.kind is TaskKind.MULTILABEL else 2
        if len(self.classes) < needed:
            raise UsageError(
                f"Task '{self.name}' has {len(self.classes)} class(es); "
                f"{self.kind} needs {needed} or more.",
                "Check the label column: a network cannot learn to tell one class from nothing.",
            )
        if self.kind is TaskKind.BINARY:
            if len(self.classes) != 2:
                raise UsageError(
                    f"Task '{self.name}' is binary but has {len(self.classes)} classes."
                )
            if self.positive not in self.classes:
                raise UsageError(
                    f"Task '{self.name}' is binary and needs a positive class.",
                    f"Give --positive with one of: {', '.join(self.classes)}.",
                )
        elif self.positive is not None:
            raise UsageError(
                f"Task '{self.name}' is {self.kind}: only a binary task has a positive class."
            )

    @property
    def positive_index(self) -> int:
        """Column of the positive class.

        Raises
        ------
        ValueError
            If the task is not binary.
        """
        if self.positive is None:
            raise ValueError(f"task '{self.name}' is {self.kind} and has no positive class")
        return self.classes.index(self.positive)


@dataclass(frozen=True)
class TaskRequest:
    """What a person says of a task by ``--task``; what is left open is found in the labels."""

    name: str
    kind: TaskKind | None = None
    classes: tuple[str, ...] = ()


def parse_task_request(text: str) -> TaskRequest:
    """Read ``NAME[:KIND[=class,class…]]``.

    Raises
    ------
    UsageError
        If the name is not allowed or the kind is unknown.
    """
    head, _, classes = text.partition("=")
    name, _, kind = head.partition(":")
    check_task_name(name)
    if kind and kind not in {k.value for k in TaskKind}:
        raise UsageError(
            f"'{kind}' in --task {text} is no kind of task.", did_you_mean(kind, [*TaskKind])
        )
    if classes and not kind:
        raise UsageError(
            f"--task {text} lists classes but no kind.", f"Write {name}:multiclass={classes}."
        )
    listed = tuple(c.strip() for c in classes.split(",")) if classes else ()
    _check_findings(kind, listed)
    return TaskRequest(name, TaskKind(kind) if kind else None, listed)


def check_task_name(name: str) -> None:
    """Raise `UsageError` unless `name` may be the name of a task."""
    if not _NAME.match(name):
        raise UsageError(
            f"'{name}' cannot be the name of a task.",
            "Use lower-case letters, digits and underscores, beginning with a letter.",
        )
    if name in RESERVED:
        raise UsageError(
            f"'{name}' means something else in tables and models and cannot be the name of a task.",
            f"Call the task otherwise, and name its column with --label-column {name}.",
        )
    if name.startswith(_OF_VALIDATION):
        raise UsageError(
            f"'{name}' cannot be the name of a task: '{_OF_VALIDATION}' begins the names of "
            "figures of validation films.",
            f"Call the task otherwise, and name its column with --label-column {name}.",
        )


def _check_findings(kind: str, findings: tuple[str, ...]) -> None:
    """Raise `UsageError` if a finding is called as a column is that means something else."""
    if kind == TaskKind.MULTILABEL and (taken := [name for name in findings if name in RESERVED]):
        raise UsageError(
            f"'{taken[0]}' means something else in tables and models and cannot be the name of a "
            "finding.",
            "Rename the column.",
        )
