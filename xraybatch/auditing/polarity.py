"""Films that look like negatives of the others.

Radiographs of one folder share their coarse light and dark. Their main direction (the first
singular vector of small, standardised films) is found without knowing which films are right; those
that lie clearly against the majority along it are perhaps inverted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from xraybatch.auditing.survey import Survey, inner_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 20  # films from which a direction means anything
AGAINST = -0.3  # correlation with the main direction
_ALIKE = 0.3  # what half of the films must correlate by, or nothing can be told
_SIDE = 32
_STEPS = 30


def against_the_others(found: Survey) -> dict[int, float]:
    """Films whose light and dark are exchanged: position → correlation with the others.

    Empty where there are fewer than `FEWEST` films, or where they have too little in common.
    """
    readable = [i for i in found.readable() if not _is_constant(found, i)]
    if len(readable) < FEWEST:
        return {}
    small = np.stack([_small(found, i) for i in readable])
    direction = _main_direction(small)
    along = small @ direction
    if np.median(along) < 0:
        along = -along
    if np.median(along) < _ALIKE:
        return {}
    return {i: float(c) for i, c in zip(readable, along, strict=True) if c < AGAINST}


def _main_direction(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first right singular vector, by power iteration from the mean film."""
    direction = small.mean(axis=0)
    for _ in range(_STEPS):
        direction = small.T @ (small @ direction)
        direction = direction / (np.linalg.norm(direction) + np.float32(1e-12))
    found: NDArray[np.float32] = direction.astype(np.float32)
    return found


def _small(found: Survey, film: int) -> NDArray[np.float32]:
    facts = found.films[film].facts
    assert facts is not None
    pixels = np.ascontiguousarray(found.pixels[found.rows[film]][inner_part(facts)])
    image = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    values = np.asarray(image, np.float32).reshape(-1)
    values = values - values.mean()
    standardised: NDArray[np.float32] = values / (np.linalg.norm(values) + np.float32(1e-6))
    return standardised


def _is_constant(found: Survey, film: int) -> bool:
    look = found.films[film].look
    return look is None or look.nearly_constant
