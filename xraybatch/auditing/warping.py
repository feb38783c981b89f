"""Films laid where matrices say, many at once, by bilinear interpolation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xraybatch.auditing.contrast import Floats

_MARGIN = 2  # cells before the first pixel's: a black one, and one in which the border goes on

Cells = NDArray[np.complex128]


def cells_of(films: Floats) -> Cells:
    """What lies between four neighbouring pixels, for every such four.

    Parameters
    ----------
    films : ndarray of float32, shape (n, side, side)

    Returns
    -------
    ndarray of complex128, shape (n, side + 3, side + 3)
        Each is four float32, which are taken as one: the first pixel, how the film changes across
        and down from there, and how the one change changes with the other. Borders go on for one
        pixel; around that all is 0.
    """
    around = np.pad(films, ((0, 0), (1, 1), (1, 1)), mode="edge")
    count, side = len(films), films.shape[1]
    cells = np.zeros((count, side + 3, side + 3, 4), np.float32)
    first, right = around[:, :-1, :-1], around[:, :-1, 1:]
    below, last = around[:, 1:, :-1], around[:, 1:, 1:]
    inside = cells[:, 1:-1, 1:-1]
    inside[..., 0] = first
    np.subtract(right, first, out=inside[..., 1])
    np.subtract(below, first, out=inside[..., 2])
    np.subtract(last - right, inside[..., 2], out=inside[..., 3])
    return cells.view(np.complex128)[..., 0]


def warped(cells: Cells, matrices: NDArray[np.float64]) -> Floats:
    """Films as matrices lay them; 0 where there is none, which begins a pixel beyond the border.

    Parameters
    ----------
    cells : ndarray of complex128, shape (n, side + 3, side + 3)
        As `cells_of` returns.
    matrices : ndarray of float64, shape (n, 2, 3)
        From places ``(x, y, 1)`` in what is returned to places in the film, in sides of a film from
        its middle.

    Returns
    -------
    ndarray of float32, shape (n, side, side)
    """
    count, width = cells.shape[:2]
    side = width - 3
    axis = np.arange(side, dtype=np.float32) + np.float32((1 - side) / 2)
    middle = np.float32((side - 1) / 2 + _MARGIN)
    entries = matrices.astype(np.float32)[..., None].swapaxes(0, 1).swapaxes(1, 2)
    (across, column), (down, row) = (
        _split(x * axis + (shift * side + middle), y * axis, width) for x, y, shift in entries
    )
    row *= width
    row += column
    row += np.arange(count, dtype=np.int32)[:, None, None] * width**2
    taken = cells.ravel().take(row, mode="clip").view(np.float32).reshape(*row.shape, 4)
    film = taken[..., 3] * across
    film += taken[..., 2]
    film *= down
    across *= taken[..., 1]
    film += across
    film += taken[..., 0]
    return film


def _split(along: Floats, other: Floats, width: int) -> tuple[Floats, NDArray[np.int32]]:
    """Where in its cell each place lies, 0 to 1, and which cell that is."""
    place = along[:, None, :] + other[:, :, None]
    np.clip(place, 0, np.float32(width - 0.5), out=place)
    cell = place.astype(np.int32)
    place -= cell
    return place, cell
