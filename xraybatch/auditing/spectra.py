"""Which films might be one film: descriptors that a shift does not change, and their neighbours.

A film's local contrast is made even, so that exposure and equalisation hardly matter; the magnitude
of its spectrum does not know where in the frame the bone lies. Mirrored and turned films mirror and
turn the spectrum; small rotations are tried. What is found here is a suspicion, no more: knees look
alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from xraybatch.core.cores import in_threads

SIDE = 64  # pixels of the small film that is described
NEIGHBOURS = 3  # films that each film is compared with, in every manner
LEAST = 0.6  # likeness below which hardly a copy was seen, and most films of one kind lie
_HALF = 12  # frequencies kept, in cycles a film
_SPREAD = 4.0  # pixels over which contrast is made even
_TREND = 4.0  # frequencies over which the strength of the spectrum is made even
_FAINT = 3.0  # grey levels: contrast below is noise, and is not raised
_BLOCK = 128
WINDOW = np.sqrt(np.outer(np.hanning(SIDE), np.hanning(SIDE))).astype(np.float32)

Floats = NDArray[np.float32]


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


# descriptors bear 3 to 4 degrees, and 4 to 5 % of size; mirrored and turned ones cost no transform
_LITTLE = (
    *((degrees, 1.0) for degrees in (-20.0, -13.0, -6.5, 0.0, 6.5, 13.0, 20.0)),
    *((0.0, zoom) for zoom in (0.85, 0.92, 1.09, 1.18)),
)
MANNERS = (
    *(Manner(mirrored, 0, *little) for mirrored in (False, True) for little in _LITTLE),
    *(Manner(mirrored, 1) for mirrored in (False, True)),
)


@dataclass(frozen=True)
class Suspicion:
    """Film `second`, laid down in this manner, may be film `first`; `likeness` is −1 to 1."""

    first: int
    second: int
    manner: Manner
    likeness: float


def small(films: NDArray[np.uint8], side: int = SIDE) -> Floats:
    """Films ``(N, H, W)`` in ``(N, side, side)``: the mean over each new pixel, in grey levels."""
    down, across = (_shrinking(length, side) for length in films.shape[1:])
    return np.asarray(down @ films.astype(np.float32) @ across.T)


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
    blur = _blurring(films.shape[-1], spread)
    difference = films - blur @ films @ blur.T
    local = np.sqrt(np.maximum(blur @ (difference * difference) @ blur.T, 0))
    return np.asarray(difference / (local + np.float32(faint)), np.float32)


@lru_cache(maxsize=16)
def _shrinking(length: int, side: int) -> Floats:
    """``(side, length)``: the share that each pixel has in each new one."""
    edges = np.linspace(0, length, side + 1)
    start, end = edges[:-1, None], edges[1:, None]
    pixel = np.arange(length)
    shared = np.clip(np.minimum(end, pixel + 1) - np.maximum(start, pixel), 0, None)
    return np.asarray(shared * side / length, np.float32)


@lru_cache(maxsize=16)
def _blurring(side: int, spread: float) -> Floats:
    """``(side, side)``: a Gaussian along a line that is mirrored at its ends."""
    return np.asarray(gaussian_filter1d(np.eye(side), spread, axis=0, truncate=2.5), np.float32)


def laid_down(film: Floats, manner: Manner) -> Floats:
    """A film ``(side, side)`` turned a little and zoomed about its middle, 0 beyond its borders."""
    image = Image.fromarray(film)
    if manner.degrees:
        image = image.rotate(manner.degrees, Image.Resampling.BILINEAR)
    if manner.zoom != 1:
        near, far = (len(film) * (0.5 + part / manner.zoom) for part in (-0.5, 0.5))
        box = near, near, far, far
        how = Image.Transform.EXTENT, box, Image.Resampling.BILINEAR
        image = image.transform(image.size, *how)
    return np.asarray(image)


def suspicions(
    films: NDArray[np.uint8], chosen: NDArray[np.intp], *, threads: int | None = None
) -> Iterator[Suspicion]:
    """The nearest neighbours of every film, each pair in its likeliest manner.

    Parameters
    ----------
    films : ndarray of uint8, shape (N, H, W)
    chosen : ndarray of intp
        Which of them are compared, by number, rising.
    threads : int, optional

    Yields
    ------
    Suspicion
        Each pair once, in the order of their numbers; `second` is the one that was laid down.
    """
    if len(chosen) < 2:
        return
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(chosen), _BLOCK)]

    def described(block: slice) -> Floats:
        return _vectors(_described(even(small(films[chosen[block]]))))

    known = np.concatenate(in_threads(described, blocks, threads))

    def of_block(block: slice) -> list[Suspicion]:
        return _neighbours(known, films, chosen, block)

    best: dict[tuple[int, int], Suspicion] = {}
    for found in in_threads(of_block, blocks, threads):
        for one in found:
            key = min(one.first, one.second), max(one.first, one.second)
            if key not in best or one.likeness > best[key].likeness:
                best[key] = one
    yield from (best[key] for key in sorted(best))


def _neighbours(
    known: Floats, films: NDArray[np.uint8], chosen: NDArray[np.intp], block: slice
) -> list[Suspicion]:
    level = even(small(films[chosen[block]]))
    likeness = np.full((len(level), len(known)), -1, np.float32)
    which = np.zeros(likeness.shape, np.uint8)
    spectra: dict[tuple[float, float], Floats] = {}
    for number, manner in enumerate(MANNERS):
        little = manner.degrees, manner.zoom
        if little not in spectra:
            spectra[little] = _described(np.stack([laid_down(one, manner) for one in level]))
        seen = spectra[little][:, :, ::-1] if manner.mirrored else spectra[little]
        these = _vectors(np.rot90(seen, manner.quarters, (1, 2))) @ known.T
        better = these > likeness
        np.copyto(likeness, these, where=better)
        which[better] = number
    own = np.arange(len(level))
    likeness[own, block.start + own] = -1
    kept = min(NEIGHBOURS, len(known) - 1)
    nearest = np.argpartition(-likeness, kept - 1, axis=1)[:, :kept]
    return [
        Suspicion(
            int(chosen[j]),
            int(chosen[block.start + i]),
            MANNERS[which[i, j]],
            float(likeness[i, j]),
        )
        for i, row in enumerate(nearest)
        for j in row
        if likeness[i, j] > LEAST
    ]


def _described(level: Floats) -> Floats:
    """The middle of the magnitude of each spectrum, without its slow trend."""
    around = fft.fftshift(np.abs(fft.fft2(level * WINDOW)), axes=(1, 2))
    middle = slice(SIDE // 2 - _HALF + 1, SIDE // 2 + _HALF)
    strength = np.log1p(around[:, middle, middle])
    blur = _blurring(2 * _HALF - 1, _TREND)
    return np.asarray(strength - blur @ strength @ blur.T, np.float32)


def _vectors(spectra: Floats) -> Floats:
    """Half of each spectrum, the other half being the same, with length 1."""
    vectors = np.ascontiguousarray(spectra[:, :_HALF]).reshape(len(spectra), -1)
    vectors = vectors - vectors.mean(1, keepdims=True)
    lengths = np.sqrt((vectors * vectors).sum(1, keepdims=True))
    return np.asarray(vectors / np.maximum(lengths, 1e-6), np.float32)
