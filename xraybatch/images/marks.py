"""Marks that stand out near the borders of a film, as writing does.

Every film of a survey is looked at, so this loads nothing but numpy; what the marks are, the audit
finds out for the few films where they could be writing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SHORTEST = 3  # rows of a glyph, of 256
LINE = 4  # glyphs beside each other
_STRONG = 60  # grey levels that a glyph stands out by
_ABREAST = 3  # of a line, in one row at least: their middles are near, their heights alike
_AROUND = 7  # pixels to each side that a glyph stands out against; `_sums` adds as many


def marks_on(film: NDArray[np.uint8]) -> Iterator[NDArray[np.bool_]]:
    """What stands out near the upper and the lower border.

    Brighter than what is around it, as burnt-in text is; or darker, on a white band.

    Parameters
    ----------
    film : ndarray of uint8, shape (256, 256)

    Yields
    ------
    ndarray of bool, shape (64, 256)
        The upper quarter, bright and dark; then the lower one.
    """
    borders = _borders(film)
    # sums over 15 × 15 pixels are 57,375 at most, so the halves of two differ by 16 bits
    around = np.zeros_like(borders[_AROUND:-_AROUND])
    down = _sums(borders).ravel()
    around.ravel()[_AROUND:-_AROUND] = _sums(down)  # at the ends of lines of what is not asked for
    area = (2 * _AROUND + 1) ** 2
    itself = borders[_AROUND:-_AROUND] * np.uint16(area)
    above = (itself >> 1).view(np.int16) - (around >> 1).view(np.int16)
    above = above[..., _AROUND:-_AROUND]
    strong = _STRONG * area // 2
    for lines in (above[:, 0], above[::-1, 1]):
        yield lines > strong
        yield lines < -strong


def may_be_line(marks: NDArray[np.bool_]) -> bool:
    """Whether marks could be a line of writing: sooner seen than what each mark is."""
    if np.count_nonzero(marks) < SHORTEST + LINE - 1:
        return False
    rows, columns = np.flatnonzero(marks.any(1)), np.flatnonzero(marks.any(0))
    if len(rows) < SHORTEST or len(columns) < LINE:  # no room for a line
        return False
    marks = marks[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    begins = marks[:, 1:] & ~marks[:, :-1]
    return bool((np.count_nonzero(begins, 1) + marks[:, 0]).max() >= _ABREAST)


def _borders(film: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Lines of the upper quarter from above, beside those of the lower quarter from below.

    Shape ``(lines, 2, columns)``, with what is around them; beyond the film its borders go on.
    """
    quarter, columns = len(film) // 4, film.shape[1]
    shape = quarter + 2 * _AROUND, 2, columns + 2 * _AROUND
    lines: NDArray[np.uint16] = np.empty(shape, np.uint16)
    for side, rows in enumerate((film, film[::-1])):
        lines[_AROUND:, side, _AROUND:-_AROUND] = rows[: quarter + _AROUND]
    lines[:_AROUND] = lines[_AROUND]
    lines[..., :_AROUND] = lines[..., _AROUND, None]
    lines[..., -_AROUND:] = lines[..., -_AROUND - 1, None]
    return lines


def _sums(values: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Each with the seven before it and the seven after it along the first axis: 14 fewer."""
    two = values[:-1] + values[1:]
    four = two[:-2] + two[2:]
    eight = four[:-4] + four[4:]
    fifteen: NDArray[np.uint16] = eight[:-_AROUND] + eight[_AROUND:] - values[_AROUND:-_AROUND]
    return fifteen
