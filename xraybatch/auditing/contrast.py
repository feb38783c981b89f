"""Small films of even contrast: what descriptors and registration both look at."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

SIDE = 64  # pixels of the small film
_SPREAD = 4.0  # pixels over which contrast is made even
_MOST_IN_16 = 257  # times 255, a sum still fits into 16 bits
_FAINT = 3.0  # grey levels: contrast below is noise, and is not raised
WINDOW = np.sqrt(np.outer(np.hanning(SIDE), np.hanning(SIDE))).astype(np.float32)

Floats = NDArray[np.float32]


def small(films: NDArray[np.uint8], side: int = SIDE) -> Floats:
    """Films ``(N, H, W)`` in ``(N, side, side)``: the mean over each new pixel, in grey levels."""
    count, height, width = films.shape
    across = _shrinking(width, side).T
    if height % side:
        return np.asarray(_shrinking(height, side) @ (films.astype(np.float32) @ across))
    # whole rows are added as they are, which is exact and fast
    wide = np.uint16 if height // side <= _MOST_IN_16 else np.uint32
    rows = films.reshape(count, side, height // side, width).sum(2, dtype=wide)
    shrunk = rows.reshape(-1, width).astype(np.float32) @ (across * np.float32(side / height))
    return np.asarray(shrunk.reshape(count, side, side))


def even(films: Floats, spread: float = _SPREAD, faint: float = _FAINT) -> Floats:
    """How films differ from their surroundings, in units of what these vary.

    Parameters
    ----------
    films : ndarray of float32, shape (..., side, side)
        Grey levels.
    spread : float
        How far the surroundings reach, in pixels.
    faint : float
        Grey levels; what varies less is not raised.
    """
    blur = blurring(films.shape[-1], spread)
    difference = films - blur @ films @ blur.T
    local = np.sqrt(np.maximum(blur @ (difference * difference) @ blur.T, 0))
    return np.asarray(difference / (local + np.float32(faint)), np.float32)


@lru_cache(maxsize=16)
def blurring(side: int, spread: float) -> Floats:
    """``(side, side)``: a Gaussian along a line that is mirrored at its ends."""
    return np.asarray(gaussian_filter1d(np.eye(side), spread, axis=0, truncate=2.5), np.float32)


@lru_cache(maxsize=16)
def _shrinking(length: int, side: int) -> Floats:
    """``(side, length)``: the share that each pixel has in each new one."""
    edges = np.linspace(0, length, side + 1)
    start, end = edges[:-1, None], edges[1:, None]
    pixel = np.arange(length)
    shared = np.clip(np.minimum(end, pixel + 1) - np.maximum(start, pixel), 0, None)
    return np.asarray(shared * side / length, np.float32)
