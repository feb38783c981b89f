"""Films that are elsewhere, fetched while the rows before them are reported."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xraybatch.core.status import FilmStatus
from xraybatch.images.fetching import Fetch, Reading, Reads
from xraybatch.prediction.local import film_source
from xraybatch.sources.item import Item

Row = dict[str, str]


@dataclass(frozen=True)
class Located:
    """A row of a table and its film.

    Attributes
    ----------
    row : dict
    film : Item or str
        In place of a film that cannot be taken, why.
    reading : Reading or None
        Of a film that is elsewhere: its bytes, on their way.
    """

    row: Row
    film: Item | str
    reading: Reading | None = None


def read_ahead(
    rows: Iterable[tuple[Row, Item | str]], fetch: Fetch, max_bytes: int
) -> Iterator[Located]:
    """Rows in their order; at most `fetch.threads` films are held. Frames of a film are one read.

    Parameters
    ----------
    rows : iterable of (dict, Item or str)
    fetch : Fetch
    max_bytes : int
        That a film may have.
    """
    reads = Reads(fetch, max_bytes)
    waiting: deque[Located] = deque()
    begun: tuple[Item, Reading] | None = None  # the last one
    try:
        for row, film in rows:
            reading = None
            if isinstance(film, Item) and film.is_remote and row["status"] == FilmStatus.OK:
                if begun is None or begun[0] != film:
                    begun = film, reads.begin(film_source(film))
                reading = begun[1]
            waiting.append(Located(row, film, reading))
            if len(waiting) >= reads.threads:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        reads.stop()
