"""Marks that may be writing: glyphs in lines near the borders of a film."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xraybatch.auditing.survey import Survey
from xraybatch.images.marks import LINE, SHORTEST, marks_on, may_be_line

_TALLEST = 14  # rows of a glyph, of 256
_WIDEST = 16
_NEAR = 2.2  # heights between the middles of neighbours
_MOST_MARKS = 400  # more are texture


def written_on(found: Survey) -> dict[int, int]:
    """Films that perhaps bear writing: position → how many glyphs its longest line has."""
    looked = (i for i in found.readable() if found.films[i].is_marked)
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
    return max(map(_lines_of, marks_on(film)), default=0)


def _lines_of(marks: NDArray[np.bool_]) -> int:
    if not may_be_line(marks):
        return 0
    labelled, count = ndimage.label(marks, np.ones((3, 3), int))
    return _in_lines(ndimage.find_objects(labelled)) if LINE <= count <= _MOST_MARKS else 0


def _in_lines(boxes: list[tuple[slice, slice]]) -> int:
    glyphs = []
    for rows, columns in boxes:
        height, width = rows.stop - rows.start, columns.stop - columns.start
        middle = (rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2
        is_glyph = SHORTEST <= height <= _TALLEST and 1 <= width <= _WIDEST
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
    return best if best >= LINE else 0
