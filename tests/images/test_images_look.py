"""Nearly constant films."""

from __future__ import annotations

import numpy as np
import pytest

from xraybatch.images.look import look_at


@pytest.mark.parametrize(("spread", "constant"), [(0, True), (5, True), (8, False), (40, False)])
def test_a_film_without_grey_is_nearly_constant(spread: int, constant: bool) -> None:
    ramp = np.linspace(100, 100 + spread, 256).round().astype(np.uint8)
    assert look_at(np.tile(ramp, (256, 1))).nearly_constant is constant
