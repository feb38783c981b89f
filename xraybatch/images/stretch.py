"""The range to show of a film that declares no window: all but its darkest and brightest pixels.

The ends are order statistics of the stored values, so nothing depends on rounding: a film, its copy
in twice the bits and its negative with the other polarity give the same picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEFT_OUT = 0.001  # share of the pixels below the range, and above it

_BLOCK = 1 << 20


def ends_by_count(counts: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[int, int] | None:
    """The range that holds all but `LEFT_OUT` at either end.

    Parameters
    ----------
    counts : ndarray of int64, shape (n,)
        How many pixels have a value.
    values : ndarray of int64, shape (n,)
        In any order.

    Returns
    -------
    tuple of (int, int) or None
        The smallest and largest value of all where the range would hold one value only; None for a
        film of one value, or without any.
    """
    present = np.flatnonzero(counts)
    if len(present) == 0:
        return None
    present = present[np.argsort(values[present], kind="stable")]
    below = np.cumsum(counts[present])
    total = int(below[-1])
    skipped = int(total * LEFT_OUT)
    first, last = np.searchsorted(below, (skipped, total - 1 - skipped), side="right")
    low, high = int(values[present[first]]), int(values[present[last]])
    if low == high:
        low, high = int(values[present[0]]), int(values[present[-1]])
    return (low, high) if low < high else None


def ends_of(values: NDArray[Any]) -> tuple[int, int] | None:
    """`ends_by_count` of pixels that are too wide to be counted one by one."""
    if values.size == 0:
        return None
    skipped = int(values.size * LEFT_OUT)
    places = (0, skipped, values.size - 1 - skipped, values.size - 1)
    least, low, high, most = (int(v) for v in np.partition(values, places)[list(places)])
    if low == high:
        low, high = least, most
    return (low, high) if low < high else None


def histogram(index: NDArray[Any], size: int) -> NDArray[np.int64]:
    """How many pixels have each value of 0 to `size` - 1, counted in blocks."""
    flat = index.reshape(-1)
    counts = np.zeros(size, np.int64)
    for start in range(0, flat.size, _BLOCK):
        counts += np.bincount(flat[start : start + _BLOCK], minlength=size)
    return counts
