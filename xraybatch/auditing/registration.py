"""Lays one film over another, and says how well its details agree there.

From a guess of how it was mirrored and turned, the shift follows by phase correlation, and the
rest (small rotation, zoom, aspect) by inverse compositional Gauss-Newton steps on films of even
contrast, first coarse, then fine. What decides is the correlation of fine details, tile by tile:
two knees agree in their outline, but not in the details of most tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

from xraybatch.auditing.spectra import SIDE, WINDOW, Manner, even, laid_down, small

FINE = 128  # pixels of the film on which details are compared
_TILE = 16
_SPREADS = (4.0, 3.0)  # pixels over which contrast is made even to lay films, coarse and fine
_DETAIL = 1.5  # the same, to compare details
_FAINT = 1.0  # grey levels: weaker details are not raised
_TEXTURED = 0.3  # root mean square of even contrast in a tile that shows anything
_STEPS = (20, 6)  # at most, coarse and fine
_SMALL_STEP = 0.1  # pixels at a corner: nothing more to gain
_SURE = 8.0  # peak of the phase correlation, in units of its spread, that is worth a step
_LEAST = (0.45, 0.3)  # correlation after a few steps that makes more worth their time
_FEW = 3

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Laid:
    """How one film lies over another.

    Attributes
    ----------
    matrix : ndarray of float64, shape (2, 3)
        From places ``(x, y, 1)`` in the first film to places in the second one, mirrored and turned
        by quarters; in sides of a film from its middle.
    quarters : int
        Turns of 90° anticlockwise of the second film.
    mirrored : bool
    negative : bool
        Whether white and black are exchanged.
    agreement : float
        Mean correlation of details over the tiles, −1 to 1.
    tiles : int
        How many tiles showed anything in both.
    covered : float
        Share that these are of all tiles that show anything, in the film that has fewer; 0 to 1.
    difference : float
        Mean difference of grey values where the films lie over each other, in grey levels.
    """

    matrix: NDArray[np.float64]
    quarters: int
    mirrored: bool
    negative: bool
    agreement: float
    tiles: int
    covered: float
    difference: float

    @property
    def moved(self) -> float:
        """How far the furthest corner went, in sides of a film."""
        corners = np.array([[x, y, 1] for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
        return float(np.linalg.norm(corners @ self.matrix.T - corners[:, :2], axis=1).max())


class Level:
    """A film of even contrast at one size, and what Gauss-Newton steps need of it."""

    def __init__(self, film: NDArray[np.uint8], side: int, spread: float) -> None:
        self.side = side
        self.grey: Floats = small(film[None], side)[0]
        self.even = even(self.grey, spread)

    @cached_property
    def jacobian(self) -> Floats:
        """``(6, side²)``: how the film changes with each entry of a 2×3 matrix about its middle."""
        dy, dx = np.gradient(self.even)
        axis = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side - 0.5
        x, y = axis[None, :], axis[:, None]
        parts = [g * c for g in (dx, dy) for c in (x, y, np.float32(1))]
        return np.asarray(np.stack(parts).reshape(6, -1) * self.side, np.float32)

    @cached_property
    def inverse_hessian(self) -> NDArray[np.float64]:
        """``(6, 6)``; slightly damped, so that it exists."""
        hessian = (self.jacobian @ self.jacobian.T).astype(np.float64)
        return np.asarray(np.linalg.inv(hessian + np.eye(6) * (1e-3 * np.trace(hessian) + 1e-6)))


class Sizes:
    """One film at the two sizes at which it is laid over others, made when asked for."""

    def __init__(self, film: NDArray[np.uint8]) -> None:
        self._film = film

    @cached_property
    def coarse(self) -> Level:
        """At 64 pixels a side."""
        return Level(self._film, SIDE, _SPREADS[0])

    @cached_property
    def fine(self) -> Level:
        """At 128 pixels a side."""
        return Level(self._film, FINE, _SPREADS[1])

    @cached_property
    def detail(self) -> Floats:
        """The finest that the fine film shows, of even contrast."""
        return even(self.fine.grey, _DETAIL, _FAINT)

    @cached_property
    def spectrum(self) -> NDArray[np.complex64]:
        """Of the coarse film of even contrast."""
        return np.asarray(fft.rfft2(self.coarse.even * WINDOW))


def lay(first: Sizes, second: Sizes, manner: Manner) -> Laid | None:
    """Lay the second film over the first, near a guess.

    Parameters
    ----------
    first, second : Sizes
    manner : Manner
        How the second one seems to have been mirrored and turned; half a turn more is tried, too.

    Returns
    -------
    Laid or None
        None where they do not even agree coarsely.
    """
    guess = _shifted(first, second, manner)
    if guess is None:
        return None
    quarters, negative, matrix = guess
    sign = np.float32(-1 if negative else 1)
    for part, steps, least in zip(("coarse", "fine"), _STEPS, _LEAST, strict=True):
        level: Level = getattr(first, part)
        other = _seen(getattr(second, part).even * sign, manner.mirrored, quarters)
        better = _steps(level, other, matrix, steps, least)
        if better is None:
            return None
        matrix = better
    other = _seen(second.detail * sign, manner.mirrored, quarters)
    agreement, tiles, covered = _tiles(first.detail, other, matrix)
    grey = _seen(second.fine.grey, manner.mirrored, quarters)
    difference = _difference(first.fine.grey, grey, matrix)
    how = matrix, quarters % 4, manner.mirrored, negative
    return Laid(*how, agreement, tiles, covered, difference)


def _seen(film: Floats, mirrored: bool, quarters: int) -> Floats:
    return np.ascontiguousarray(np.rot90(film[:, ::-1] if mirrored else film, quarters))


def _shifted(
    first: Sizes, second: Sizes, manner: Manner
) -> tuple[int, bool, NDArray[np.float64]] | None:
    """Quarters, whether it is a negative, and the matrix, by the highest phase correlation."""
    # turned a little before it is mirrored, as the spectra are; a mirror reverses the sense
    turned = laid_down(second.coarse.even, manner)
    angle = np.deg2rad(-manner.degrees if manner.mirrored else manner.degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn /= manner.zoom
    sure, best = _SURE, None
    for quarters in (manner.quarters, manner.quarters + 2):
        other = fft.rfft2(_seen(turned, manner.mirrored, quarters) * WINDOW)
        cross = first.spectrum * np.conj(other)
        peaks = fft.irfft2(cross / (np.sqrt(np.abs(cross)) + 1e-6))
        at = int(np.argmax(np.abs(peaks)))
        height = float(np.abs(peaks.flat[at]) / (peaks.std() + 1e-9))
        if height > sure:
            y, x = ((place + SIDE // 2) % SIDE - SIDE // 2 for place in divmod(at, SIDE))
            shift = -turn @ (np.array([x, y]) / SIDE)
            sure, best = height, (quarters, peaks.flat[at] < 0, np.column_stack([turn, shift]))
    return best


def _steps(
    level: Level, other: Floats, matrix: NDArray[np.float64], most: int, least: float
) -> NDArray[np.float64] | None:
    """Inverse compositional steps; None if after a few the films do not correlate by `least`."""
    template = level.even.ravel()
    image = Image.fromarray(other)
    for done in range(most):
        laid = _warped(image, matrix).ravel()
        mask = laid != 0  # where there is none, or none that shows anything
        known = float(laid @ laid) + 1e-6
        product = float(template @ laid)
        if done == _FEW and product < least * float(
            np.sqrt(known * (template @ (template * mask)))
        ):
            return None
        scale = np.float32(max(product / known, 0.3))  # of contrast
        error = laid * scale - template * mask
        step = (level.inverse_hessian @ (level.jacobian @ error)).reshape(2, 3)
        if not np.abs(step).max() < 0.25:
            return None
        matrix = _composed(matrix, step)
        if np.abs(step).sum(1).max() * level.side < _SMALL_STEP:
            break
    return matrix


def _composed(matrix: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
    last = [0.0, 0.0, 1.0]
    change = np.vstack([step + np.eye(2, 3), last])
    return np.asarray((np.vstack([matrix, last]) @ np.linalg.inv(change))[:2])


def _warped(image: Image.Image, matrix: NDArray[np.float64]) -> Floats:
    """The picture as `matrix` lays it; 0 where there is none."""
    side = image.width
    (a, b, c), (d, e, f) = matrix
    middle = 0.5 * side
    data = (
        *(a, b, middle + (c - 0.5 * a - 0.5 * b) * side),
        *(d, e, middle + (f - 0.5 * d - 0.5 * e) * side),
    )
    how = Image.Transform.AFFINE, data, Image.Resampling.BILINEAR
    return np.asarray(image.transform(image.size, *how))


def _correlation(a: Floats, b: Floats) -> float:
    return float(a @ b) / (float(np.sqrt((a @ a) * (b @ b))) + 1e-6)


def _tiles(first: Floats, second: Floats, matrix: NDArray[np.float64]) -> tuple[float, int, float]:
    """Mean correlation over tiles that show anything in both, their number and share."""
    laid = _warped(Image.fromarray(second), matrix)
    there = _warped(Image.fromarray(np.ones_like(second)), matrix)
    a, b, inside = (_in_tiles(part) for part in (first, laid, there))
    whole = inside.min(1) > 0.99
    shows = [np.sqrt((part * part).mean(1)) > _TEXTURED for part in (a, b)]
    both = whole & shows[0] & shows[1]
    count = int(both.sum())
    if not count:
        return 0.0, 0, 0.0
    a, b = (part[both] - part[both].mean(1, keepdims=True) for part in (a, b))
    lengths = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    agreement = float(((a * b).sum(1) / np.maximum(lengths, 1e-6)).mean())
    return agreement, count, count / min(int(part.sum()) for part in shows)


def _difference(first: Floats, second: Floats, matrix: NDArray[np.float64]) -> float:
    laid = _warped(Image.fromarray(second), matrix)
    inside = _warped(Image.fromarray(np.ones_like(second)), matrix) > 0.99
    return float(np.abs(first - laid)[inside].mean()) if inside.any() else 255.0


def _in_tiles(film: Floats) -> Floats:
    side = len(film) // _TILE
    return film.reshape(side, _TILE, side, _TILE).swapaxes(1, 2).reshape(side * side, -1)
