"""Films that are fetched instead of opened: read ahead, several at a time, a few in memory.

What reads them is given: this room knows no store and no server. A decoding process reads the next
films of its chunk while it decodes one, and holds the bytes of at most `Fetch.threads` films.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from xraybatch.core.errors import XraybatchError
from xraybatch.core.interrupts import uninterrupted
from xraybatch.core.status import FilmError, FilmStatus

if TYPE_CHECKING:
    from xraybatch.images.kept import FilmSource


class Fetch(Protocol):
    """What reads films that are elsewhere; to be pickled, because every process has its own.

    Attributes
    ----------
    threads : int
        Reads in flight in one process.
    """

    threads: int

    def read(self, path: str, size: int, etag: str, max_bytes: int) -> bytes:
        """All bytes of a film; called by several threads at once, and ends by itself.

        Parameters
        ----------
        path : str
            Its address.
        size : int
            Bytes that it had when it was listed; 0 where nobody said.
        etag : str
            What its store called that version; empty where nobody said.
        max_bytes : int
            That it may have.

        Raises
        ------
        FilmError
            With this film's status and sentence.
        XraybatchError
            Where no other film can be fetched either: the run stops, and a person is told.
        """
        ...


@dataclass(frozen=True)
class Fetched:
    """What came of reading a film.

    Attributes
    ----------
    content : bytes
    seconds : float
        That were waited for it: what was read while another film was decoded takes none.
    error : FilmError or None
    """

    content: bytes = b""
    seconds: float = 0.0
    error: FilmError | None = None

    def bytes_or_error(self) -> bytes:
        """The film's bytes, or raises why there are none."""
        if self.error is not None:
            raise self.error
        return self.content


class Reading:
    """A film on its way.

    Attributes
    ----------
    source : FilmSource
    """

    def __init__(self, source: FilmSource) -> None:
        self.source = source
        self._done = threading.Event()
        self._content = b""
        self._error: FilmError | XraybatchError | None = None

    def read(self, fetch: Fetch, max_bytes: int) -> None:
        """Have it read, by one of the threads for that."""
        source = self.source
        try:
            self._content = fetch.read(source.path, source.size, source.etag, max_bytes)
        except (FilmError, XraybatchError) as error:
            self._error = error
        except MemoryError as error:
            self._error = FilmError(FilmStatus.TOO_LARGE, "The film needs more memory to fetch.")
            self._error.__cause__ = error
        except BaseException as error:
            # never its words: a library's may hold an address with its signature
            name = type(error).__name__
            self._error = FilmError(FilmStatus.UNAVAILABLE, f"Fetching the film failed: {name}.")
        self._done.set()

    def wait(self) -> Fetched:
        """What came of it.

        Raises
        ------
        XraybatchError
            Where the run is to stop.
        """
        begin = time.perf_counter()
        self._done.wait()
        seconds = time.perf_counter() - begin
        if isinstance(self._error, FilmError):
            return Fetched(seconds=seconds, error=self._error)
        if self._error is not None:
            raise self._error
        return Fetched(self._content, seconds)


class Reads:
    """Threads that read films.

    Parameters
    ----------
    fetch : Fetch
    max_bytes : int
        That a film may have.
    """

    def __init__(self, fetch: Fetch, max_bytes: int) -> None:
        self.threads = max(1, fetch.threads)
        self._fetch = fetch
        self._max_bytes = max_bytes
        self._queue: SimpleQueue[Reading | None] = SimpleQueue()
        self._started = 0

    def begin(self, source: FilmSource) -> Reading:
        """Have a film read; returns at once."""
        if self._started < self.threads:
            self._started += 1
            # a daemon: a server that does not answer must not keep the program from ending
            with uninterrupted():
                threading.Thread(target=self._run, name="fetching", daemon=True).start()
        reading = Reading(source)
        self._queue.put(reading)
        return reading

    def stop(self) -> None:
        """Let the threads go when they are done with what was begun."""
        for _ in range(self._started):
            self._queue.put(None)
        self._started = 0

    def _run(self) -> None:
        while (reading := self._queue.get()) is not None:
            reading.read(self._fetch, self._max_bytes)


class ReadAhead:
    """Films decoded one after another, of which those that are elsewhere are read ahead.

    Frames of one film that follow each other are one read.

    Parameters
    ----------
    reads : Reads or None
        None: all of them lie in the file system.
    sources : sequence of FilmSource
    most : float
        Bytes that films may have together that are read and not yet decoded, as far as their sizes
        are known; one film is always read.
    holds : callable
        Whether a film needs no bytes, because its file is open.
    """

    def __init__(
        self,
        reads: Reads | None,
        sources: Sequence[FilmSource],
        most: float,
        holds: Callable[[FilmSource], bool],
    ) -> None:
        self._reads = reads
        self._sources = sources
        self._most = most
        self._holds = holds
        self._waiting = deque(range(len(sources)))
        self._under_way: deque[tuple[int, Reading]] = deque()

    def wait(self, position: int) -> Fetched | None:
        """What came of reading the film at a position; positions rise one by one.

        Returns
        -------
        Fetched or None
            None: it needs no bytes.

        Raises
        ------
        XraybatchError
            Where the run is to stop.
        """
        # what was waited for before is decoded by now, so its place is free
        while self._under_way and self._under_way[0][0] < position:
            self._under_way.popleft()
        self._begin_more()
        source = self._sources[position]
        if not source.is_remote:
            return None
        if self._under_way and self._under_way[0][0] == position:
            return self._under_way[0][1].wait()
        if self._holds(source):
            return None
        return self._begin(source).wait()  # the frame before it could not be opened

    def _begin_more(self) -> None:
        held = sum(reading.source.size for _, reading in self._under_way)
        while self._waiting:
            position = self._waiting[0]
            source = self._sources[position]
            if source.is_remote and not self._will_be_held(position):
                if self._under_way and held + source.size > self._most:
                    return
                if self._reads is not None and len(self._under_way) >= self._reads.threads:
                    return
                self._under_way.append((position, self._begin(source)))
                held += source.size
            self._waiting.popleft()

    def _begin(self, source: FilmSource) -> Reading:
        assert self._reads is not None, "films that are elsewhere need a Fetch"
        return self._reads.begin(source)

    def _will_be_held(self, position: int) -> bool:
        now = self._sources[position]
        if position == 0:
            return self._holds(now)
        before = self._sources[position - 1]
        # a film's first frame may be its only one: it is never kept for others
        return before.frame > 0 and now.frame > 0 and before.file == now.file
