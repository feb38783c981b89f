"""Marks that may be writing: glyphs in lines near the borders of a film."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xraybatch.auditing.survey import Survey

_TALLEST, _SHORTEST = 14, 3  # rows of a glyph, of 256
_WIDEST = 16
_STRONG = 60  # grey levels that a glyph stands out by
_LINE = 4  # glyphs beside each other
_ABREAST = 3  # of a line, in one row at least: their middles are near, their heights alike
_NEAR = 2.2  # heights between the middles of neighbours
_AROUND = 7  # pixels to each side that a glyph stands out against; `_sums` adds as many
_MOST_MARKS = 400  # more are texture


def written_on(found: Survey) -> dict[int, int]:
    """Films that perhaps bear writing: position → how many glyphs its longest line has."""
    looked = (i for i in found.readable() if not found.films[i].is_constant)
    counted = ((i, count_glyphs(np.asarray(found.pixels[found.rows[i]]))) for i in looked)
    return {int(i): glyphs for i, glyphs in counted if glyphs}


def count_glyphs(film: NDArray[np.uint8]) -> int:
    """Count small, strong, upright marks that stand in lines near the borders.

    A single side marker (L, R) is a mark without neighbours, so it does not count; bones and screws
    are larger or stand alone. Writing that is smaller than three rows of 256 is not seen.

    Parameters
    ----------
    film : ndarray of uint8, shape (256, 256), C-contiguous

    Returns
    -------
    int
        Glyphs of the longest line; 0 where no line has four.
    """
    return max(map(_lines_of, _marks(film)), default=0)


def _marks(film: NDArray[np.uint8]) -> Iterator[NDArray[np.bool_]]:
    """What stands out near the upper and the lower border.

    Brighter than what is around it, as burnt-in text is; or darker, on a white band.
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


def _lines_of(marks: NDArray[np.bool_]) -> int:
    rows, columns = np.flatnonzero(marks.any(1)), np.flatnonzero(marks.any(0))
    if len(rows) < _SHORTEST or len(columns) < _LINE:  # no room for a line
        return 0
    marks = marks[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    begins = marks[:, 1:] & ~marks[:, :-1]
    if (np.count_nonzero(begins, 1) + marks[:, 0]).max() < _ABREAST:  # sooner seen than labelled
        return 0
    labelled, count = ndimage.label(marks, np.ones((3, 3), int))
    return _in_lines(ndimage.find_objects(labelled)) if _LINE <= count <= _MOST_MARKS else 0


def _in_lines(boxes: list[tuple[slice, slice]]) -> int:
    glyphs = []
    for rows, columns in boxes:
        height, width = rows.stop - rows.start, columns.stop - columns.start
        middle = (rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2
        is_glyph = _SHORTEST <= height <= _TALLEST and 1 <= width <= _WIDEST
        if is_glyph and width <= 2 * height:
            glyphs.append((middle[0], middle[1], height))
    glyphs.sort(key=lambda glyph: glyph[1])
    best = 0
    for start, (row, column, height) in enumerate(glyphs):
        length, last = 1, column
        for other_row, other_column, other_height in glyphs[start + 1 :]:
            if other_column - last > _NEAR * height:
                break
            if abs(other_row - row) <= 0.35 * height and abs(other_height - height) <= 0.4 * height:
                length, last = length + 1, other_column
        best = max(best, length)
    return best if best >= _LINE else 0
