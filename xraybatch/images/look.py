"""What one small film shows by itself: whether there is any picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEARLY_CONSTANT = 8  # grey levels between the 1st and the 99th percentile


@dataclass(frozen=True, slots=True)
class Look:
    """What a film shows by itself.

    Attributes
    ----------
    spread : int
        Grey levels between the 1st and the 99th percentile.
    """

    spread: int

    @property
    def nearly_constant(self) -> bool:
        """Whether there is hardly any picture."""
        return self.spread < NEARLY_CONSTANT


def look_at(film: NDArray[np.uint8]) -> Look:
    """Look at a film.

    Parameters
    ----------
    film : ndarray of uint8, shape (height, width), C-contiguous
    """
    low, high = _percentiles(film, 0.01, 0.99)
    return Look(high - low)


def _percentiles(film: NDArray[np.uint8], *shares: float) -> tuple[int, ...]:
    from PIL import Image

    counted = np.cumsum(Image.fromarray(film).histogram())
    return tuple(int(np.searchsorted(counted, share * counted[-1])) for share in shares)
