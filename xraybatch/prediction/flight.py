"""Batches on their way through one session or several, a few of them at once.

A session that gets its next batch only when the last one's answer was written down waits meanwhile:
it gets one more than it computes at once, each from a thread of its own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

from xraybatch.core.interrupts import is_done, result_of, uninterrupted

_Session = TypeVar("_Session")
_Result = TypeVar("_Result")


class Flight(Generic[_Session, _Result]):
    """Work that is done with one of several sessions; results come in the order of the work.

    Parameters
    ----------
    sessions : sequence
        Each is used by `depth` threads at once.
    depth : int

    Attributes
    ----------
    seconds : float
        In which at least one session was at work.
    """

    def __init__(self, sessions: Sequence[_Session], depth: int) -> None:
        self.seconds = 0.0
        self._free: SimpleQueue[_Session] = SimpleQueue()
        self._most = depth * len(sessions)
        for session in [*sessions] * depth:  # in turn, so that each has one before any has two
            self._free.put(session)
        self._threads = ThreadPoolExecutor(self._most, "session")
        self._under_way: deque[Future[_Result]] = deque()
        self._since = 0.0

    def give(self, work: Callable[[_Session], _Result]) -> list[_Result]:
        """Take work; waits while as much is under way as may be. Returns what became ready."""
        ready = self._taken(down_to=self._most - 1)
        if not self._under_way:
            self._since = time.perf_counter()
        with uninterrupted():
            self._under_way.append(self._threads.submit(self._done, work))
        return ready

    def rest(self) -> list[_Result]:
        """Wait for everything that is under way."""
        return self._taken(down_to=0)

    def drop(self) -> None:
        """Forget what is under way, once the batches in hand are done."""
        if self._under_way:
            for one in self._under_way:
                is_done(one)
            self._under_way.clear()
            self._note_time()

    def close(self) -> None:
        """End the threads."""
        self.drop()
        self._threads.shutdown()

    def _done(self, work: Callable[[_Session], _Result]) -> _Result:
        session = self._free.get()
        try:
            return work(session)
        finally:
            self._free.put(session)

    def _taken(self, down_to: int) -> list[_Result]:
        """Results of the first of those under way, until so many are left; waits for the rest."""
        ready = []
        while self._under_way and (
            is_done(self._under_way[0], 0) or len(self._under_way) > down_to
        ):
            ready.append(result_of(self._under_way.popleft()))
        if ready and not self._under_way:
            self._note_time()
        return ready

    def _note_time(self) -> None:
        self.seconds += time.perf_counter() - self._since
