"""Engines: who fetches, decodes and classifies the chunks that the dispatcher hands out.

Retries, order and the job stay with the dispatcher, so that they are tested once. Work is done at
least once; rows are written exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from xraybatch.prediction.rows import Begun, Row
from xraybatch.sources.item import Item

CHUNK = 256  # items by index, never "who is idle"


@dataclass(frozen=True)
class Chunk:
    """Items of one stretch of the job that still need their rows.

    Attributes
    ----------
    number : int
        Index of the chunk: its items have indices from ``number * CHUNK``.
    items : sequence of (int, Item)
        Index in the job, and the item.
    begun : mapping of int to Begun
        Of which items some frames have their rows already.
    """

    number: int
    items: Sequence[tuple[int, Item]]
    begun: Mapping[int, Begun] = field(default_factory=dict)


@dataclass
class Outcome:
    """What became known since the last call.

    Attributes
    ----------
    rows : list of Row
        Of any chunk, finished or not.
    finished : list of int
        Numbers of the chunks that now have all their rows.
    lost : list of int
        Numbers of chunks whose worker died and that must be handed out again.
    opened : dict of int to int
        Items that turned out to have several frames, and how many.
    done : int
        How many items now have all their rows.
    mixed : bool
        Whether the rows so far are of several processors or versions.
    """

    rows: list[Row] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    opened: dict[int, int] = field(default_factory=dict)
    done: int = 0
    mixed: bool = False

    def add(self, other: Outcome) -> None:
        """Take what became known elsewhere, too."""
        self.rows += other.rows
        self.finished += other.finished
        self.lost += other.lost
        self.opened |= other.opened
        self.done += other.done
        self.mixed |= other.mixed


@dataclass
class Seconds:
    """Where the time went, summed over workers: decoding can exceed the wall clock.

    Fetching is what decoding waited for the bytes of films that are elsewhere.
    """

    decoding: float = 0.0
    classifying: float = 0.0
    fetching: float = 0.0

    def add(self, other: Seconds) -> None:
        """Take the time of another worker, too."""
        self.decoding += other.decoding
        self.classifying += other.classifying
        self.fetching += other.fetching


@dataclass(frozen=True)
class Facts:
    """Where an engine computes: what a run is told and recorded with.

    Attributes
    ----------
    device, processor : str
        Where it really runs; of several, each once.
    versions : mapping of str to str
        Of the libraries that can change a pixel or a probability.
    batch_size : int
    self_test_difference : float or None
        None: the model carries no self-test.
    works : str
        What works on it, in the words beside the bar.
    cores, threads : int
        Cores that it may use, and threads of the session.
    embedding_width : int
        Numbers of an embedding; 0 where none is asked for.
    note : str
        A fallback that a person should hear of; empty where there was none.
    sessions : int
        How many compute side by side.
    mixed : bool
        Whether they are of several processors, devices or versions.
    happened : tuple of str
        What was said of its workers while they worked, in sentences.
    """

    device: str
    processor: str
    versions: Mapping[str, str]
    batch_size: int
    self_test_difference: float | None
    works: str
    cores: int
    threads: int
    embedding_width: int = 0
    note: str = ""
    sessions: int = 1
    mixed: bool = False
    happened: tuple[str, ...] = ()


def as_one(values: Iterable[str]) -> str:
    """What several say of themselves, each once, in order."""
    return "; ".join(sorted(set(values)))


class Engine(Protocol):
    """Something that turns chunks into rows."""

    seconds: Seconds

    @property
    def facts(self) -> Facts:
        """Where it computes; of one whose workers come and go, so far."""

    def ahead(self) -> int:
        """How many chunks it wants in its hands, so that it never runs dry."""

    def submit(self, chunk: Chunk) -> None:
        """Take a chunk; returns at once."""

    def wait(self, timeout: float) -> Outcome:
        """Work or wait for about `timeout` seconds, and say what became known.

        Raises
        ------
        XraybatchError
            Where the run must stop; the job keeps what was said before.
        """

    def cancel(self) -> None:
        """Drop all chunks that are not finished."""

    def workers(self) -> int:
        """Processes that decode; 0: threads of this process do."""

    def nodes(self) -> int:
        """Machines that work on it now."""

    def close(self) -> None:
        """Stop every worker."""
