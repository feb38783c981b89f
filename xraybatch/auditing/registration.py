"""Lays films over others, and says how well their details agree there.

From a guess of how a film was mirrored, turned and shifted (`shifts`), the rest (small rotation,
zoom, aspect) follows by inverse compositional Gauss-Newton steps on films of even contrast, first
coarse, then fine. What decides is the correlation of fine details, tile by tile: two knees agree in
their outline, but not in the details of most tiles. Coarse details tell most of such pairs already.

Many pairs are laid at once: of one alone, each step is too short for two cores to share the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xraybatch.auditing.agreement import Agreement, agreement_of
from xraybatch.auditing.contrast import Floats, even, small
from xraybatch.auditing.levels import Levels
from xraybatch.auditing.shifts import Guess
from xraybatch.auditing.warping import cells_of, warped

FINE = 128  # pixels of the film on which details are compared
_FINE_SPREAD = 3.0  # pixels over which contrast is made even to lay fine films
_SMALL_STEP = 0.1  # pixels at a corner: nothing more to gain
_LEAST = 0.45  # correlation that makes steps worth their time
# Agreement of details without which films are let go, and how many steps are made with it. Copies
# had 0.26 and more where they were guessed to lie, and 0.53 and more after three steps.
_COARSE = ((0.25, 3), (0.45, 17), (0.52, 0))
_FINE = ((0.0, 6),)
_ALMOST = 0.42  # what copies had at least that agree only when the first is laid over the second


@dataclass(frozen=True)
class Films:
    """One film of each pair.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (N, H, W)
        All films.
    numbers : ndarray of intp, shape (n,)
        Which of them.
    grey, even : ndarray of float32, shape (n, side, side)
        These in small: grey levels, and of even contrast.
    """

    pixels: NDArray[np.uint8]
    numbers: NDArray[np.intp]
    grey: Floats
    even: Floats

    def fine(self, which: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Some of them at 128 pixels a side, the same two."""
        grey = small(self.pixels[self.numbers[which]], FINE)
        return grey, even(grey, _FINE_SPREAD)


@dataclass(frozen=True)
class Laid:
    """How the second film of a pair lies over the first.

    Attributes
    ----------
    pair : int
        Which pair.
    agreement : float
        Mean correlation of their details, 0.66 to 1.
    moved : float
        How far the furthest corner went, in sides of a film.
    difference : float
        Mean difference of grey values where the films lie over each other, in grey levels.
    """

    pair: int
    agreement: float
    moved: float
    difference: float


def lay(first: Films, second: Films, guesses: Sequence[Guess]) -> list[Laid]:
    """Lay second films over first ones, near guesses; or first ones over them, if that is better.

    Returns
    -------
    list of Laid
        Of the pairs that are one film, rising; of others so little agrees that they are two.
    """
    given = np.array([guess.matrix for guess in guesses])
    one, other = Levels(first.grey, first.even), Levels.seen(second.grey, second.even, guesses)
    pairs, coarse = _stepped(one, other, given, _COARSE)
    if not len(pairs):
        return []
    one = Levels(*first.fine(pairs))
    other = Levels.seen(*second.fine(pairs), [guesses[pair] for pair in pairs])
    going, fine = _stepped(one, other, coarse.matrix, _FINE)
    pairs, one, other, coarse = pairs[going], one[going], other[going], coarse[going]
    again = np.flatnonzero(~fine.is_one & (fine.agreement > _ALMOST))
    if len(again):
        inverse = _inverse(coarse.matrix[again])
        some, back = _stepped(other[again], one[again], inverse, _FINE)
        again, better = again[some], back.agreement > fine.agreement[again[some]]
        back = replace(back, matrix=_inverse(back.matrix))
        fine = fine.replaced(again[better], back[np.flatnonzero(better)])
    same = np.flatnonzero(fine.is_one)
    if not len(same):
        return []
    found = fine[same]
    difference = _difference(one.grey[same], other.grey[same], found.matrix)
    columns = (pairs[same], found.agreement, found.moved, difference)
    return [Laid(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _stepped(
    one: Levels,
    other: Levels,
    matrix: NDArray[np.float64],
    rounds: tuple[tuple[float, int], ...],
) -> tuple[NDArray[np.intp], Agreement]:
    """Which pairs agree after some rounds of steps, and the best places of these.

    Pairs are let go as soon as it is seen that they do not agree. Steps mislead where much of a
    film is black, so what agreed better before them is kept.
    """
    pairs, best = np.arange(len(one)), agreement_of(one, other, matrix)
    matrix = matrix.copy()
    moving = np.ones(len(one), bool)
    for least, most in rounds:
        going = np.flatnonzero(best.agreement >= least)
        if len(going) < len(pairs):
            pairs, one, other, best = pairs[going], one[going], other[going], best[going]
            matrix, moving = matrix[going], moving[going]
        still = np.flatnonzero(moving)
        if not most or not len(still):
            continue
        stepped, correlate, moving[still] = _steps(one[still], other[still], matrix[still], most)
        went = still[correlate]
        matrix[went] = stepped[correlate]
        found = agreement_of(one[went], other[went], matrix[went])
        better = np.flatnonzero(found.agreement > best.agreement[went])
        best = best.replaced(went[better], found[better])
    return pairs, best


def _steps(
    one: Levels, other: Levels, matrix: NDArray[np.float64], most: int
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
    """At most so many inverse compositional steps.

    Returns matrices, which pairs correlate there, and for which more steps may bring anything.
    """
    matrix = matrix.copy()
    correlates, moving = np.ones(len(one), bool), np.ones(len(one), bool)
    pairs = np.arange(len(one))
    for done in range(most):
        template = one.even.reshape(len(one), one.side**2)
        laid = warped(other.even_cells, matrix[pairs]).reshape(template.shape)
        under = template * (laid != 0)  # where there is none, or none that shows anything
        known = _product(laid, laid) + 1e-6
        product = _product(template, laid)
        contrast = np.maximum(product / known, 0.3).astype(np.float32)  # the same in both
        step = one.jacobian @ (laid * contrast[:, None] - under)[..., None]
        step = (one.inverse_hessian @ step).reshape(-1, 2, 3)
        fits = np.abs(step).max((1, 2)) < 0.25
        if done:
            fits &= product >= _LEAST * np.sqrt(known * _product(under, under))
        correlates[pairs] = fits
        small = np.abs(step).sum(2).max(1) * one.side < _SMALL_STEP
        moving[pairs] = fits & ~small
        matrix[pairs[fits]] = _composed(matrix[pairs[fits]], step[fits])
        going = np.flatnonzero(moving[pairs])
        if not len(going):
            break
        if len(going) < len(pairs):
            pairs, one, other = pairs[going], one[going], other[going]
    return matrix, np.flatnonzero(correlates), moving


def _product(one: Floats, other: Floats) -> NDArray[np.float64]:
    return np.asarray(np.einsum("np,np->n", one, other), np.float64)


def _composed(matrix: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrices after the inverse of a step."""
    turn = matrix[:, :, :2] @ np.linalg.inv(step[:, :, :2] + np.eye(2))
    shift = matrix[:, :, 2:] - turn @ step[:, :, 2:]
    return np.concatenate([turn, shift], 2)


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    back = np.linalg.inv(matrix[:, :, :2])
    return np.concatenate([back, -back @ matrix[:, :, 2:]], 2)


def _difference(first: Floats, second: Floats, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    laid = warped(cells_of(second), matrix)
    inside = warped(cells_of(np.ones_like(second)), matrix) > 0.99
    total = np.where(inside, np.abs(first - laid), 0).sum((1, 2), dtype=np.float64)
    count = inside.sum((1, 2))
    return np.where(count, total / np.maximum(count, 1), 255.0)
