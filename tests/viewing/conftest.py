"""Films with one bright place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

GREY, BRIGHT = 60, 250


@pytest.fixture
def write_spot(tmp_path: Path) -> Callable[..., Path]:
    """A grey film with a bright square, its middle and side as shares of the upright film."""

    def write(
        rows: int,
        columns: int,
        middle: tuple[float, float],
        orientation: int = 1,
        side: float = 0.2,
    ) -> Path:
        pixels = np.full((rows, columns), GREY, np.uint8)
        half = side * min(rows, columns) / 2
        y, x = np.mgrid[:rows, :columns] + 0.5
        pixels[(abs(y - middle[0] * rows) < half) & (abs(x - middle[1] * columns) < half)] = BRIGHT
        image = Image.fromarray(pixels)
        exif = Image.Exif()
        if orientation == 6:  # what is shown upright was stored turned to the left
            image = image.transpose(Image.Transpose.ROTATE_90)
            exif[0x0112] = 6
        path = tmp_path / f"spot-{rows}-{columns}-{orientation}.jpg"
        image.save(path, quality=95, exif=exif)
        return path

    return write
