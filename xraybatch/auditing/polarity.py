"""Films that look like negatives of the others.

Radiographs of one folder share their coarse light and dark. A film that goes clearly against the
mean of the others, and whose border is brighter than its middle, is perhaps inverted. The mean is
taken again with such films turned round, so that a third of negatives does not wash it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xraybatch.auditing.survey import Survey
from xraybatch.images.look import SMALL

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 20  # films from which a mean means anything
AGAINST = -0.3  # correlation with the mean of the others
_ALIKE = 0.3  # what half of the films must correlate by, or nothing can be told
_RING, _MIDDLE = 2, 8  # rows and columns of a look: of the border, and around the middle
_ROUNDS = 5
_BLOCK = 4096  # small films at a time


def against_the_others(found: Survey) -> dict[int, float]:
    """Films whose light and dark are exchanged: position → correlation with the others.

    Empty where there are fewer than `FEWEST` films, or where they have too little in common.
    Memory: a kilobyte a film.
    """
    looks = {
        i: film.look for i, film in enumerate(found.films) if film.look and not film.is_constant
    }
    if len(looks) < FEWEST:
        return {}
    readable = list(looks)
    flat = np.frombuffer(b"".join(look.small for look in looks.values()), np.uint8)
    shrunk = flat.reshape(-1, SMALL, SMALL)
    along = _with_the_others(shrunk)
    if np.median(along) < _ALIKE:
        return {}
    against = np.flatnonzero(along < AGAINST)
    if not len(against):
        return {}
    bright = _border(shrunk[against]) > 0
    return {readable[row]: float(along[row]) for row in against[bright]}


def _with_the_others(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Correlation of each film with the mean of the others, those against it turned round."""
    sign: NDArray[np.float32] = np.ones(len(small), np.float32)
    along = sign
    for _ in range(_ROUNDS):
        total = np.zeros(SMALL * SMALL, np.float32)
        for part in _blocks(len(small)):
            total += sign[part] @ _standardised(small[part])
        with_all = np.concatenate(
            [_standardised(small[part]) @ total for part in _blocks(len(small))]
        )
        # without the film itself, which has length 1
        rest = np.sqrt(np.maximum(total @ total - 2 * sign * with_all + 1, 1e-6))
        along = ((with_all - sign) / rest).astype(np.float32)
        turned = np.where(along < AGAINST, -1, 1).astype(np.float32)
        if (turned == sign).all():
            break
        sign = turned
    return along


def _standardised(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat = small.reshape(len(small), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + np.float32(1e-6)
    return flat


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]


def _border(small: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How much brighter than its middle each film's border is, in grey levels."""
    ring = np.ones((SMALL, SMALL), bool)
    ring[_RING:-_RING, _RING:-_RING] = False
    middle = small[:, _MIDDLE:-_MIDDLE, _MIDDLE:-_MIDDLE].reshape(len(small), -1)
    brighter: NDArray[np.float64] = np.median(small[:, ring], axis=1) - np.median(middle, axis=1)
    return brighter
