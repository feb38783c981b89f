"""Division where nothing to divide by is undefined, which is NaN between functions of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    """`above` / `below`, which is not negative; NaN where it is 0. Shapes are broadcast.

    Of whole numbers below 2^53 it is one division: the correctly rounded double.
    """
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    values = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=values, where=below > 0)
    return values
