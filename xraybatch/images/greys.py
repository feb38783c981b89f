"""How the greys of a film are spread, and how far that is from other films.

Films of another device, exposure or processing show first in their grey values; a model says in its
card how those of its training films were spread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xraybatch.images.resize import as_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 32  # of eight grey levels each
RARE = 0.01  # share of a model's own training films that lie beyond the bar in its card


def grey_counts(films: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels in each of 32 steps of grey.

    Parameters
    ----------
    films : ndarray of uint8, shape (n, height, width)

    Returns
    -------
    ndarray of int64, shape (n, 32)
    """
    # Pillow counts a film in a third of the time of numpy, which wants wide integers first
    counts = [as_image(film).histogram() for film in films]
    each = np.array(counts, np.int64).reshape(len(films), STEPS, 256 // STEPS)
    found: NDArray[np.int64] = each.sum(axis=2)
    return found


def grey_distances(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Total variation between a film's greys and others': the share of pixels that would move.

    Parameters
    ----------
    counts : ndarray of int64, shape (n, 32)
        Of the films, as `grey_counts` returns them; at least one pixel each.
    shares : ndarray of float64, shape (32,)
        Of the others; their sum is 1.

    Returns
    -------
    ndarray of float64, shape (n,)
        0 (spread alike) to 1 (no grey in common).
    """
    apart: NDArray[np.float64] = np.abs(counts / counts.sum(axis=1, keepdims=True) - shares)
    halves: NDArray[np.float64] = apart.sum(axis=1) / 2
    return halves
