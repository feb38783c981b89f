"""What one small film shows by itself: whether there is any picture, and room for writing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.images.marks import marks_on, may_be_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL = 32  # pixels to each side of what a look keeps of the film
NEARLY_CONSTANT = 8  # grey levels between the 1st and the 99th percentile


@dataclass(frozen=True, slots=True)
class Look:
    """What a film shows by itself.

    Attributes
    ----------
    spread : int
        Grey levels between the 1st and the 99th percentile.
    marked : bool
        Whether marks near its borders could be writing.
    small : bytes
        The film in 32 × 32 grey levels, each the mean of its part.
    """

    spread: int
    marked: bool
    small: bytes

    @property
    def nearly_constant(self) -> bool:
        """Whether there is hardly any picture."""
        return self.spread < NEARLY_CONSTANT


def look_at(film: NDArray[np.uint8]) -> Look:
    """Look at a film.

    Parameters
    ----------
    film : ndarray of uint8, shape (256, 256), C-contiguous
        Others have at least 16 pixels a side; writing on them is of other heights than are sought.
    """
    from PIL import Image

    image = Image.fromarray(film)
    counted = np.cumsum(image.histogram())
    low, high = np.searchsorted(counted, np.array([0.01, 0.99]) * counted[-1])
    marked = any(map(may_be_line, marks_on(film)))
    small = image.resize((SMALL, SMALL), Image.Resampling.BOX, reducing_gap=1.0)
    return Look(int(high - low), marked, small.tobytes())
