"""What is known of one film after prediction, and the columns it is written in.

``docs/results.md`` is the schema of these columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xraybatch.core.names import no_formula, number_of
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import TaskKind
from xraybatch.images.asked import BETWEEN_VALUES, NOTHING, Asked
from xraybatch.models.calibration import abstains, calibrated, sets
from xraybatch.models.calibration_checks import BETWEEN_CLASSES
from xraybatch.models.card import TaskCard, decide

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


NO_FRAME = -1  # of an item that is one film, and of one that could not be read


@dataclass(frozen=True)
class Row:
    """One film's outcome.

    Attributes
    ----------
    item : int
        Index of the item in the job.
    frame : int
        From 0; `NO_FRAME` unless every frame of an item has its row.
    status : FilmStatus
    error : str
        A sentence; empty for `FilmStatus.OK`.
    values : bytes
        float32 probabilities of all tasks in the card's order, as the graph gives them (not
        calibrated), little endian; empty unless ok.
    seen : bool or None
        Whether the film was among the training films; None where the card does not say.
    notes : tuple of str
        What a person should know of how it was read, for the run record.
    told : mapping of str to str
        What was asked of its header: keywords of tags, ``patient``, ``study``.
    apart : float or None
        How far its greys are from those of the training films (`xraybatch.prediction.unlike`);
        None where the card does not say.
    embedding : bytes
        float32, little endian; empty unless ok and asked for.
    """

    item: int
    frame: int
    status: FilmStatus
    error: str = ""
    values: bytes = b""
    seen: bool | None = None
    notes: tuple[str, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    apart: float | None = None
    embedding: bytes = b""


@dataclass(frozen=True)
class Begun:
    """An item of several frames of which some have their rows.

    Attributes
    ----------
    frames : int
        How many it has.
    done : frozenset of int
        Those that have their rows.
    """

    frames: int
    done: frozenset[int]


class Columns:
    """The columns of a results table for a model's tasks, and a row's cells in their order.

    Parameters
    ----------
    tasks : sequence of TaskCard
    seen : bool
        Whether there is a column ``seen_in_training``.
    frames : bool
        Whether there is a column ``frame``.
    asked : Asked
        What else there are columns of.

    Attributes
    ----------
    names : tuple of str
        Of the columns, in order.
    floats, findings, flags : frozenset of str
        Those of probabilities, those that say 0 or 1 of a finding, and those that say so of a film.
    """

    def __init__(
        self,
        tasks: Sequence[TaskCard],
        *,
        seen: bool,
        frames: bool = False,
        asked: Asked = NOTHING,
    ) -> None:
        self.tasks = tuple(tasks)
        self.seen = seen
        self.frames = frames
        self.asked = asked
        self.names: tuple[str, ...] = tuple(self._names())
        self.floats: frozenset[str] = frozenset(self._of_classes("prob"))
        self.findings: frozenset[str] = frozenset(self._of_classes("pred")) & set(self.names)
        self.flags: frozenset[str] = frozenset(
            f"{self._prefix(entry)}abstain" for entry in self.tasks if entry.conformal
        ) | ({"seen_in_training"} if seen else set())

    def cells(self, path: str, row: Row) -> list[str | None]:
        """A row as text, None for a cell without a value.

        Probabilities are the shortest text that reads back as the same float32.
        """
        return self.cells_of([(path, row)])[0]

    def cells_of(self, rows: Sequence[tuple[str, Row]]) -> list[list[str | None]]:
        """The cells of several rows, each with its path; the same as of each alone."""
        import numpy as np

        ok = [row.values for _, row in rows if row.status is FilmStatus.OK]
        width = sum(len(entry.task.classes) for entry in self.tasks)
        values = np.frombuffer(b"".join(ok), "<f4").reshape(len(ok), width)
        answers = iter(self._answers(values))
        nothing: list[str | None] = [None] * len(list(self._of_answers()))
        asked = self.asked.columns
        found = []
        for path, row in rows:
            head: list[str | None] = [path]
            if self.frames:
                head.append(None if row.frame == NO_FRAME else str(row.frame))
            middle = next(answers) if row.status is FilmStatus.OK else nothing
            tail = [_cell(row.told.get(name, "")) for name in asked]
            if self.seen:
                tail.append(None if row.seen is None else str(int(row.seen)))
            found.append([*head, row.status.value, *middle, *tail, no_formula(row.error) or None])
        return found

    def _names(self) -> Iterator[str]:
        yield "path"
        if self.frames:
            yield "frame"
        yield "status"
        yield from self._of_answers()
        yield from (f"tag.{keyword}" for keyword in self.asked.tags)
        yield from self.asked.identifiers
        if self.seen:
            yield "seen_in_training"
        yield "error"

    def _of_answers(self) -> Iterator[str]:
        for entry in self.tasks:
            prefix = self._prefix(entry)
            yield entry.task.name
            for name in entry.task.classes:
                yield f"{prefix}prob.{name}"
            if entry.task.kind is TaskKind.MULTILABEL:
                for name in entry.task.classes:
                    yield f"{prefix}pred.{name}"
        for entry in self.tasks:
            if entry.conformal:
                yield from (f"{self._prefix(entry)}{word}" for word in ("set", "abstain"))

    def _prefix(self, entry: TaskCard) -> str:
        return f"{entry.task.name}." if len(self.tasks) > 1 else ""

    def _of_classes(self, word: str) -> Iterator[str]:
        for entry in self.tasks:
            yield from (f"{self._prefix(entry)}{word}.{name}" for name in entry.task.classes)

    def _answers(self, values: NDArray[np.float32]) -> list[list[str | None]]:
        """The cells of films that were answered, from the graph's probabilities ``(n, sum of K)``.

        The one place where calibration, thresholds and sets meet a results table.
        """
        cells: list[list[str | None]] = [[] for _ in values]
        last: list[list[str | None]] = [[] for _ in values]
        begin = 0
        for entry in self.tasks:
            end = begin + len(entry.task.classes)
            raw = values[:, begin:end]
            shown = calibrated(raw, entry)
            answers = decide(shown, entry)
            several = entry.task.kind is TaskKind.MULTILABEL
            for row, probabilities, answer in zip(cells, shown, answers, strict=True):
                row.append(None if several else entry.task.classes[int(answer)])
                row += map(str, probabilities)
                row += (str(int(a)) for a in answer) if several else ()
            if entry.conformal:
                inside = sets(raw, entry)
                for row, within, is_for_a_person in zip(
                    last, inside, abstains(inside, answers), strict=True
                ):
                    row += set_cells(entry, within, is_for_a_person)
            begin = end
        return [row + more for row, more in zip(cells, last, strict=True)]


def _cell(text: str) -> str | None:
    """What a header says, as a cell that no spreadsheet executes; None where it says nothing."""
    clean = " ".join(text.split())
    are_numbers = all(number_of(part) is not None for part in clean.split(BETWEEN_VALUES))
    return (clean if are_numbers else no_formula(clean)) or None


def set_cells(
    entry: TaskCard, inside: NDArray[np.bool_], is_for_a_person: bool
) -> list[str | None]:
    """A film's set as its classes in the card's order, None for an empty one; and 0 or 1."""
    names = (name for name, found in zip(entry.task.classes, inside, strict=True) if found)
    return [BETWEEN_CLASSES.join(names) or None, str(int(is_for_a_person))]
