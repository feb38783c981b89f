"""The engine of one machine: isolated decoding processes, and the session in this process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

from xraybatch.core.status import FilmStatus
from xraybatch.images.pool import Decoded, DecodingPool, FilmSource
from xraybatch.models.session import Session
from xraybatch.prediction.answering import Ready, answered
from xraybatch.prediction.engine import Chunk, Outcome, Seconds
from xraybatch.prediction.rows import Row


class LocalEngine:
    """Decodes in the pool's processes while the session computes in this one.

    Parameters
    ----------
    session : Session
    pool : DecodingPool
        Closed by whoever opened it.
    seen : frozenset of bytes or None
        Digests of the training films; None: the rows do not say.
    """

    def __init__(
        self, session: Session, pool: DecodingPool, seen: frozenset[bytes] | None = None
    ) -> None:
        self._session = session
        self._pool = pool
        self._seen = seen
        self._waiting: deque[tuple[int, int, FilmSource]] = deque()  # chunk, item, source
        self._under_way: deque[tuple[int, int]] = deque()  # chunk, item; in the order decoded
        self._open_items: dict[int, int] = {}  # chunk → items without a row
        self._decoded: Iterator[Decoded] | None = None
        self._batch: list[tuple[int, Ready]] = []  # chunk, film
        self.seconds = Seconds()

    def submit(self, chunk: Chunk) -> None:
        """Queue the chunk's films behind those already queued."""
        self._open_items[chunk.number] = len(chunk.items)
        for item, source in chunk.items:
            film = FilmSource(source.path, source.key)
            self._waiting.append((chunk.number, item, film))

    def wait(self, timeout: float) -> Outcome:
        """Decode and classify until `timeout` seconds have passed or nothing is left."""
        until = time.monotonic() + timeout
        outcome = Outcome()
        while self._waiting or self._under_way or self._batch:
            if self._decoded is None:
                self._decoded = self._pool.decode(self._feed())
            decoded = next(self._decoded, None)
            if decoded is None:  # the feed ran dry; more chunks may have come meanwhile
                self._decoded = None
                if not self._waiting:
                    self._classify(outcome)
            else:
                self._take(decoded, outcome)
            if time.monotonic() >= until:
                break
        return outcome

    def cancel(self) -> None:
        """Forget everything that is not finished."""
        self._waiting.clear()
        self._under_way.clear()
        self._batch.clear()
        self._open_items.clear()
        self._decoded = None

    def workers(self) -> int:
        """Decoding processes; 0: the few films were decoded in threads of this process."""
        return self._pool.processes

    def close(self) -> None:
        """Stop feeding the pool."""
        self.cancel()

    def _feed(self) -> Iterator[FilmSource]:
        while self._waiting:
            chunk, item, source = self._waiting.popleft()
            self._under_way.append((chunk, item))
            yield source

    def _take(self, decoded: Decoded, outcome: Outcome) -> None:
        chunk, item = self._under_way.popleft()
        self.seconds.decoding += decoded.seconds
        if decoded.status is FilmStatus.OK and decoded.film is not None:
            self._batch.append((chunk, Ready(item, decoded.film, decoded.notes)))
            if len(self._batch) == self._session.batch_size:
                self._classify(outcome)
        else:
            self._finish(chunk, Row(item, 0, decoded.status, decoded.sentence), outcome)

    def _classify(self, outcome: Outcome) -> None:
        begin = time.perf_counter()
        rows = answered(self._session, [ready for _, ready in self._batch], self._seen)
        for (chunk, _), row in zip(self._batch, rows, strict=True):
            self._finish(chunk, row, outcome)
        self._batch.clear()
        self.seconds.classifying += time.perf_counter() - begin

    def _finish(self, chunk: int, row: Row, outcome: Outcome) -> None:
        outcome.rows.append(row)
        self._open_items[chunk] -= 1
        if self._open_items[chunk] == 0:
            del self._open_items[chunk]
            outcome.finished.append(chunk)
