"""The crew of decoding processes: a ring of films in shared memory, and who is watched how.

A process that dies, hangs or leaves is found out here, its chunk is done again, and a crew that as
a whole does nothing more is replaced. pebble runs the processes; what it cannot know, which film a
process was on, the processes note in shared memory.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from ctypes import c_double, c_uint8

import numpy as np
from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

from xraybatch.core.errors import XraybatchError
from xraybatch.core.interrupts import uninterrupted
from xraybatch.extension.records import Limits
from xraybatch.extension.registry import registry
from xraybatch.images.asked import NOTHING, Asked
from xraybatch.images.chunk import Chunk
from xraybatch.images.fetching import Fetch
from xraybatch.images.memory import shares
from xraybatch.images.processes import WorkerContext, end, is_alive, kill, last_words
from xraybatch.images.rule import DecodingRule
from xraybatch.images.worker import NOBODY, NOTE, Desk, run, start, took_too_long

_LOOK = 0.05  # seconds between two looks at the processes
_GONE = 1.0  # seconds that a process may be gone before its chunk is taken from it
_BREAKS = 3  # how often the crew may break without finishing a part in between
_PATIENCE = 2.0  # seconds of quiet after which the crew is replaced
_START = 10.0  # the same for a crew of which nobody has begun yet, times that patience


class Crew:
    """Processes that decode chunks into a ring.

    Parameters
    ----------
    rule : DecodingRule
    limits : Limits
    workers : int
        How many processes at most; they start with the first chunk.
    slots, chunk : int
        Size of the ring: chunks, and films a chunk.
    timeout : float
        Seconds that one film may take.
    readers_from : str or None
    asked : Asked
    fetch : Fetch or None

    Attributes
    ----------
    films : ndarray of uint8, shape (slots, chunk, height, width)
        Anonymous shared memory, which no crash can leave behind.
    workers : int
        How many processes there are: as many as this machine has memory for.
    """

    def __init__(
        self,
        rule: DecodingRule,
        limits: Limits,
        *,
        workers: int,
        slots: int,
        chunk: int,
        timeout: float,
        readers_from: str | None,
        asked: Asked = NOTHING,
        fetch: Fetch | None = None,
    ) -> None:
        self._context = WorkerContext()
        memory = shares(workers, limits)
        self._desk = Desk(
            films=self._context.RawArray(c_uint8, slots * chunk * rule.height * rule.width),
            notes=self._context.RawArray(c_double, slots * NOTE),
            chunk=chunk,
            rule=rule,
            limits=limits,
            readers_from=readers_from,
            memory=memory,
            blocked=" ".join(registry().blocked),
            asked=asked,
            fetch=fetch,
        )
        ring = np.frombuffer(memoryview(self._desk.films), np.uint8)
        self.films: NDArray[np.uint8] = ring.reshape((slots, chunk, rule.height, rule.width))
        self.workers = memory.workers
        self._timeout = timeout
        self._processes: ProcessPool | None = None
        self._alone: Chunk | None = None  # whose film may take all the memory that a film may
        self._wait_for_it: deque[Chunk] = deque()  # the next of them
        self._breaks = 0
        self._patience = _PATIENCE
        self._quiet_since = 0.0
        self._has_worked = False

    def start(self, task: Callable[[], object]) -> Future[object]:
        """Start the processes, which the first chunk would do otherwise, and have one do this."""
        future: Future[object] = Future()
        try:
            with uninterrupted():
                future = self._active().schedule(task)
        except RuntimeError:  # it broke at once; told when there is work
            future.set_exception(BrokenProcessPool())
        return future

    def submit(self, chunk: Chunk) -> None:
        """Have the chunk's first part decoded, into its slot."""
        # also of one that waits: its note would name the process that died on it before
        note = chunk.slot * NOTE
        self._desk.notes[note : note + NOTE] = [0.0, NOBODY, 0.0]
        chunk.overdue, chunk.gone_since = None, 0.0
        if chunk.is_alone:
            if self._alone is not None:
                chunk.future = Future()
                self._wait_for_it.append(chunk)
                return
            self._alone = chunk
        part = [(position, chunk.films[position][1]) for position in chunk.parts[0]]
        try:
            with uninterrupted():
                chunk.future = self._active().schedule(
                    run, args=(chunk.slot, part), kwargs={"alone": chunk.is_alone}
                )
        except RuntimeError:  # it broke since it was asked; told at the next look
            chunk.future = Future()
            chunk.future.set_exception(BrokenProcessPool())

    def finish_first(self, window: Sequence[Chunk]) -> None:
        """Wait until the first chunk is done; meanwhile all of them are watched.

        Raises
        ------
        XraybatchError
            If processes break again and again without finishing anything, or films cannot be
            fetched for a reason that none can.
        """
        self._quiet_since = time.monotonic()
        while not window[0].is_done:
            open_chunks = [chunk for chunk in window if not chunk.is_done]
            with uninterrupted():
                wait([window[0].future], timeout=_LOOK)
                renew = self._must_renew(open_chunks)
            if renew:
                self.stop()
                for chunk in open_chunks:
                    if not chunk.is_done:
                        self.submit(chunk)

    def stop(self) -> None:
        """End the processes; the next chunk would start new ones."""
        self._alone = None
        self._wait_for_it.clear()
        if self._processes is None:
            return
        with uninterrupted():
            processes, self._processes = self._processes, None
            end(processes, self._context)

    def _must_renew(self, open_chunks: Sequence[Chunk]) -> bool:
        """Look at all of them; whether the processes must be replaced."""
        try:
            for chunk in open_chunks:
                self._look_at(chunk)
            return self._is_stuck(open_chunks)
        except BrokenProcessPool:
            self._count_break()
            return True

    def _is_stuck(self, chunks: Sequence[Chunk]) -> bool:
        """Whether work waits and no process takes any.

        A process that is killed with the lock in its hand by which all get their work leaves
        nothing else behind, also while it starts. The next time that quiet is believed for twice
        as long.
        """
        now = time.monotonic()
        if any(self._note(chunk.slot)[1] != NOBODY for chunk in chunks):
            self._has_worked = True
            self._quiet_since = now
        patience = self._patience if self._has_worked else _START * self._patience
        if now - self._quiet_since < patience:
            return False
        if not self._has_worked:  # nobody came to work at all: not for ever
            self._count_break()
        self._patience *= 2
        return True

    def _count_break(self) -> None:
        self._breaks += 1
        if self._breaks > _BREAKS:
            raise XraybatchError(
                f"The decoding processes broke {self._breaks} times without finishing a film.",
                "Look at the memory and process limits of this machine, or use no workers.",
            )

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
        elif now - since > self._timeout and chunk.overdue is None:
            chunk.overdue = int(position)
            kill(int(process))

    def _conclude(self, chunk: Chunk) -> None:
        """Take a part's outcomes, or find out who is to blame for their absence."""
        if self._alone is chunk:
            self._alone = None
        try:
            chunk.take(chunk.future.result())
            self._breaks, self._patience = 0, _PATIENCE
            self._quiet_since = time.monotonic()
        except (ProcessExpired, CancelledError) as error:
            position = int(self._note(chunk.slot)[1])
            words = last_words(getattr(error, "exitcode", 0) or 0)
            if position == NOBODY:
                chunk.died_between(words)
                # perhaps while it held the lock by which all get their work
                raise BrokenProcessPool from error
            if position == chunk.overdue:
                chunk.blame(position, took_too_long(self._timeout))
            else:
                chunk.suspect(position, words)
        if not chunk.is_done:
            self.submit(chunk)
        if self._alone is None and self._wait_for_it:
            self.submit(self._wait_for_it.popleft())

    def _active(self) -> ProcessPool:
        if self._processes is not None and self._processes.active:
            return self._processes
        self.stop()
        self._has_worked = False
        self._processes = ProcessPool(
            self.workers, initializer=start, initargs=(self._desk,), context=self._context
        )
        return self._processes

    def _note(self, slot: int) -> tuple[float, float, float]:
        process, position, since = self._desk.notes[slot * NOTE : (slot + 1) * NOTE]
        return process, position, since
