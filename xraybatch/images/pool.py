"""Many films at once, in order, whatever one of them does to its process.

Prediction, the training cache and the audit decode through this. Chunks of films go to isolated
processes, which fill slots of a ring in shared memory. The process on a film that kills, hangs or
eats memory takes only that film with it: the rest of its chunk is done again without it. Threads
decode only for those who ask for no process at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from xraybatch.core.cores import available_cores
from xraybatch.core.status import FilmStatus
from xraybatch.extension.records import Limits
from xraybatch.images.asked import NOTHING, Asked
from xraybatch.images.chunk import Chunk, ChunkSize
from xraybatch.images.crew import Crew
from xraybatch.images.decode import DEFAULT_LIMITS
from xraybatch.images.fetching import Fetch
from xraybatch.images.film import FilmFacts
from xraybatch.images.kept import FilmSource
from xraybatch.images.look import Look
from xraybatch.images.memory import shares
from xraybatch.images.outside import Outside
from xraybatch.images.rule import DecodingRule
from xraybatch.images.threads import Threads
from xraybatch.images.worker import Outcome, load_readers, nothing

__all__ = ["Decoded", "DecodingPool", "FilmSource"]

FEW = 32  # fewer films than these are decoded by fewer processes
_FILMS_A_PROCESS = 8
_CHUNK = 16
_LARGEST = 64  # films of a chunk, where they are quick
_CHUNK_BYTES = 8 << 20  # large films go in smaller chunks
_RING_BYTES = 48 << 20  # of which quick films may have chunks; a container often shares 64 MB


@dataclass(frozen=True)
class Decoded:
    """What became of one film.

    Attributes
    ----------
    index : int
        Position among the sources.
    film : ndarray of uint8, shape (height, width), or None
        None unless `status` is ``ok``.
    status : FilmStatus
    sentence : str
        Why it is not ``ok``; empty otherwise.
    notes : tuple of str
    seconds : float
        What decoding took; the time limit for ``timeout``, 0 for ``crashed``.
    frames : int
        How many films the file holds, where it was decoded.
    told : mapping of str to str
        What its header says of that which was asked.
    facts : FilmFacts or None
        Of a survey, where the film was decoded.
    outside : Outside or None
        Of a survey, where a process lived to say it.
    look : Look or None
        Of a survey, where the film was decoded.
    fetching : float
        Seconds that were waited for the bytes of a film that is elsewhere.
    """

    index: int
    film: NDArray[np.uint8] | None
    status: FilmStatus
    sentence: str
    notes: tuple[str, ...]
    seconds: float
    frames: int = 1
    told: Mapping[str, str] = field(default_factory=dict)
    facts: FilmFacts | None = None
    outside: Outside | None = None
    look: Look | None = None
    fetching: float = 0.0


class DecodingPool:
    """Decodes films with one rule; a context manager.

    Parameters
    ----------
    rule : DecodingRule
    workers : int, optional
        Processes; as many as there are cores if None. 0: threads of this process, where a film
        that crashes takes everything with it.
    timeout : float
        Seconds that one film may take.
    limits : Limits
    readers_from : str, optional
        ``module:function`` that returns the readers, importable in a fresh process; those of the
        installation if None.
    asked : Asked
        What is asked of every header: which films to leave out, and what to tell.
    fetch : Fetch, optional
        Reads films that are elsewhere; None: all lie in the file system.

    Attributes
    ----------
    processes : int
        How many decoded so far; 0: threads of this process did.
    """

    def __init__(
        self,
        rule: DecodingRule,
        *,
        workers: int | None = None,
        timeout: float = 60.0,
        limits: Limits = DEFAULT_LIMITS,
        readers_from: str | None = None,
        asked: Asked = NOTHING,
        fetch: Fetch | None = None,
    ) -> None:
        self.rule = rule
        self.limits = limits
        self.timeout = timeout
        self.workers = available_cores() if workers is None else workers
        self.processes = 0
        self._readers_from = readers_from
        self._asked = asked
        self._fetch = fetch
        self._slots = 2 * self.workers + 2
        film = rule.height * rule.width
        self._chunk = max(1, min(_CHUNK, _CHUNK_BYTES // film))
        fitting = min(_CHUNK_BYTES, _RING_BYTES // self._slots) // film
        self._largest = max(self._chunk, min(_LARGEST, fitting))
        self._crew: Crew | None = None

    def __enter__(self) -> DecodingPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the processes and give back the shared memory."""
        if self._crew is not None:
            self._crew.stop()
            self._crew = None

    def start(self, films: int, task: Callable[[], object] = nothing) -> Future[object] | None:
        """Start processes for so many films, while something else is prepared.

        Parameters
        ----------
        films : int
        task : callable, optional
            What one of them does first; to be pickled, with what it raises.

        Returns
        -------
        Future or None
            Of the task. None: no process was asked for, and nothing was done.
        """
        return self._crew_of(self._count(films)).start(task) if self.workers else None

    def decode(
        self, sources: Iterable[FilmSource], *, ahead: int | None = None
    ) -> Iterator[Decoded]:
        """Decode films; one `Decoded` for each, in the order of the sources.

        Parameters
        ----------
        sources : iterable of FilmSource
            Taken as it is needed; may be a generator of a million.
        ahead : int, optional
            How many films may be decoded before they are asked for; a few chunks for each worker
            if None.

        Raises
        ------
        XraybatchError
            If processes cannot be started at all, or `fetch` says that no film can be fetched.
        """
        if self.workers == 0:
            return self._in_threads(sources, ahead)
        waiting = iter(sources)
        first = list(islice(waiting, FEW))
        if not first:
            return iter(())
        everything = chain(first, waiting)
        count, size = self._count(len(first)), ChunkSize(self._chunk, self._largest)
        if len(first) < FEW:
            least = min(self._chunk, max(1, -(-len(first) // count)))
            size = ChunkSize(least, least)
        return self._in_processes(everything, self._crew_of(count), size, ahead)

    # ── where no process is asked for: threads ────────────────────────────────────────────────────

    def _in_threads(self, sources: Iterable[FilmSource], ahead: int | None) -> Iterator[Decoded]:
        count = available_cores()
        readers = load_readers(self._readers_from)
        threads = Threads(
            *(self.rule, self.limits, readers),
            count=count,
            timeout=self.timeout,
            asked=self._asked,
            fetch=self._fetch,
        )
        reads = 0 if self._fetch is None else self._fetch.threads
        decoded = threads.decode(sources, max(1, ahead or max(2 * count, reads)))
        for index, (film, outcome) in enumerate(decoded):
            yield _decoded(index, film, outcome)

    # ── otherwise: processes ──────────────────────────────────────────────────────────────────────

    def _count(self, films: int) -> int:
        """How many processes so many films are worth."""
        return self.workers if films >= FEW else min(self.workers, 1 + films // _FILMS_A_PROCESS)

    def _crew_of(self, count: int) -> Crew:
        """A crew of at least so many processes."""
        count = shares(count, self.limits).workers
        if self._crew is not None and count <= self.processes:
            return self._crew
        self.close()
        crew = Crew(
            self.rule,
            self.limits,
            workers=count,
            slots=self._slots,
            chunk=self._largest,
            timeout=self.timeout,
            readers_from=self._readers_from,
            asked=self._asked,
            fetch=self._fetch,
        )
        self._crew, self.processes = crew, crew.workers
        return crew

    def _in_processes(
        self, sources: Iterable[FilmSource], crew: Crew, size: ChunkSize, ahead: int | None
    ) -> Iterator[Decoded]:
        free = list(range(self._slots))
        if ahead is not None:
            free = free[: max(1, -(-ahead // size.films))]
        numbered = enumerate(sources)
        window: deque[Chunk] = deque()
        try:
            while True:
                while free and (batch := list(islice(numbered, size.films))):
                    window.append(Chunk(free.pop(), batch))
                    crew.submit(window[-1])
                if not window:
                    return
                crew.finish_first(window)
                chunk = window.popleft()
                if ahead is None:
                    size.learn(chunk)
                films = crew.films[chunk.slot, : len(chunk.films)].copy()
                free.append(chunk.slot)
                for position, (index, _) in enumerate(chunk.films):
                    outcome = chunk.outcomes[position]
                    done = outcome.status is FilmStatus.OK
                    yield _decoded(index, films[position] if done else None, outcome)
        finally:
            if window:  # stopped half-way: what still runs must not write into the next ring
                crew.stop()


def _decoded(index: int, film: NDArray[np.uint8] | None, outcome: Outcome) -> Decoded:
    said = (outcome.status, outcome.sentence, outcome.notes, outcome.seconds)
    return Decoded(
        *(index, film, *said),
        frames=outcome.frames,
        told=outcome.told,
        facts=outcome.facts,
        outside=outcome.outside,
        look=outcome.look,
        fetching=outcome.fetching,
    )
