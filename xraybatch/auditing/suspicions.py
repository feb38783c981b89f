"""Which films might be one film: the nearest neighbours of each by descriptors.

What is found here is a suspicion, no more: knees look alike. Each film is laid down in every manner
over the films before it. Those after it need not be asked: a film that is turned one way over
another is what the other is when it is turned the other way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraybatch.auditing.contrast import Floats
from xraybatch.auditing.spectra import LENGTH, MANNERS, Manner, described
from xraybatch.core.cores import available_cores, in_threads

NEIGHBOURS = 4  # films that each film is compared with, in every manner
LEAST = 0.57  # likeness below which hardly a copy was seen, and most films of one kind lie
_BLOCK = 128  # films that are laid down at a time
_DESCRIBED = 16  # films described at a time; with more, the system spends its time giving memory
_TILE = 8 * _BLOCK  # films that these are laid over at a time


@dataclass(frozen=True)
class Suspicion:
    """Film `second`, laid down in this manner, may be film `first`; `likeness` is −1 to 1."""

    first: int
    second: int
    manner: Manner
    likeness: float


def suspicions(
    films: NDArray[np.uint8],
    chosen: NDArray[np.intp],
    *,
    threads: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Suspicion]:
    """The nearest neighbours of every film, each pair in its likeliest manner.

    Parameters
    ----------
    films : ndarray of uint8, shape (N, H, W)
    chosen : ndarray of intp
        Which of them are compared, by number, rising.
    threads : int, optional
        By default as many as there are cores.
    advance : callable, optional
        Told of every few films that are done.

    Returns
    -------
    list of Suspicion
        Each pair once, in the order of their numbers; `second` is the one that was laid down.
    """
    known = np.empty((len(chosen), LENGTH), np.float32)
    nearest = _Nearest(len(chosen))

    def prepared(block: slice) -> Floats:
        numbers = chosen[block]
        vectors = np.empty((len(MANNERS), len(numbers), LENGTH), np.float32)
        for at in range(0, len(numbers), _DESCRIBED):
            some = slice(at, at + _DESCRIBED)
            vectors[:, some] = described(films[numbers[some]])
        known[block] = vectors[0]
        return vectors

    def searched(work: tuple[slice, Floats]) -> list[_Found]:
        block, vectors = work
        tiles = range(0, block.stop, _TILE)
        return [
            _laid_over(vectors, block.start, known[start : min(start + _TILE, block.stop)], start)
            for start in tiles
        ]

    starts = range(0, len(chosen), _BLOCK)
    blocks = [slice(start, min(start + _BLOCK, len(chosen))) for start in starts]
    together = threads or available_cores()
    for at in range(0, len(blocks), together):
        group = blocks[at : at + together]
        vectors = in_threads(prepared, group, threads)
        for found in in_threads(searched, zip(group, vectors, strict=True), threads):
            for one in found:
                nearest.take(one)
        if advance:
            advance(group[-1].stop - group[0].start)
    return [
        Suspicion(int(chosen[one]), int(chosen[other]), MANNERS[manner], likeness)
        for one, other, manner, likeness in nearest.pairs()
    ]


@dataclass(frozen=True)
class _Found:
    """Pairs that may be among the nearest of one of their films, as columns of equal length."""

    laid: NDArray[np.intp]
    under: NDArray[np.intp]
    manner: NDArray[np.intp]
    likeness: Floats


def _laid_over(vectors: Floats, first: int, known: Floats, start: int) -> _Found:
    """Films from number `first` on, in every manner, over known ones from number `start` on."""
    likeness = vectors[0] @ known.T
    other = np.empty_like(likeness)
    for these in vectors[1:]:
        np.matmul(these, known.T, out=other)
        np.maximum(likeness, other, out=likeness)
    rows, columns = likeness.shape
    if start + columns > first:  # only over those before it
        likeness[np.arange(columns) + start >= np.arange(rows)[:, None] + first] = -1
    laid, under = _highest(likeness)
    manners = np.einsum("mpk,pk->mp", vectors[:, laid], known[under])
    return _Found(laid + first, under + start, manners.argmax(0), likeness[laid, under])


def _highest(likeness: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the highest of each row, and of each column, above `LEAST`."""
    chosen = np.zeros(likeness.shape, bool)
    for axis in (0, 1):
        lines = np.flatnonzero(likeness.max(1 - axis) > LEAST)
        those = np.take(likeness, lines, axis).swapaxes(0, axis)
        kept = min(NEIGHBOURS, those.shape[1])
        places = np.argpartition(-those, kept - 1, axis=1)[:, :kept]
        chosen.swapaxes(0, axis)[lines[:, None], places] = True
    rows, columns = np.nonzero(chosen & (likeness > LEAST))
    return rows, columns


class _Nearest:
    """The nearest neighbours of each film so far: its likeness, who, and how they were laid."""

    def __init__(self, count: int) -> None:
        self._likeness: Floats = np.full((count, NEIGHBOURS), -1, np.float32)
        self._pair: NDArray[np.int64] = np.zeros((count, NEIGHBOURS, 3), np.int64)

    def take(self, found: _Found) -> None:
        """Put pairs where they are nearer than those known."""
        furthest = (self._likeness[films].min(1) for films in (found.laid, found.under))
        nearer = np.flatnonzero(found.likeness > np.minimum(*furthest))
        columns = (found.laid, found.under, found.manner, found.likeness)
        rows = zip(*(column[nearer].tolist() for column in columns), strict=True)
        for laid, under, manner, likeness in rows:
            for film in (laid, under):
                last = int(self._likeness[film].argmin())
                if likeness > self._likeness[film, last]:
                    self._likeness[film, last] = likeness
                    self._pair[film, last] = under, laid, manner

    def pairs(self) -> list[tuple[int, int, int, float]]:
        """Each pair once, in order: who lies under, who was laid over it, manner, likeness."""
        there = self._likeness > -1
        pairs = {
            (int(under), int(laid)): (int(manner), float(likeness))
            for (under, laid, manner), likeness in zip(
                self._pair[there], self._likeness[there], strict=True
            )
        }
        return [(*pair, *pairs[pair]) for pair in sorted(pairs)]
