"""Films for the tests of images."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def grey() -> np.ndarray:
    """A film without any symmetry, 48 x 40."""
    random = np.random.default_rng(3)
    film = random.integers(0, 256, (48, 40)).astype(np.uint8)
    film[:6, :9] = 250
    return film
