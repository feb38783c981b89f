"""The engine of one machine: isolated decoding processes, and the session in this process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from xraybatch.core.status import FilmStatus
from xraybatch.images.pool import Decoded, DecodingPool, FilmSource
from xraybatch.images.readers.raster import frame_note
from xraybatch.models.session import Session
from xraybatch.prediction.answering import Ready, answered
from xraybatch.prediction.engine import Chunk, Outcome, Seconds
from xraybatch.prediction.rows import NO_FRAME, Begun, Row
from xraybatch.prediction.unlike import Likeness

MOST_FRAMES = 10_000  # of an item; a header of a few bytes can announce a thousand million


class _Task(NamedTuple):
    """A frame to decode: the chunk that it belongs to, the item, and where it lies."""

    chunk: int
    item: int
    source: FilmSource


class LocalEngine:
    """Decodes in the pool's processes while the session computes in this one.

    Parameters
    ----------
    session : Session
    pool : DecodingPool
        Closed by whoever opened it.
    seen : frozenset of bytes or None
        Digests of the training films; None: the rows do not say.
    likeness : Likeness, optional
        Says how far each film is from the training films; else the rows do not say.
    all_frames : bool
        A row for each frame of an item, not for its first alone.
    embeddings : bool
        Rows hold the film's embedding too.
    """

    def __init__(
        self,
        session: Session,
        pool: DecodingPool,
        seen: frozenset[bytes] | None = None,
        likeness: Likeness | None = None,
        *,
        all_frames: bool = False,
        embeddings: bool = False,
    ) -> None:
        self._session = session
        self._pool = pool
        self._seen = seen
        self._likeness = likeness
        self._all_frames = all_frames
        self._embeddings = embeddings
        self._waiting: deque[_Task] = deque()
        self._under_way: deque[_Task] = deque()  # in the order decoded
        self._frames: dict[int, int] = {}  # item with several → how many have no row yet
        self._open_items: dict[int, int] = {}  # chunk → items without a row
        self._decoded: Iterator[Decoded] | None = None
        self._batch: list[tuple[int, Ready]] = []  # chunk, film
        self.seconds = Seconds()

    def submit(self, chunk: Chunk) -> None:
        """Queue the chunk's films behind those already queued."""
        self._open_items[chunk.number] = len(chunk.items)
        for item, source in chunk.items:
            film = FilmSource(source.path, source.key, member=source.member)
            task = _Task(chunk.number, item, film)
            if item in chunk.begun:
                self._waiting.extend(self._frames_of(task, chunk.begun[item]))
            else:
                self._waiting.append(task)

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
        self._frames.clear()
        self._open_items.clear()
        self._decoded = None

    def workers(self) -> int:
        """Decoding processes; 0: films are decoded in threads of this process."""
        return self._pool.processes

    def close(self) -> None:
        """Stop feeding the pool."""
        self.cancel()

    def _feed(self) -> Iterator[FilmSource]:
        while self._waiting:
            self._under_way.append(self._waiting.popleft())
            yield self._under_way[-1].source

    def _take(self, decoded: Decoded, outcome: Outcome) -> None:
        task = self._under_way.popleft()
        chunk, item, source = task
        self.seconds.decoding += decoded.seconds
        notes = decoded.notes
        is_first = source.frame == 0 and item not in self._frames
        if self._all_frames and decoded.frames > 1 and is_first:
            if decoded.frames > MOST_FRAMES:
                row = Row(item, NO_FRAME, FilmStatus.TOO_LARGE, _too_many(decoded.frames))
                self._finish(chunk, row, outcome)
                return
            # its other frames are decoded next
            others = self._frames_of(task, Begun(decoded.frames, frozenset()))
            self._waiting.extendleft(reversed(others[1:]))
            outcome.opened[item] = decoded.frames
        frame = source.frame if item in self._frames else NO_FRAME
        if frame != NO_FRAME:  # the row says it
            notes = tuple(n for n in notes if n != frame_note(frame, decoded.frames))
        if decoded.status is FilmStatus.OK and decoded.film is not None:
            ready = Ready(item, decoded.film, notes, frame, decoded.told)
            self._batch.append((chunk, ready))
            if len(self._batch) == self._session.batch_size:
                self._classify(outcome)
        else:
            row = Row(item, frame, decoded.status, decoded.sentence, told=decoded.told)
            self._finish(chunk, row, outcome)

    def _frames_of(self, task: _Task, begun: Begun) -> list[_Task]:
        """The frames of an item that have no row yet."""
        left = [frame for frame in range(begun.frames) if frame not in begun.done]
        self._frames[task.item] = len(left)
        return [task._replace(source=replace(task.source, frame=frame)) for frame in left]

    def _classify(self, outcome: Outcome) -> None:
        begin = time.perf_counter()
        films = [ready for _, ready in self._batch]
        rows = answered(
            self._session, films, self._seen, self._likeness, embeddings=self._embeddings
        )
        for (chunk, _), row in zip(self._batch, rows, strict=True):
            self._finish(chunk, row, outcome)
        self._batch.clear()
        self.seconds.classifying += time.perf_counter() - begin

    def _finish(self, chunk: int, row: Row, outcome: Outcome) -> None:
        outcome.rows.append(row)
        if row.frame != NO_FRAME:
            self._frames[row.item] -= 1
            if self._frames[row.item]:
                return
            del self._frames[row.item]
        outcome.done += 1
        self._open_items[chunk] -= 1
        if self._open_items[chunk] == 0:
            del self._open_items[chunk]
            outcome.finished.append(chunk)


def _too_many(frames: int) -> str:
    return f"The file says it has {frames:,} frames, more than the limit of {MOST_FRAMES:,}."
