"""Orientation and size: the last two steps from stored values to film."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xraybatch.images.rule import DecodingRule

# BILINEAR widens its triangle to the scale, so it antialiases; on one 8-bit channel Pillow computes
# in integers, the same on every machine. BOX is twice as fast, but enlarges in blocks.
_FILTER = Image.Resampling.BILINEAR

LEFT_OVER = 2  # times the rule's size, in pixels of a reduced film: what the resize still averages


def as_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """A film as Pillow's image, which shares its memory where that is C-contiguous."""
    rows = np.ascontiguousarray(pixels)
    # `fromarray` comes to this call too, after a look at what the array could be
    return Image.frombuffer("L", rows.shape[::-1], rows, "raw", "L", 0, 1)


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and flip a film as its Exif orientation (1 to 8) asks; a view where possible."""
    turned = _TURNS.get(orientation)
    return pixels if turned is None else turned(pixels)


_TURNS: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a),
}


@dataclass(frozen=True)
class Reduced:
    """Where a film that was reduced while it was read lies in its array, both upright.

    Attributes
    ----------
    rows, columns : int
        Of the film at full size.
    by : int
        How many times it was reduced, 1 or more.
    left, top : float
        Where it begins in the array; what is left of a pixel at the other end belongs to no film.
    """

    rows: int
    columns: int
    by: int
    left: float = 0.0
    top: float = 0.0


def reduced(
    shape: tuple[int, ...], whole: tuple[int, int] | None, by: int, orientation: int
) -> Reduced | None:
    """Turn the place of a reduced film in its array upright, as `upright` turns the array.

    As stored it begins at the array's first pixel; its last row and column may be partial ones,
    which then come first in a film that is turned or mirrored.
    """
    if by == 1 or whole is None:
        return None
    spare_below, spare_right = shape[0] - whole[0] / by, shape[1] - whole[1] / by
    rows, columns = whole
    if orientation >= 5:
        rows, columns = columns, rows
        spare_below, spare_right = spare_right, spare_below
    return Reduced(
        *(rows, columns, by),
        left=spare_right if orientation in (2, 3, 6, 7) else 0.0,
        top=spare_below if orientation in (3, 4, 7, 8) else 0.0,
    )


def reducible(rows: int, columns: int, orientation: int, rule: DecodingRule) -> float:
    """How many times a film may be reduced so that what is used keeps twice the rule's size.

    Parameters
    ----------
    rows, columns : int
        As stored.
    orientation : int
        1 to 8.
    rule : DecodingRule

    Returns
    -------
    float
        Below 1: not at all.
    """
    if orientation >= 5:
        rows, columns = columns, rows
    height, width = rule.height, rule.width
    used: tuple[float, float] = rows, columns
    if rule.resize == "pad":
        part = framed_part(rows, columns, height, width)
        height, width = part[0].stop - part[0].start, part[1].stop - part[1].start
    elif rule.resize == "crop":
        left, top, right, bottom = middle_part(rows, columns, height, width)
        used = bottom - top, right - left
    return min(used[0] / height, used[1] / width) / LEFT_OVER


def fit(
    pixels: NDArray[np.uint8], rule: DecodingRule, place: Reduced | None = None
) -> NDArray[np.uint8]:
    """Bring a film to the size of the rule, in one resize.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (rows, columns)
    rule : DecodingRule
        `resize`: "stretch" to both sizes; "pad" keeps the aspect and centres the film between
        black borders; "crop" keeps the aspect and takes the middle part.
    place : Reduced, optional
        Where the film lies in `pixels`; all of it, at full size, if None.

    Returns
    -------
    ndarray of uint8, shape (rule.height, rule.width), C-contiguous
    """
    height, width = rule.height, rule.width
    if place is None:
        if pixels.shape == (height, width):
            return np.ascontiguousarray(pixels)
        if rule.resize == "stretch":
            return _resized(pixels, height, width)
        rows, columns = pixels.shape
        place = Reduced(rows, columns, by=1)
    if rule.resize == "pad":
        part = framed_part(place.rows, place.columns, height, width)
        framed = np.zeros((height, width), np.uint8)
        inner = part[0].stop - part[0].start, part[1].stop - part[1].start
        framed[part] = _resized(pixels, *inner, _box(place))
        return framed
    if rule.resize == "crop":
        box = _box(place, *middle_part(place.rows, place.columns, height, width))
        return _resized(pixels, height, width, box)
    return _resized(pixels, height, width, _box(place))


def _box(
    place: Reduced,
    left: float = 0.0,
    top: float = 0.0,
    right: float | None = None,
    bottom: float | None = None,
) -> tuple[float, float, float, float]:
    """A part of the film at full size, all of it if None, in coordinates of its array."""
    return (
        place.left + left / place.by,
        place.top + top / place.by,
        place.left + (place.columns if right is None else right) / place.by,
        place.top + (place.rows if bottom is None else bottom) / place.by,
    )


def framed_part(rows: int, columns: int, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a frame that a padded film takes."""
    if rows * width >= columns * height:  # taller than the frame
        inner = height, max(1, (columns * height + rows // 2) // rows)
    else:
        inner = max(1, (rows * width + columns // 2) // columns), width
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    return slice(top, top + inner[0]), slice(left, left + inner[1])


def middle_part(
    rows: int, columns: int, height: int, width: int
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the largest middle part with the aspect of the frame."""
    if columns * height >= rows * width:  # wider than the frame
        used = rows * width / height
        return (columns - used) / 2, 0.0, (columns + used) / 2, float(rows)
    used = columns * height / width
    return 0.0, (rows - used) / 2, float(columns), (rows + used) / 2


def _resized(
    pixels: NDArray[np.uint8],
    height: int,
    width: int,
    box: tuple[float, float, float, float] | None = None,
) -> NDArray[np.uint8]:
    return np.array(as_image(pixels).resize((width, height), _FILTER, box=box))
