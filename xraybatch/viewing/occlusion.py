"""Where an answer is sensitive, found by covering: a patch slides over the film.

Each patch is filled with the mean of what surrounds it, so that covering adds no edge of its own. A
place's value is the mean change of all patches that cover it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATCHES_ACROSS = 6  # a patch is a sixth of the film's shorter side
STEPS_IN_PATCH = 3


def occlusion_map(
    film: NDArray[np.uint8],
    evidence: Callable[[NDArray[np.uint8]], NDArray[np.float64]],
    *,
    batch: int,
    advance: Callable[[int], None] = lambda _: None,
) -> NDArray[np.float32]:
    """How much less evidence there is with each place covered.

    Parameters
    ----------
    film : ndarray of uint8, shape (height, width)
    evidence : callable
        Films ``(n, height, width)`` to ``(n,)``: how much speaks for the class in question.
    batch : int
        Films that are asked at once.
    advance : callable
        Is told how many more were asked.

    Returns
    -------
    ndarray of float32, shape (height, width)
        Positive where covering takes evidence away.
    """
    (whole,) = evidence(film[None])
    total, times = np.zeros(film.shape), np.zeros(film.shape)
    places = patches(*film.shape)
    for begin in range(0, len(places), batch):
        some = places[begin : begin + batch]
        lost = whole - evidence(np.stack([covered(film, place) for place in some]))
        for place, value in zip(some, lost, strict=True):
            total[place] += value
            times[place] += 1
        advance(len(some))
    return (total / times).astype(np.float32)


def patches(height: int, width: int) -> list[tuple[slice, slice]]:
    """Every patch of the slide, whose centres reach all edges; each place is in one or more."""
    side = _side(height, width)
    step = max(1, side // STEPS_IN_PATCH)
    return [
        (down, across)
        for down in _spans(height, side, step)
        for across in _spans(width, side, step)
    ]


def patch_at(height: int, width: int, row: int, column: int) -> tuple[slice, slice]:
    """The patch whose centre is a place of the film, as much of it as lies on the film."""
    side = _side(height, width)
    top, left = row - side // 2, column - side // 2
    return slice(max(0, top), top + side), slice(max(0, left), left + side)


def covered(film: NDArray[np.uint8], place: tuple[slice, slice]) -> NDArray[np.uint8]:
    """The film with a patch in the mean grey of the ring around it, half a patch wide."""
    around = tuple(
        slice(
            max(0, one.start - (one.stop - one.start) // 2), one.stop + (one.stop - one.start) // 2
        )
        for one in place
    )
    ring, patch = film[around], film[place]
    count = ring.size - patch.size
    mean = (int(ring.sum()) - int(patch.sum())) / count if count else float(film.mean())
    found = film.copy()
    found[place] = round(mean)
    return found


def _side(height: int, width: int) -> int:
    return max(2, round(min(height, width) / PATCHES_ACROSS))


def _spans(length: int, side: int, step: int) -> Iterator[slice]:
    for centre in range(0, length + step, step):
        begin, end = max(0, centre - side // 2), min(length, centre - side // 2 + side)
        if end - begin >= side // 2:
            yield slice(begin, end)
