"""Films decoded in threads of this process, for those who ask for no others.

A thread cannot be ended. One that takes too long is left behind and replaced, and does not keep
the program from ending; one that crashes takes the program with it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING

from xraybatch.core.interrupts import uninterrupted
from xraybatch.extension.records import ImageReader, Limits
from xraybatch.images.asked import NOTHING, Asked
from xraybatch.images.fetching import Fetch, Reading, Reads
from xraybatch.images.kept import FilmSource, KeptFile
from xraybatch.images.rule import DecodingRule
from xraybatch.images.worker import Outcome, attempt, surveyed, took_too_long

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Result = tuple[NDArray[np.uint8] | None, Outcome]

_LOOK = 0.1  # seconds that Ctrl-C may have to wait


class _Work:
    """A film on its way: when it was begun, and what became of it."""

    def __init__(self, source: FilmSource) -> None:
        self.source = source
        self.reading: Reading | None = None
        self.begun: float | None = None
        self.result: Result | BaseException | None = None
        self.done = threading.Event()


class Threads:
    """Decodes films in order, several at once.

    Parameters
    ----------
    rule : DecodingRule
    limits : Limits
    readers : sequence of ImageReader
    count : int
        How many threads.
    timeout : float
        Seconds that one film may take.
    asked : Asked
    fetch : Fetch or None
        Reads films that are elsewhere; None: there are none.
    """

    def __init__(
        self,
        rule: DecodingRule,
        limits: Limits,
        readers: Sequence[ImageReader],
        *,
        count: int,
        timeout: float,
        asked: Asked = NOTHING,
        fetch: Fetch | None = None,
    ) -> None:
        self._asked = asked
        self._reads = None if fetch is None else Reads(fetch, limits.max_bytes)
        self._rule, self._limits, self._readers = rule, limits, readers
        self._timeout = timeout
        self._count = count
        self._started = 0
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()

    def decode(self, sources: Iterable[FilmSource], ahead: int) -> Iterator[Result]:
        """What became of each film, in order; at most `ahead` are begun before they are asked for.

        Raises
        ------
        Exception
            A fault of ours, from the thread it arose in.
        """
        waiting = iter(sources)
        window: deque[_Work] = deque()
        last: _Work | None = None
        for _ in range(self._count):
            self._start()
        try:
            while True:
                for source in islice(waiting, ahead - len(window)):
                    last = self._work(source, last)
                    window.append(last)
                    self._queue.put(last)
                if not window:
                    return
                yield self._wait(window.popleft())
        finally:
            for _ in range(self._started):
                self._queue.put(None)
            if self._reads is not None:
                self._reads.stop()

    def _work(self, source: FilmSource, last: _Work | None) -> _Work:
        work = _Work(source)
        if source.is_remote:
            assert self._reads is not None, "films that are elsewhere need a Fetch"
            # frames of one film are one read
            same = last is not None and last.source.file == source.file
            work.reading = last.reading if last is not None and same else self._reads.begin(source)
        return work

    def _wait(self, work: _Work) -> Result:
        while not _is_done(work, self._left(work)):
            if self._left(work) <= 0:
                self._start()  # in place of the one that is still on it
                return None, took_too_long(self._timeout)
        if isinstance(work.result, BaseException):
            raise work.result
        assert work.result is not None
        return work.result

    def _left(self, work: _Work) -> float:
        """Seconds until the film's time is over, or until it is worth looking again."""
        if work.begun is None:
            return min(self._timeout, _LOOK)
        return max(0.0, min(_LOOK, work.begun + self._timeout - time.monotonic()))

    def _start(self) -> None:
        self._started += 1
        # a daemon: a film without end must not keep the program from ending
        with uninterrupted():
            threading.Thread(target=self._run, name="decoding", daemon=True).start()

    def _run(self) -> None:
        kept = KeptFile(self._rule, self._limits, self._readers)
        while (work := self._queue.get()) is not None:
            try:
                fetched = None if work.reading is None else work.reading.wait()
                work.begun = time.monotonic()
                pixels, outcome = attempt(work.source, kept, self._asked, fetched=fetched)
                if self._asked.survey:
                    outcome = surveyed(work.source, kept, self._asked, pixels, outcome)
                work.result = pixels, outcome
            except BaseException as error:
                work.result = error
            work.done.set()
        kept.close()


def _is_done(work: _Work, seconds: float) -> bool:
    with uninterrupted():
        return work.done.wait(seconds)
