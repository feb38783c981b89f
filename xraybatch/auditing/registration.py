"""Lays one film over another, and says how well its details agree there.

From a guess of how it was mirrored, turned and shifted (`shifts`), the rest (small rotation, zoom,
aspect) follows by inverse compositional Gauss-Newton steps on films of even contrast, first coarse,
then fine. What decides is the correlation of fine details, tile by tile: two knees agree in their
outline, but not in the details of most tiles. Coarse details tell most of such pairs already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xraybatch.auditing.contrast import Floats, even, small
from xraybatch.auditing.shifts import Guess

AGREES = 0.66  # mean correlation of details from which two films are one
_FEWEST = 8  # tiles that must show anything in both films
_COVERED = 0.25  # share of all such tiles
FINE = 128  # pixels of the film on which details are compared
_TILES = 8  # to each side of a film
_FINE_SPREAD = 3.0  # pixels over which contrast is made even to lay fine films
_DETAIL = 1.5  # the same, to compare details
_FAINT = 1.0  # grey levels: weaker details are not raised
_TEXTURED = 0.3  # root mean square of even contrast in a tile that shows anything
_SMALL_STEP = 0.1  # pixels at a corner: nothing more to gain
_LEAST = 0.45  # correlation that makes steps worth their time
# Agreement of details without which films are let go, and how many steps are made with it. Copies
# had 0.26 and more where they were guessed to lie, and 0.53 and more after three steps.
_COARSE = ((0.25, 3), (0.45, 17), (0.52, 0))
_FINE = ((0.0, 6),)
_ALMOST = 0.42  # what copies had at least that agree only when the first is laid over the second


@dataclass(frozen=True)
class Agreement:
    """How well details of two films agree where a matrix lays them.

    Attributes
    ----------
    matrix : ndarray of float64, shape (2, 3)
        From places ``(x, y, 1)`` in the first film to places in the second one, mirrored and turned
        by quarters; in sides of a film from its middle.
    agreement : float
        Mean correlation of details over the tiles, −1 to 1.
    tiles : int
        How many tiles showed anything in both.
    covered : float
        Share that these are of all tiles that show anything, in the film that has fewer; 0 to 1.
    """

    matrix: NDArray[np.float64]
    agreement: float
    tiles: int
    covered: float

    @property
    def is_one(self) -> bool:
        """Whether so much agrees only in two films that are one."""
        return self.agreement >= AGREES and self.tiles >= _FEWEST and self.covered >= _COVERED

    @property
    def moved(self) -> float:
        """How far the furthest corner went, in sides of a film."""
        corners = np.array([[x, y, 1] for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
        return float(np.linalg.norm(corners @ self.matrix.T - corners[:, :2], axis=1).max())


@dataclass(frozen=True)
class Laid:
    """How one film lies over another.

    Attributes
    ----------
    place : Agreement
        Where, and how well.
    guess : Guess
        How it was mirrored, turned by quarters, and made a negative.
    difference : float
        Mean difference of grey values where the films lie over each other, in grey levels.
    """

    place: Agreement
    guess: Guess
    difference: float


class Level:
    """A film at one size, of even contrast, and what Gauss-Newton steps need of it.

    Parameters
    ----------
    grey : ndarray of float32, shape (side, side)
        Grey levels.
    level : ndarray of float32, shape (side, side)
        The same film of even contrast.
    """

    def __init__(self, grey: Floats, level: Floats) -> None:
        self.side = len(grey)
        self.grey = grey
        self.even = level

    def seen(self, guess: Guess) -> Level:
        """As it was mirrored, turned by quarters, and made a negative; grey levels as they are."""
        if not (guess.mirrored or guess.quarters or guess.negative):
            return self
        sign = np.float32(-1 if guess.negative else 1)
        level = Level(_turned(self.grey, guess), sign * _turned(self.even, guess))
        level.detail = sign * _turned(self.detail, guess)
        return level

    @cached_property
    def detail(self) -> Floats:
        """The finest that the film shows at this size, of even contrast."""
        return even(self.grey, _DETAIL, _FAINT)

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
    """One film at the two sizes at which it is laid over others; the fine one when asked for."""

    def __init__(self, film: NDArray[np.uint8], coarse: Level) -> None:
        self._film = film
        self.coarse = coarse

    @cached_property
    def fine(self) -> Level:
        """At 128 pixels a side."""
        grey = small(self._film[None], FINE)[0]
        return Level(grey, even(grey, _FINE_SPREAD))


def lay(first: Sizes, second: Sizes, guess: Guess) -> Laid | None:
    """Lay the second film over the first, near a guess; or the first over it, where that is better.

    Returns
    -------
    Laid or None
        None where so little agrees that they are two films.
    """
    coarse = _stepped(first.coarse, second.coarse.seen(guess), guess.matrix, _COARSE)
    if coarse is None:
        return None
    one, other = first.fine, second.fine.seen(guess)
    fine = _stepped(one, other, coarse.matrix, _FINE)
    if fine is None:
        return None
    if not fine.is_one and fine.agreement > _ALMOST:
        back = _stepped(other, one, _inverse(coarse.matrix), _FINE)
        if back is not None and back.agreement > fine.agreement:
            fine = replace(back, matrix=_inverse(back.matrix))
    if not fine.is_one:
        return None
    difference = _difference(one.grey, other.grey, fine.matrix)
    return Laid(fine, guess, difference)


def _stepped(
    level: Level,
    other: Level,
    matrix: NDArray[np.float64],
    rounds: tuple[tuple[float, int], ...],
) -> Agreement | None:
    """The best of some rounds of steps; None as soon as it is seen that films do not agree.

    Steps mislead where much of a film is black, so what agreed better before them is kept.
    """
    best, is_done = _agreement(level, other, matrix), False
    for least, most in rounds:
        if best.agreement < least:
            return None
        stepped = _steps(level, other, matrix, most) if most and not is_done else None
        if stepped is not None:
            matrix, is_done = stepped
            best = max(best, _agreement(level, other, matrix), key=lambda one: one.agreement)
    return best


def _turned(film: Floats, guess: Guess) -> Floats:
    return np.ascontiguousarray(np.rot90(film[:, ::-1] if guess.mirrored else film, guess.quarters))


def _steps(
    level: Level, other: Level, matrix: NDArray[np.float64], most: int
) -> tuple[NDArray[np.float64], bool] | None:
    """Inverse compositional steps, and whether no more are needed; None if films do not correlate.

    At most `most` steps.
    """
    template = level.even.ravel()
    image = Image.fromarray(other.even)
    for done in range(most):
        laid = _warped(image, matrix).ravel()
        under = np.where(laid != 0, template, 0)  # where there is none, or none that shows anything
        known = float(laid @ laid) + 1e-6
        product = float(template @ laid)
        if done and product < _LEAST * float(np.sqrt(known * float(under @ under))):
            return None
        error = laid * np.float32(max(product / known, 0.3)) - under  # of the same contrast
        step = (level.inverse_hessian @ (level.jacobian @ error)).reshape(2, 3)
        if not np.abs(step).max() < 0.25:
            return None
        matrix = _composed(matrix, step)
        if np.abs(step).sum(1).max() * level.side < _SMALL_STEP:
            return matrix, True
    return matrix, False


def _composed(matrix: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix after the inverse of a step."""
    turn = matrix[:, :2] @ np.linalg.inv(step[:, :2] + np.eye(2))
    return np.column_stack([turn, matrix[:, 2] - turn @ step[:, 2]])


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


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack([back, -back @ matrix[:, 2]])


def _agreement(first: Level, second: Level, matrix: NDArray[np.float64]) -> Agreement:
    """Over tiles that show anything in both."""
    laid = _warped(Image.fromarray(second.detail), matrix)
    a, b = _in_tiles(first.detail), _in_tiles(laid)
    whole = (np.abs(_corners(first.side) @ matrix.T) <= 0.5).all((1, 2))
    shows = [np.sqrt((part * part).mean(1)) > _TEXTURED for part in (a, b)]
    both = whole & shows[0] & shows[1]
    count = int(both.sum())
    if not count:
        return Agreement(matrix, 0.0, 0, 0.0)
    a, b = (part[both] - part[both].mean(1, keepdims=True) for part in (a, b))
    lengths = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    agreement = float(((a * b).sum(1) / np.maximum(lengths, 1e-6)).mean())
    return Agreement(matrix, agreement, count, count / min(int(part.sum()) for part in shows))


def _difference(first: Floats, second: Floats, matrix: NDArray[np.float64]) -> float:
    laid = _warped(Image.fromarray(second), matrix)
    inside = _warped(Image.fromarray(np.ones_like(second)), matrix) > 0.99
    return float(np.abs(first - laid)[inside].mean()) if inside.any() else 255.0


@lru_cache(maxsize=2)
def _corners(side: int) -> NDArray[np.float64]:
    """``(tiles, 4, 3)``: places ``(x, y, 1)`` of the pixels at the corners of each tile."""
    first = np.arange(0, side, side // _TILES)
    ends = (np.stack([first, first + side // _TILES - 1], -1) + 0.5) / side - 0.5
    corners = np.ones((_TILES, _TILES, 2, 2, 3))
    corners[..., 0] = ends[None, :, None, :]
    corners[..., 1] = ends[:, None, :, None]
    return corners.reshape(_TILES**2, 4, 3)


def _in_tiles(film: Floats) -> Floats:
    side = len(film) // _TILES
    return film.reshape(_TILES, side, _TILES, side).swapaxes(1, 2).reshape(_TILES**2, -1)
