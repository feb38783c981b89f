"""What is known of one film after prediction, and the columns it is written in.

``docs/results.md`` is the schema of these columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import TaskKind
from xraybatch.models.card import TaskCard, decide

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Row:
    """One film's outcome.

    Attributes
    ----------
    item : int
        Index of the item in the job.
    frame : int
    status : FilmStatus
    error : str
        A sentence; empty for `FilmStatus.OK`.
    values : bytes
        float32 probabilities of all tasks in the card's order, little endian; empty unless ok.
    seen : bool or None
        Whether the film was among the training films; None where the card does not say.
    notes : tuple of str
        What a person should know of how it was read, for the run record.
    """

    item: int
    frame: int
    status: FilmStatus
    error: str = ""
    values: bytes = b""
    seen: bool | None = None
    notes: tuple[str, ...] = ()


class Columns:
    """The columns of a results table for a model's tasks, and a row's cells in their order.

    Parameters
    ----------
    tasks : sequence of TaskCard
    seen : bool
        Whether there is a column ``seen_in_training``.

    Attributes
    ----------
    names : tuple of str
        Of the columns, in order.
    floats, findings : frozenset of str
        Those of probabilities, and those that say 0 or 1 of a finding.
    """

    def __init__(self, tasks: Sequence[TaskCard], *, seen: bool) -> None:
        self.tasks = tuple(tasks)
        self.seen = seen
        self.names: tuple[str, ...] = tuple(self._names())
        self.floats: frozenset[str] = frozenset(self._of_classes("prob"))
        self.findings: frozenset[str] = frozenset(self._of_classes("pred")) & set(self.names)

    def cells(self, path: str, row: Row) -> list[str | None]:
        """A row as text, None for a cell without a value.

        Probabilities are the shortest text that reads back as the same float32.
        """
        head: list[str | None] = [path, row.status.value]
        if row.status is FilmStatus.OK:
            middle = self._answers(row)
        else:
            middle = [None] * (len(self.names) - 3 - self.seen)
        tail: list[str | None] = []
        if self.seen:
            tail.append(None if row.seen is None else str(int(row.seen)))
        return [*head, *middle, *tail, row.error or None]

    def _names(self) -> Iterator[str]:
        yield from ("path", "status")
        several = len(self.tasks) > 1
        for entry in self.tasks:
            prefix = f"{entry.task.name}." if several else ""
            yield entry.task.name
            for name in entry.task.classes:
                yield f"{prefix}prob.{name}"
            if entry.task.kind is TaskKind.MULTILABEL:
                for name in entry.task.classes:
                    yield f"{prefix}pred.{name}"
        if self.seen:
            yield "seen_in_training"
        yield "error"

    def _of_classes(self, word: str) -> Iterator[str]:
        for entry in self.tasks:
            prefix = f"{entry.task.name}." if len(self.tasks) > 1 else ""
            yield from (f"{prefix}{word}.{name}" for name in entry.task.classes)

    def _answers(self, row: Row) -> list[str | None]:
        import numpy as np

        cells: list[str | None] = []
        values = np.frombuffer(row.values, "<f4")
        for entry, part in zip(self.tasks, self.split(values), strict=True):
            answer = decide(part[None, :], entry)[0]
            if entry.task.kind is TaskKind.MULTILABEL:
                cells += [None, *map(str, part), *(str(int(a)) for a in answer)]
            else:
                cells += [entry.task.classes[int(answer)], *map(str, part)]
        return cells

    def split(self, values: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """One film's probabilities ``(sum of K,)``, cut into the tasks' ``(K,)``."""
        begin = 0
        for entry in self.tasks:
            end = begin + len(entry.task.classes)
            yield values[begin:end]
            begin = end
