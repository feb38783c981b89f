"""The engine of one machine: isolated decoding processes, and the sessions in this process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from xraybatch.core.errors import XraybatchError
from xraybatch.core.status import FilmStatus
from xraybatch.images.pool import Decoded, DecodingPool, FilmSource
from xraybatch.images.readers.raster import frame_note
from xraybatch.models.session import Session
from xraybatch.prediction.answering import Ready, answered
from xraybatch.prediction.breaker import Breaker
from xraybatch.prediction.engine import Chunk, Facts, Outcome, Seconds
from xraybatch.prediction.flight import Flight
from xraybatch.prediction.rows import NO_FRAME, Begun, Row
from xraybatch.prediction.unlike import Likeness
from xraybatch.sources.item import Item

_Answers = list[tuple[int, Row]]  # each with the chunk of its film
_AHEAD = 4  # chunks
MOST_FRAMES = 10_000  # of an item; a header of a few bytes can announce a thousand million


def film_source(item: Item) -> FilmSource:
    """What the pool decodes of an item: its only film, or its first frame."""
    return FilmSource(
        item.path,
        item.key,
        member=item.member,
        size=item.size,
        etag=item.etag,
        is_remote=item.is_remote,
    )


class _Task(NamedTuple):
    """A frame to decode: the chunk that it belongs to, the item, and where it lies."""

    chunk: int
    item: int
    source: FilmSource


class LocalEngine:
    """Decodes in the pool's processes while sessions compute in this one.

    Parameters
    ----------
    sessions : sequence of Session
        One, or one for each of several GPUs; all with batches of one size.
    pool : DecodingPool
        Closed by whoever opened it.
    facts : Facts
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
        sessions: Sequence[Session],
        pool: DecodingPool,
        facts: Facts,
        seen: frozenset[bytes] | None = None,
        likeness: Likeness | None = None,
        *,
        all_frames: bool = False,
        embeddings: bool = False,
    ) -> None:
        self._batch_size = sessions[0].batch_size
        self._flight: Flight[Session, _Answers] = Flight(sessions, sessions[0].in_flight)
        self._pool = pool
        self.facts = facts
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
        self._breaker = Breaker()
        self._stopped_by: XraybatchError | None = None
        self.seconds = Seconds()

    def ahead(self) -> int:
        """A few chunks: the pool decodes the next one while the last of this one is classified."""
        return _AHEAD

    def submit(self, chunk: Chunk) -> None:
        """Queue the chunk's films behind those already queued."""
        self._open_items[chunk.number] = len(chunk.items)
        for number, item in chunk.items:
            task = _Task(chunk.number, number, film_source(item))
            if number in chunk.begun:
                self._waiting.extend(self._frames_of(task, chunk.begun[number]))
            else:
                self._waiting.append(task)

    def wait(self, timeout: float) -> Outcome:
        """Decode and classify until `timeout` seconds have passed or nothing is left.

        Raises
        ------
        XraybatchError
            Where films cannot be fetched any more; what was known by then was said before.
        """
        if self._stopped_by is not None:
            raise self._stopped_by
        until = time.monotonic() + timeout
        outcome = Outcome(mixed=self.facts.mixed)
        while self._open_items:
            if self._decoded is None:
                self._decoded = self._pool.decode(self._feed())
            try:
                decoded = next(self._decoded, None)
            except XraybatchError as error:
                self._stopped_by = error
                break
            if decoded is None:  # the feed ran dry; more chunks may have come meanwhile
                self._decoded = None
                if not self._waiting:
                    self._classify(outcome)
                    self._keep(self._flight.rest(), outcome)
            else:
                self._take(decoded, outcome)
            if time.monotonic() >= until or self._stopped_by is not None:
                break
        if self._stopped_by is not None:  # first the rows that can be known
            self._classify(outcome)
            self._keep(self._flight.rest(), outcome)
        return outcome

    def cancel(self) -> None:
        """Forget everything that is not finished."""
        self._waiting.clear()
        self._under_way.clear()
        self._batch.clear()
        self._frames.clear()
        self._open_items.clear()
        self._decoded = None
        self._flight.drop()

    def workers(self) -> int:
        """Decoding processes; 0: films are decoded in threads of this process."""
        return self._pool.processes

    def nodes(self) -> int:
        """This machine alone."""
        return 1

    def close(self) -> None:
        """Stop feeding the pool, and end the sessions' threads."""
        self.cancel()
        self._flight.close()

    def _feed(self) -> Iterator[FilmSource]:
        while self._waiting:
            self._under_way.append(self._waiting.popleft())
            yield self._under_way[-1].source

    def _take(self, decoded: Decoded, outcome: Outcome) -> None:
        task = self._under_way.popleft()
        chunk, item, source = task
        self.seconds.decoding += decoded.seconds
        self.seconds.fetching += decoded.fetching
        if source.is_remote:
            self._stopped_by = self._breaker.count(decoded.status, decoded.sentence)
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
            if len(self._batch) == self._batch_size:
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
        if not self._batch:
            return
        batch, self._batch = self._batch, []

        def answers(session: Session) -> _Answers:
            films = [ready for _, ready in batch]
            rows = answered(session, films, self._seen, self._likeness, embeddings=self._embeddings)
            return list(zip((chunk for chunk, _ in batch), rows, strict=True))

        self._keep(self._flight.give(answers), outcome)

    def _keep(self, batches: Sequence[_Answers], outcome: Outcome) -> None:
        for chunk, row in chain.from_iterable(batches):
            self._finish(chunk, row, outcome)
        self.seconds.classifying = self._flight.seconds

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
