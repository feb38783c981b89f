"""The one pass over the films: each decoded once, looked at, and kept small on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.progress import Progress
from xraybatch.core.status import FilmStatus
from xraybatch.images.asked import Asked
from xraybatch.images.film import FilmFacts, film_digest
from xraybatch.images.look import Look
from xraybatch.images.outside import Outside, bytes_digest
from xraybatch.images.pool import Decoded, DecodingPool, FilmSource
from xraybatch.images.rule import DecodingRule
from xraybatch.sources.item import Item

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 256
RULE = DecodingRule(SIDE, SIDE)  # stretched, so that a copy of another aspect lies on its original


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One film after the pass.

    Attributes
    ----------
    status : FilmStatus
    sentence : str
        Why it is not ``ok``; empty otherwise.
    outside : Outside
        The file; of one whose process died only its size is known.
    facts : FilmFacts or None
        None without pixels.
    digest : bytes
        Of the decoded film; empty without pixels.
    look : Look or None
        None without pixels.
    """

    status: FilmStatus
    sentence: str
    outside: Outside
    facts: FilmFacts | None = None
    digest: bytes = b""
    look: Look | None = None

    @property
    def is_ok(self) -> bool:
        """Whether it has pixels."""
        return self.facts is not None

    @property
    def is_constant(self) -> bool:
        """Whether it has pixels, but hardly any picture."""
        return self.look is not None and self.look.nearly_constant

    @property
    def is_marked(self) -> bool:
        """Whether it shows a picture, and what could be writing."""
        return self.look is not None and self.look.marked and not self.look.nearly_constant


@dataclass(frozen=True)
class Survey:
    """All films after the pass, in the order of their items.

    Attributes
    ----------
    items : tuple of Item
    films : tuple of Surveyed
    rows : ndarray of int64, shape (n,)
        Row of `pixels` of each film; −1 without pixels.
    pixels : ndarray of uint8, shape (m, 256, 256)
        Memory-mapped from a file that has no name any more.
    hashed : bool
        Whether the bytes of all files were hashed where they were read.
    """

    items: tuple[Item, ...]
    films: tuple[Surveyed, ...]
    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    hashed: bool

    def bytes_digest(self, film: int) -> bytes:
        """SHA-256 of a film's file; empty where it cannot be read.

        Where it was not hashed with the others it is read anew, but only if it is a film: what is
        none may be anything.
        """
        known, item = self.films[film], self.items[film]
        if self.hashed or not known.is_ok:
            return known.outside.digest
        return bytes_digest(item.path, item.member)

    def readable(self) -> NDArray[np.int64]:
        """Indices of the films with pixels, rising; row k of `pixels` is that of the k-th."""
        return np.flatnonzero(self.rows >= 0)


def survey(
    items: Sequence[Item],
    progress: Progress,
    *,
    workers: int | None = None,
    timeout: float = 60.0,
    hashed: bool = True,
) -> Survey:
    """Decode every film once, with everything that is to be known of it.

    Memory does not grow with the films' sizes, and only by a few kilobytes a film: pixels go to a
    temporary file without a name.

    Parameters
    ----------
    items : sequence of Item
    progress : Progress
    workers : int, optional
        Processes that decode; as many as there are cores if None.
    timeout : float
        Seconds that one film may take.
    hashed : bool
        Whether the bytes of all files are hashed, while they are read.
    """
    asked = Asked(survey=True, hashed=hashed)
    sources = (FilmSource(item.path, item.key, member=item.member) for item in items)
    films: list[Surveyed] = []
    rows = np.full(len(items), -1, np.int64)
    kept = 0
    with (
        progress.stage("reading", len(items)) as stage,
        # held open by the memory map alone, so that a kill leaves no patient's pixels behind
        tempfile.TemporaryFile() as file,
        DecodingPool(RULE, workers=workers, timeout=timeout, asked=asked) as pool,
    ):
        for decoded in pool.decode(sources):
            if decoded.film is not None:
                file.write(decoded.film.data)
                rows[decoded.index] = kept
                kept += 1
            films.append(_surveyed(decoded, items[decoded.index]))
            stage.advance()
        file.flush()
        shape = (kept, SIDE, SIDE)
        pixels = np.memmap(file, np.uint8, "r", shape=shape) if kept else np.zeros(shape, np.uint8)
    return Survey(tuple(items), tuple(films), rows, pixels, hashed)


def _surveyed(decoded: Decoded, item: Item) -> Surveyed:
    outside = decoded.outside or Outside(size=item.size)
    if decoded.film is None or decoded.facts is None:
        return Surveyed(decoded.status, decoded.sentence, outside)
    return Surveyed(
        FilmStatus.OK,
        "",
        outside,
        decoded.facts,
        film_digest(decoded.film),
        decoded.look,
    )
