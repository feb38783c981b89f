"""Descriptors of films that a shift does not change, in every manner a film may be laid down.

A film's local contrast is made even, so that exposure and equalisation hardly matter; the magnitude
of its spectrum does not know where in the frame the bone lies. A film that is mirrored, turned or
zoomed mirrors, turns or shrinks its spectrum: one finely sampled spectrum a film does for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xraybatch.auditing.contrast import SIDE, WINDOW, Floats, blurring, even, small

_HALF = 12  # frequencies kept, in cycles a film
LENGTH = _HALF * (2 * _HALF - 1)  # of a descriptor
_FINER = 3  # samples of the spectrum a cycle
_REACH = 15 * _FINER  # samples to each side of its middle: as far as turning brings a corner
_TREND = 4.0  # frequencies over which the strength of the spectrum is made even


@dataclass(frozen=True)
class Manner:
    """How a film may have been laid down again: mirrored, turned by quarters, turned a little.

    Attributes
    ----------
    mirrored : bool
        Left for right, before it is turned.
    quarters : int
        Of a turn, anticlockwise, 0 or 1; half a turn leaves the spectrum as it is.
    degrees : float
        Of a small rotation before all, anticlockwise.
    zoom : float
        Of what is seen after it; 2 is twice as large.
    """

    mirrored: bool
    quarters: int
    degrees: float = 0.0
    zoom: float = 1.0


# descriptors bear 3 degrees, and 4 % of size
_LITTLE = (
    *((degrees, 1.0) for degrees in (0.0, -20.0, -15.0, -10.0, -5.0, 5.0, 10.0, 15.0, 20.0)),
    *((0.0, zoom) for zoom in (0.8, 0.86, 0.93, 1.075, 1.16, 1.25)),
)
MANNERS = (  # as it is comes first
    *(Manner(mirrored, 0, *little) for mirrored in (False, True) for little in _LITTLE),
    *(Manner(mirrored, 1) for mirrored in (False, True)),
)


def described(films: NDArray[np.uint8]) -> Floats:
    """Descriptors of films laid down in every manner.

    Parameters
    ----------
    films : ndarray of uint8, shape (n, H, W)

    Returns
    -------
    ndarray of float32, shape (manners, n, LENGTH)
        In the order of `MANNERS`. Each has mean 0 and length 1, so that the product of two is their
        correlation, −1 to 1; all are 0 for a constant film.
    """
    strength = _strength(even(small(films)))
    seen = (_sampling() @ strength.reshape(-1, len(films))).reshape(len(MANNERS), LENGTH, -1)
    vectors = np.ascontiguousarray(seen.swapaxes(1, 2))
    vectors -= vectors.mean(2, keepdims=True)
    lengths = np.sqrt(np.einsum("mnk,mnk->mn", vectors, vectors))
    vectors /= np.maximum(lengths, 1e-6)[..., None]
    return vectors


def turning(degrees: float) -> NDArray[np.float64]:
    """``(2, 2)``: from places ``(x, y)`` of a film turned anticlockwise to those before; y down."""
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _strength(level: Floats) -> Floats:
    """Logarithm of the magnitude of each spectrum, without its slow trend; half of it.

    Shape ``(2 * _REACH + 1, _REACH + 1, n)``: frequencies down, and those across from 0. So few are
    wanted of so small films that products with waves take less time than fast transforms, which
    give them all.
    """
    waves = _waves()
    across = np.concatenate(waves) @ np.ascontiguousarray((level * WINDOW).transpose(1, 2, 0))
    shape = _REACH + 1, 2, _REACH + 1, len(level)
    # first the wave down, then the one across
    (cos_cos, cos_sin), (sin_cos, sin_sin) = (
        (wave @ across.reshape(SIDE, -1)).reshape(shape).swapaxes(0, 1) for wave in waves
    )
    falling = (cos_cos - sin_sin) ** 2 + (cos_sin + sin_cos) ** 2
    rising = (cos_cos + sin_sin) ** 2 + (cos_sin - sin_cos) ** 2
    half = np.concatenate([rising[:0:-1], falling])
    np.log1p(np.sqrt(half, out=half), out=half)
    blur = blurring(2 * _REACH + 1, _TREND * _FINER)
    down = (blur @ half.reshape(len(blur), -1)).reshape(half.shape)
    half -= blur[_REACH:, _REACH:] @ down
    half -= blur[_REACH:, _REACH - 1 :: -1] @ down[::-1, 1:]  # the other half is the same
    return half


@lru_cache(maxsize=1)
def _waves() -> tuple[Floats, Floats]:
    """Cosine and sine of each frequency from 0 along a line of a film: ``(_REACH + 1, SIDE)``."""
    angle = 2 * np.pi / (SIDE * _FINER) * np.outer(np.arange(_REACH + 1), np.arange(SIDE))
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


@lru_cache(maxsize=1)
def _sampling() -> csr_array:
    """Takes the frequencies that are kept, in every manner, out of half of a spectrum."""
    down = np.arange(1 - _HALF, _HALF)
    wanted = np.stack(np.meshgrid(np.arange(_HALF), down), -1).reshape(-1, 2)
    places = np.concatenate([_frequencies(wanted, manner) for manner in MANNERS]) * _FINER
    places[places[:, 0] < 0] *= -1  # the other half is the same
    low = np.floor(places + 1e-9).astype(int)
    share = places - low
    low[:, 1] += _REACH
    rows, entries, columns = [], [], []
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        weight = np.prod(np.where((x, y), share, 1 - share), axis=1)
        used = np.flatnonzero(weight > 1e-6)
        rows.append(used)
        entries.append(weight[used])
        columns.append((low[used, 1] + y) * (_REACH + 1) + low[used, 0] + x)
    entry = np.concatenate(entries).astype(np.float32)
    shape = len(places), (2 * _REACH + 1) * (_REACH + 1)
    return csr_array((entry, (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def _frequencies(wanted: NDArray[np.int_], manner: Manner) -> NDArray[np.float64]:
    """Where a film has the frequencies ``(x, y)`` that it shows when it is laid down."""
    mirror = np.diag([-1.0 if manner.mirrored else 1.0, 1.0])
    matrix = turning(manner.degrees) / manner.zoom @ mirror @ turning(90 * manner.quarters)
    return np.asarray(wanted @ np.linalg.inv(matrix))
