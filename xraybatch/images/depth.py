"""How many bits a film really has, where its file declares none.

PNG and TIFF store 12 bits in 16, and few writers say so. Taken as 16 bits such a film is near
black. It is told by its values: where a whole film stays under an eighth of the range, it has the
smallest of 10, 12 and 14 bits that holds it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xraybatch.extension.records import DisplayHints, StoredImage

DEPTHS = (10, 12, 14)  # bits that detectors and digitisers have
_UNDECLARED = DisplayHints()


def settle_depth(image: StoredImage) -> StoredImage:
    """Give a film of undeclared depth the depth that its values show.

    Parameters
    ----------
    image : StoredImage
        Left as it is where the file declares a depth or a mapping of its own, where it has not 16
        bits, and where it is an 8-bit film that was widened: all values multiples of 257.

    Returns
    -------
    StoredImage
        `hints.bits_stored` set, and a note, where the whole film is under an eighth of the range.
        White-is-zero values that lie in the upper eighth are turned over first. A signed film
        without negative values is unsigned, of 15 bits if it does not stay under an eighth of 16.
    """
    values, hints = image.array, image.hints
    if values.size == 0 or values.dtype.kind not in "iu" or values.dtype.itemsize != 2:
        return image
    if replace(hints, orientation=1, white_is_zero=False) != _UNDECLARED:
        return image
    colour = _without_alpha(values)
    low, high = int(colour.min()), int(colour.max())
    if values.dtype.kind == "i":
        return _signed(image, low, high)
    top = np.iinfo(values.dtype).max
    if hints.white_is_zero and top - low < 1 << 13:
        if _is_widened(colour):
            return image
        turned = replace(hints, white_is_zero=False)
        return _noted(replace(image, array=top - values, hints=turned), top - low)
    if high >= 1 << 13 or _is_widened(colour):
        return image
    return _noted(image, high)


def _signed(image: StoredImage, low: int, high: int) -> StoredImage:
    if low >= 0:
        unsigned = replace(image, array=image.array.astype(np.uint16))
        if high < 1 << 13 or _is_widened(_without_alpha(unsigned.array)):
            return settle_depth(unsigned)
        return replace(unsigned, hints=replace(image.hints, bits_stored=15))
    if low < -(1 << 12) or high >= 1 << 12:
        return image
    return _noted(image, max(2 * high + 1, -2 * low - 1))


def _noted(image: StoredImage, largest: int) -> StoredImage:
    """Set the depth that holds values up to `largest`."""
    bits = next(bits for bits in DEPTHS if largest < 1 << bits)
    note = f"It declares no depth and looks like {bits} bits in 16, so it was read as {bits} bits."
    hints = replace(image.hints, bits_stored=bits)
    return replace(image, hints=hints, notes=(*image.notes, note))


def _is_widened(colour: NDArray[Any]) -> bool:
    """Whether 8 bits were widened to 16 by repeating the byte, as 65535 = 257 · 255 wants."""
    return bool(((colour >> 8) == (colour & 0xFF)).all())


def _without_alpha(values: NDArray[Any]) -> NDArray[Any]:
    if values.ndim == 3 and values.shape[2] in (2, 4):
        return values[:, :, :-1]
    return values
