"""How the greys of a film are spread, and how far that is from other films.

Films of another device, exposure or processing show first in their grey values; a model says in its
card how those of its training films were spread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 32  # of eight grey levels each
RARE = 0.01  # share of a model's own training films that lie beyond the bar in its card


def grey_counts(film: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels in each of 32 steps of grey.

    Parameters
    ----------
    film : ndarray of uint8, shape (height, width)

    Returns
    -------
    ndarray of int64, shape (32,)
    """
    # Pillow counts a film in a third of the time of numpy, which wants wide integers first
    counts = Image.fromarray(np.ascontiguousarray(film)).histogram()
    found: NDArray[np.int64] = np.array(counts, np.int64).reshape(STEPS, -1).sum(axis=1)
    return found


def grey_distance(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> float:
    """Total variation between a film's greys and others': the share of pixels that would move.

    Parameters
    ----------
    counts : ndarray of int64, shape (32,)
        Of the film, as `grey_counts` returns them; at least one pixel.
    shares : ndarray of float64, shape (32,)
        Of the others; their sum is 1.

    Returns
    -------
    float
        0 (spread alike) to 1 (no grey in common).
    """
    return float(np.abs(counts / counts.sum() - shares).sum() / 2)
