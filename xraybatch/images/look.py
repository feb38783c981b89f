"""What one small film shows by itself: hardly any grey at all, or marks that stand abreast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEARLY_CONSTANT = 8  # grey levels between the 1st and the 99th percentile
SHORTEST = 3  # rows of a glyph, of 256
LINE = 4  # glyphs beside each other
_ABREAST = 3  # of a line, in one row at least: their middles are near, their heights alike
_STRONG = 60  # grey levels that a glyph stands out by
_AROUND = 7  # pixels to each side that a glyph stands out against


@dataclass(frozen=True, slots=True)
class Look:
    """What a film shows by itself.

    Attributes
    ----------
    spread : int
        Grey levels between the 1st and the 99th percentile.
    has_marks : bool
        Whether so many marks near a border stand abreast as in any line of writing.
    """

    spread: int
    has_marks: bool

    @property
    def nearly_constant(self) -> bool:
        """Whether there is hardly any picture."""
        return self.spread < NEARLY_CONSTANT


def look_at(film: NDArray[np.uint8]) -> Look:
    """Look at a film.

    Parameters
    ----------
    film : ndarray of uint8, shape (256, 256), C-contiguous
    """
    low, high = _percentiles(film, 0.01, 0.99)
    spread = high - low
    if spread < NEARLY_CONSTANT:
        return Look(spread, False)
    return Look(spread, next(marks_near_borders(film), None) is not None)


def marks_near_borders(film: NDArray[np.uint8]) -> Iterator[NDArray[np.bool_]]:
    """What stands out near the upper and the lower border, where three marks stand abreast.

    Parameters
    ----------
    film : ndarray of uint8, shape (256, 256), C-contiguous

    Yields
    ------
    ndarray of bool, shape (h, w)
        The part of a quarter of the film that holds all that is brighter there than what is around
        it, as burnt-in text is; or all that is darker, as on a white band.
    """
    from PIL import Image, ImageFilter

    quarter = len(film) // 4
    reach = quarter + _AROUND
    for strip, rows in ((film[:reach], slice(quarter)), (film[-reach:], slice(-quarter, None))):
        around = Image.fromarray(strip).filter(ImageFilter.BoxBlur(_AROUND))
        above = strip[rows].astype(np.int16) - np.asarray(around)[rows]
        for marks in (above > _STRONG, above < -_STRONG):
            rows_with, columns = np.flatnonzero(marks.any(1)), np.flatnonzero(marks.any(0))
            if len(rows_with) < SHORTEST or len(columns) < LINE:  # no room for a line
                continue
            part = marks[rows_with[0] : rows_with[-1] + 1, columns[0] : columns[-1] + 1]
            begins = part[:, 1:] & ~part[:, :-1]
            if (np.count_nonzero(begins, 1) + part[:, 0]).max() >= _ABREAST:
                yield part


def _percentiles(film: NDArray[np.uint8], *shares: float) -> tuple[int, ...]:
    from PIL import Image

    counted = np.cumsum(Image.fromarray(film).histogram())
    return tuple(int(np.searchsorted(counted, share * counted[-1])) for share in shares)
