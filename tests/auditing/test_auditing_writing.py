"""Writing near borders."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from xraybatch.auditing.writing import count_glyphs


def bone(rows: int = 256, columns: int = 200) -> Image.Image:
    image = Image.new("L", (columns, rows), 0)
    ImageDraw.Draw(image).rectangle([columns // 3, 0, 2 * columns // 3, rows], fill=150)
    return image


def glyphs(image: Image.Image) -> int:
    return count_glyphs(np.asarray(image))


@pytest.mark.parametrize("top", [True, False])
@pytest.mark.parametrize("negative", [True, False])
def test_a_line_of_writing_is_seen(top: bool, negative: bool) -> None:
    image = bone()
    where = (8, 8 if top else 236)
    font = ImageFont.load_default(12)
    ImageDraw.Draw(image).text(where, "DOE JANE 1950", fill=255, font=font)
    shown = Image.fromarray(255 - np.asarray(image)) if negative else image
    assert glyphs(shown) >= 4


@pytest.mark.parametrize("tall", range(3, 15))
def test_any_line_of_four_marks_is_seen(tall: int) -> None:
    """However far their heights and places differ, as the rule lets them: none goes unseen."""
    spans = [
        (top, top + height)
        for height in {max(3, math.ceil(0.6 * tall)), tall, min(14, math.floor(1.4 * tall))}
        for middle in [40 + (tall - height) / 2]
        for top in (math.ceil(middle - 0.35 * tall), math.floor(middle + 0.35 * tall))
    ]
    for others in product(spans, repeat=3):
        film = np.zeros((256, 256), np.uint8)
        film[:, 100:] = 30  # a picture
        for number, (top, bottom) in enumerate([(40, 40 + tall), *others]):
            film[top:bottom, 20 + 6 * number : 22 + 6 * number] = 255
        assert count_glyphs(film) == 4, others


def test_a_side_marker_is_no_writing() -> None:
    image = bone()
    ImageDraw.Draw(image).text((8, 8), "R", fill=255, font=ImageFont.load_default(14))
    assert glyphs(image) == 0
    assert glyphs(bone()) == 0
