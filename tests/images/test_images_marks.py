"""Marks near borders, against what scipy says stands out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import uniform_filter

from xraybatch.images.look import look_at
from xraybatch.images.marks import marks_on, may_be_line


def film_of(kind: str) -> np.ndarray:
    rng = np.random.default_rng(7)
    if kind == "noise":
        return rng.integers(0, 256, (256, 256), np.uint8)
    if kind == "blocks":
        return np.kron(rng.integers(0, 256, (32, 32)), np.ones((8, 8))).astype(np.uint8)
    return np.where(np.indices((256, 256)).sum(0) % 17 < 2, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("kind", ["noise", "blocks", "stripes"])
def test_marks_are_what_stands_out_by_60_grey_levels(kind: str) -> None:
    """Borders go on beyond the film; sums are of halves, so within 0.02 grey levels of 60."""
    film = film_of(kind)
    above = film - uniform_filter(film.astype(float), 15, mode="nearest")
    strips = above[:64], above[-64:]
    expected = [sign * strip for strip in strips for sign in (1, -1)]
    for found, strength in zip(marks_on(film), expected, strict=True):
        assert found.any()
        assert found[strength > 60.02].all()
        assert not found[strength < 59.98].any()


def test_a_line_needs_room_and_marks_abreast() -> None:
    empty = np.zeros((64, 256), bool)
    line = empty.copy()
    line[10:16, 20:60:6] = True
    single = empty.copy()
    single[10:30, 20:26] = True
    flat = empty.copy()
    flat[10, 20:60:6] = True
    told = [may_be_line(marks) for marks in (empty, line, single, flat)]
    assert told == [False, True, False, False]


def test_a_look_says_that_there_may_be_writing_and_keeps_the_film_in_small() -> None:
    film = film_of("blocks") // 8  # too faint for marks
    look = look_at(film)
    assert not look.marked
    np.testing.assert_array_equal(
        np.frombuffer(look.small, np.uint8).reshape(32, 32), film[::8, ::8]
    )
    image = Image.fromarray(film)
    font = ImageFont.load_default(12)
    ImageDraw.Draw(image).text((8, 236), "DOE JANE 1950", fill=255, font=font)
    assert look_at(np.asarray(image)).marked
