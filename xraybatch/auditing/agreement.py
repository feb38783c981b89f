"""How well details of two films agree where one is laid over the other, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xraybatch.auditing.contrast import Floats
from xraybatch.auditing.levels import Levels
from xraybatch.auditing.warping import warped

AGREES = 0.66  # mean correlation of details from which two films are one
_FEWEST = 8  # tiles that must show anything in both films
_COVERED = 0.25  # share of all such tiles
_TILES = 8  # to each side of a film
_TEXTURED = 0.3  # root mean square of even contrast in a tile that shows anything


@dataclass(frozen=True)
class Agreement:
    """How well details of pairs of films agree where matrices lay them; one entry a pair.

    Attributes
    ----------
    matrix : ndarray of float64, shape (n, 2, 3)
        From places ``(x, y, 1)`` in the first film to places in the second one, mirrored and turned
        by quarters; in sides of a film from its middle.
    agreement : ndarray of float64, shape (n,)
        Mean correlation of details over the tiles, −1 to 1; 0 where no tile shows anything.
    tiles : ndarray of int64, shape (n,)
        How many tiles showed anything in both.
    covered : ndarray of float64, shape (n,)
        Share that these are of all tiles that show anything, in the film that has fewer; 0 to 1.
    """

    matrix: NDArray[np.float64]
    agreement: NDArray[np.float64]
    tiles: NDArray[np.int64]
    covered: NDArray[np.float64]

    @property
    def is_one(self) -> NDArray[np.bool_]:
        """Whether so much agrees only in two films that are one."""
        enough = (self.tiles >= _FEWEST) & (self.covered >= _COVERED)
        return np.asarray(enough & (self.agreement >= AGREES))

    @property
    def moved(self) -> NDArray[np.float64]:
        """How far the furthest corner went, in sides of a film."""
        corners = np.array([[x, y, 1] for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
        went = corners @ self.matrix.swapaxes(1, 2) - corners[:, :2]
        return np.asarray(np.linalg.norm(went, axis=2).max(1))

    def __getitem__(self, which: NDArray[np.intp]) -> Agreement:
        """Some of the pairs."""
        return Agreement(**{name: known[which] for name, known in vars(self).items()})

    def replaced(self, which: NDArray[np.intp], other: Agreement) -> Agreement:
        """With what `other` says of some pairs."""
        entries = {name: known.copy() for name, known in vars(self).items()}
        for name, known in entries.items():
            known[which] = getattr(other, name)
        return Agreement(**entries)


def agreement_of(first: Levels, second: Levels, matrix: NDArray[np.float64]) -> Agreement:
    """Agreement over tiles that show anything in both films of each pair.

    Parameters
    ----------
    first, second : Levels
        Of n pairs.
    matrix : ndarray of float64, shape (n, 2, 3)
    """
    a, b = _in_tiles(first.detail), _in_tiles(warped(second.detail_cells, matrix))
    corners = _corners(first.side) @ matrix.swapaxes(1, 2)
    whole = (np.abs(corners) <= 0.5).reshape(*a.shape[:2], 8)  # x and y of four
    pixels = a.shape[2]
    squares = [np.einsum("ntp,ntp->nt", part, part) / pixels for part in (a, b)]
    shows = [np.sqrt(square) > _TEXTURED for square in squares]
    both = whole.all(2) & shows[0] & shows[1]
    means = a.mean(2), b.mean(2)
    together = np.einsum("ntp,ntp->nt", a, b) / pixels - means[0] * means[1]
    variances = [square - mean**2 for square, mean in zip(squares, means, strict=True)]
    lengths = np.sqrt(np.maximum(variances[0] * variances[1], 0))
    correlation = together / np.maximum(lengths, 1e-8)
    count = both.sum(1)
    agreement = np.where(both, correlation, 0).sum(1, dtype=np.float64) / np.maximum(count, 1)
    fewer = np.minimum(*(part.sum(1) for part in shows))
    return Agreement(matrix, agreement, count, count / np.maximum(fewer, 1))


@lru_cache(maxsize=2)
def _corners(side: int) -> NDArray[np.float64]:
    """``(tiles * 4, 3)``: places ``(x, y, 1)`` of the pixels at the corners of each tile."""
    first = np.arange(0, side, side // _TILES)
    ends = (np.stack([first, first + side // _TILES - 1], -1) + 0.5) / side - 0.5
    corners = np.ones((_TILES, _TILES, 2, 2, 3))
    corners[..., 0] = ends[None, :, None, :]
    corners[..., 1] = ends[:, None, :, None]
    return corners.reshape(-1, 3)


def _in_tiles(films: Floats) -> Floats:
    """``(n, tiles, pixels)``."""
    count, side = len(films), films.shape[1] // _TILES
    tiles = films.reshape(count, _TILES, side, _TILES, side).swapaxes(2, 3)
    return tiles.reshape(count, _TILES**2, side**2)
