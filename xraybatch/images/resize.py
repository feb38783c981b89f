"""Orientation and size: the last two steps from stored values to film."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xraybatch.images.rule import DecodingRule

# BILINEAR widens its triangle to the scale, so it antialiases; on one 8-bit channel Pillow computes
# in integers, the same on every machine. BOX is twice as fast, but enlarges in blocks.
_FILTER = Image.Resampling.BILINEAR


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and flip a film as its Exif orientation (1 to 8) asks; a view where possible."""
    turned = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a),
    }.get(orientation)
    return pixels if turned is None else turned(pixels)


def fit(pixels: NDArray[np.uint8], rule: DecodingRule) -> NDArray[np.uint8]:
    """Bring a film to the size of the rule, in one resize.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (rows, columns)
    rule : DecodingRule
        `resize`: "stretch" to both sizes; "pad" keeps the aspect and centres the film between
        black borders; "crop" keeps the aspect and takes the middle part.

    Returns
    -------
    ndarray of uint8, shape (rule.height, rule.width), C-contiguous
    """
    rows, columns = pixels.shape
    height, width = rule.height, rule.width
    if (rows, columns) == (height, width):
        return np.ascontiguousarray(pixels)
    if rule.resize == "pad":
        return _padded(pixels, height, width)
    box = middle_part(rows, columns, height, width) if rule.resize == "crop" else None
    return _resized(pixels, height, width, box)


def _padded(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = pixels.shape
    part = framed_part(rows, columns, height, width)
    inner = part[0].stop - part[0].start, part[1].stop - part[1].start
    framed = np.zeros((height, width), np.uint8)
    framed[part] = _resized(pixels, *inner, None)
    return framed


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
    box: tuple[float, float, float, float] | None,
) -> NDArray[np.uint8]:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.array(image.resize((width, height), _FILTER, box=box))
