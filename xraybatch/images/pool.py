"""Many films at once, in order, whatever one of them does to its process.

Prediction, the training cache and the audit decode through this. Chunks of films go to isolated
processes, which fill slots of a ring in shared memory. The process on a film that kills, hangs or
eats memory takes only that film with it: the rest of its chunk is done again without it. Few films
are not worth the start of processes and are decoded in threads.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from ctypes import c_double, c_uint8
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

from xraybatch.core.cores import available_cores
from xraybatch.core.errors import XraybatchError
from xraybatch.core.status import FilmStatus
from xraybatch.extension.records import Limits
from xraybatch.images.chunk import Chunk
from xraybatch.images.decode import DEFAULT_LIMITS
from xraybatch.images.processes import WorkerContext, is_alive, kill, last_words
from xraybatch.images.rule import DecodingRule
from xraybatch.images.worker import (
    NOBODY,
    NOTE,
    Desk,
    FilmSource,
    Outcome,
    attempt,
    load_readers,
    run,
    start,
)

__all__ = ["Decoded", "DecodingPool", "FilmSource"]

FEW = 32  # fewer films than these are decoded in threads
_CHUNK = 16
_CHUNK_BYTES = 8 << 20  # large films go in smaller chunks
_MEMORY = 4 << 30  # private bytes of a worker; a film within the limits needs far less
_LOOK = 0.05  # seconds between two looks at the processes
_GONE = 1.0  # seconds that a process may be gone before its chunk is taken from it
_STARTS = 3  # how often the pool may break without finishing a part in between


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
    """

    index: int
    film: NDArray[np.uint8] | None
    status: FilmStatus
    sentence: str
    notes: tuple[str, ...]
    seconds: float


class DecodingPool:
    """Decodes films with one rule; a context manager.

    Parameters
    ----------
    rule : DecodingRule
    workers : int, optional
        Processes; as many as there are cores if None. 0: threads of this process, where a film
        that hangs or crashes takes everything with it.
    timeout : float
        Seconds that one film may take in a process.
    limits : Limits
    readers_from : str, optional
        ``module:function`` that returns the readers, importable in a fresh process; those of the
        installation if None.
    """

    def __init__(
        self,
        rule: DecodingRule,
        *,
        workers: int | None = None,
        timeout: float = 60.0,
        limits: Limits = DEFAULT_LIMITS,
        readers_from: str | None = None,
    ) -> None:
        self.rule = rule
        self.limits = limits
        self.timeout = timeout
        self.workers = available_cores() if workers is None else workers
        self._readers_from = readers_from
        self._chunk = max(1, min(_CHUNK, _CHUNK_BYTES // (rule.height * rule.width)))
        self._slots = 2 * self.workers + 2
        self._context = WorkerContext()
        self._processes: ProcessPool | None = None
        self._desk: Desk | None = None
        self._broken = 0

    def __enter__(self) -> DecodingPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the processes and give back the shared memory."""
        self._stop()
        self._desk = None

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
            If processes cannot be started at all.
        """
        waiting = iter(sources)
        first = list(islice(waiting, FEW))
        everything = chain(first, waiting)
        if self.workers == 0 or len(first) < FEW:
            return self._in_threads(everything, ahead)
        return self._in_processes(everything, ahead)

    # ── few films: threads ─────────────────────────────────────────────────────────────────────

    def _in_threads(self, sources: Iterable[FilmSource], ahead: int | None) -> Iterator[Decoded]:
        readers = load_readers(self._readers_from)
        threads = available_cores()
        executor = ThreadPoolExecutor(threads, "decoding")
        numbered = enumerate(sources)
        window: deque[tuple[int, Future[tuple[NDArray[np.uint8] | None, Outcome]]]] = deque()
        try:
            while True:
                room = max(1, ahead or 2 * threads) - len(window)
                for index, source in islice(numbered, room):
                    task = executor.submit(attempt, source, self.rule, self.limits, readers)
                    window.append((index, task))
                if not window:
                    return
                index, task = window.popleft()
                film, outcome = task.result()
                yield _decoded(index, film, outcome)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    # ── many films: processes ──────────────────────────────────────────────────────────────────

    def _in_processes(self, sources: Iterable[FilmSource], ahead: int | None) -> Iterator[Decoded]:
        films = self._films()
        free = list(range(self._slots))
        if ahead is not None:
            free = free[: max(1, -(-ahead // self._chunk))]
        numbered = enumerate(sources)
        window: deque[Chunk] = deque()
        try:
            while True:
                while free and (batch := list(islice(numbered, self._chunk))):
                    window.append(Chunk(free.pop(), batch))
                    self._submit(window[-1])
                if not window:
                    return
                self._finish_first(window)
                chunk = window.popleft()
                for position, (index, _) in enumerate(chunk.films):
                    outcome = chunk.outcomes[position]
                    done = outcome.status is FilmStatus.OK
                    film = films[chunk.slot, position].copy() if done else None
                    yield _decoded(index, film, outcome)
                free.append(chunk.slot)
        finally:
            if window:  # stopped half-way: what still runs must not write into the next ring
                self._stop()

    def _finish_first(self, window: deque[Chunk]) -> None:
        """Wait for the first chunk; meanwhile every chunk's process is watched."""
        while not window[0].is_done:
            wait([window[0].future], timeout=_LOOK)
            try:
                for chunk in window:
                    if not chunk.is_done:
                        self._look_at(chunk)
            except BrokenProcessPool:
                self._stop()
                for chunk in window:
                    if not chunk.is_done:
                        self._submit(chunk)

    def _look_at(self, chunk: Chunk) -> None:
        if chunk.future.done():
            self._conclude(chunk)
            return
        process, position, since = self._note(chunk.slot)
        if position == NOBODY:
            return
        now = time.monotonic()
        if not is_alive(int(process)):
            # told by pebble, but for a process that left with exit code 0
            chunk.gone_since = chunk.gone_since or now
            if now - chunk.gone_since > _GONE:
                chunk.future.cancel()
        elif now - since > self.timeout and chunk.overdue is None:
            chunk.overdue = int(position)
            kill(int(process))

    def _conclude(self, chunk: Chunk) -> None:
        """Take a part's outcomes, or find out who is to blame for their absence."""
        try:
            chunk.take(chunk.future.result())
            self._broken = 0
        except (ProcessExpired, CancelledError) as error:
            position = int(self._note(chunk.slot)[1])
            if position == NOBODY:
                chunk.died_alone()
            elif position == chunk.overdue:
                limit = f"It took longer than {self.timeout:g} seconds."
                chunk.blame(position, FilmStatus.TIMEOUT, limit, self.timeout)
            else:
                chunk.suspect(position, last_words(getattr(error, "exitcode", 0) or 0))
        if not chunk.is_done:
            self._submit(chunk)

    def _submit(self, chunk: Chunk) -> None:
        desk = self._desk
        assert desk is not None, "_films() comes first"
        note = chunk.slot * NOTE
        desk.notes[note : note + NOTE] = [0.0, NOBODY, 0.0]
        chunk.overdue, chunk.gone_since = None, 0.0
        part = [(position, chunk.films[position][1]) for position in chunk.parts[0]]
        try:
            chunk.future = self._pool(desk).schedule(run, args=(chunk.slot, part))
        except RuntimeError:  # it broke since it was asked; told at the next look
            chunk.future = Future()
            chunk.future.set_exception(BrokenProcessPool())

    def _pool(self, desk: Desk) -> ProcessPool:
        if self._processes is not None and self._processes.active:
            return self._processes
        if self._processes is not None:
            self._stop()
        self._broken += 1
        if self._broken > _STARTS:
            raise XraybatchError(
                f"The decoding processes broke {_STARTS} times without finishing a film.",
                "Look at the memory and process limits of this machine, or use no workers.",
            )
        self._processes = ProcessPool(
            self.workers, initializer=start, initargs=(desk,), context=self._context
        )
        return self._processes

    def _films(self) -> NDArray[np.uint8]:
        """The ring, made at first use: anonymous shared memory that no crash can leave behind."""
        height, width = self.rule.height, self.rule.width
        if self._desk is None:
            self._desk = Desk(
                films=self._context.RawArray(c_uint8, self._slots * self._chunk * height * width),
                notes=self._context.RawArray(c_double, self._slots * NOTE),
                chunk=self._chunk,
                rule=self.rule,
                limits=self.limits,
                readers_from=self._readers_from,
                memory=max(_MEMORY, 4 * self.limits.max_bytes),
            )
        ring = np.frombuffer(memoryview(self._desk.films), np.uint8)
        return ring.reshape((self._slots, self._chunk, height, width))

    def _note(self, slot: int) -> tuple[float, float, float]:
        assert self._desk is not None, "_films() comes first"
        process, position, since = self._desk.notes[slot * NOTE : (slot + 1) * NOTE]
        return process, position, since

    def _stop(self) -> None:
        if self._processes is None:
            return
        for slot in range(self._slots):  # a worker inside a film would not listen at once
            process, position, _ = self._note(slot)
            if position != NOBODY and process:
                kill(int(process))
        self._processes.stop()
        self._processes.join()
        self._processes = None


def _decoded(index: int, film: NDArray[np.uint8] | None, outcome: Outcome) -> Decoded:
    return Decoded(index, film, outcome.status, outcome.sentence, outcome.notes, outcome.seconds)
