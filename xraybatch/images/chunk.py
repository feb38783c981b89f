"""A chunk of films on its way through the pool, its size, and who is to blame for a death."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from xraybatch.core.status import FilmStatus
from xraybatch.images.kept import FilmSource
from xraybatch.images.worker import Outcome

_QUICK = 0.004  # seconds a film; of quicker ones a chunk's own cost, messages and wakings, is felt


@dataclass
class Chunk:
    """Some films that share a slot, and how far they are.

    Attributes
    ----------
    slot : int
        Where in the ring their pixels go.
    films : sequence of (int, FilmSource)
        Each with its index among all sources.
    outcomes : dict of int to Outcome
        What became of the film at a position.
    parts : list of list of int
        Positions that are decoded together, one part after another; at first there is one.
    future : Future
        The first part's.
    overdue : int or None
        The position whose process was ended for its time.
    gone_since : float
        When its process was first seen missing; 0: it was not.
    suspects : set of int
        Positions on which a process died once.
    large : set of int
        Positions that are tried again where they may take all the memory that a film may.
    """

    slot: int
    films: Sequence[tuple[int, FilmSource]]
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    parts: list[list[int]] = field(default_factory=list)
    future: Future[Any] = field(default_factory=Future)
    overdue: int | None = None
    gone_since: float = 0.0
    suspects: set[int] = field(default_factory=set)
    large: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.parts = [list(range(len(self.films)))]

    @property
    def is_done(self) -> bool:
        """Whether every film is decided."""
        return not self.parts

    @property
    def is_alone(self) -> bool:
        """Whether the first part is one film that may take all the memory that a film may."""
        return len(self.parts[0]) == 1 and self.parts[0][0] in self.large

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """The first part is finished, but for films that had too little memory."""
        for position, outcome in zip(self.parts.pop(0), outcomes, strict=True):
            if outcome.short and position not in self.large:
                self._again_alone(position)
            else:
                self.outcomes[position] = outcome

    def blame(self, position: int, outcome: Outcome) -> None:
        """A film is decided; the rest of the part is done again without it."""
        self.outcomes[position] = outcome
        self._leave_out(position)

    def suspect(self, position: int, last_words: str) -> None:
        """A process died on a film: perhaps by another's hand, so it gets one more try, alone."""
        if position in self.suspects:
            sentence = f"Its process died twice: {last_words}."
            self.blame(position, Outcome(FilmStatus.CRASHED, sentence, (), 0.0))
            return
        self.suspects.add(position)
        self._leave_out(position)
        self._again_alone(position)  # perhaps for want of memory

    def died_between(self, last_words: str) -> None:
        """A process died on none of its films: they are done again, one by one."""
        part = self.parts[0]
        if len(part) == 1:
            self.suspect(part[0], last_words)
        else:
            self.parts[:1] = [[position] for position in part]

    def _again_alone(self, position: int) -> None:
        self.large.add(position)
        self.parts.append([position])

    def _leave_out(self, position: int) -> None:
        self.parts[0].remove(position)
        if not self.parts[0]:
            self.parts.pop(0)


class ChunkSize:
    """How many films the next chunk gets: more while they are quick, fewer when they are slow.

    Slow films in large chunks would keep one process busy at the end, and the others idle.

    Parameters
    ----------
    least : int
        Films of the first chunk.
    most : int

    Attributes
    ----------
    films : int
    """

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self.films = least

    def learn(self, chunk: Chunk) -> None:
        """Take note of how long the films of a finished chunk took."""
        seconds = sum(one.seconds + one.fetching for one in chunk.outcomes.values())
        if seconds < _QUICK * len(chunk.films):
            self.films = min(2 * self.films, self._most)
        else:
            self.films = max(self.films // 2, self._least)
