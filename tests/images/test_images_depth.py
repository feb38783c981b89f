from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xraybatch import DisplayHints, StoredImage
from xraybatch.images.decode import decode
from xraybatch.images.depth import settle_depth
from xraybatch.images.display import display
from xraybatch.images.rule import DecodingRule


def stored(values: np.ndarray, **hints: object) -> StoredImage:
    return StoredImage(values, DisplayHints(**hints), "PNG", "test")


def depth_of(values: np.ndarray, **hints: object) -> int | None:
    return settle_depth(stored(values, **hints)).hints.bits_stored


def film(*values: int, dtype: type = np.uint16) -> np.ndarray:
    return np.array([values], dtype)


def png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("largest", "bits"),
    [
        *((1, 10), (255, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (8191, 14)),
        *((8192, None), (16383, None), (65535, None)),
    ],
)
def test_the_smallest_depth_that_holds_the_film(largest, bits):
    image = settle_depth(stored(film(0, 1, largest)))
    assert image.hints.bits_stored == bits
    assert len(image.notes) == (bits is not None)
    if bits:
        assert f"{bits} bits in 16" in image.notes[0]
        # white is the depth's, not the film's own largest value
        white = int((largest * 255 + (2**bits - 1) / 2) // (2**bits - 1))
        assert display(image).max() == white


def test_what_is_declared_or_black_or_of_8_bits_is_left_alone():
    assert depth_of(film(0, 4000), bits_stored=16) == 16
    assert depth_of(film(0, 4000), slope=2.0) is None
    assert depth_of(film(0, 0)) is None
    assert depth_of(film(0, 200, dtype=np.uint8)) is None
    assert depth_of(film(0, 4000, dtype=np.uint32)) is None
    assert settle_depth(stored(film(0, 0))).notes == ()


def test_alpha_says_nothing_of_the_depth():
    values = np.array([[[4095, 65535], [17, 65535]]], np.uint16)
    assert depth_of(values) == 12
    assert display(settle_depth(stored(values))).tolist() == [[255, 1]]


def test_white_is_zero_at_either_end_of_the_range():
    twelve = film(0, 1000, 4095)
    want = display(stored(twelve, bits_stored=12))
    upper = settle_depth(stored(65535 - twelve, white_is_zero=True))
    lower = settle_depth(stored(4095 - twelve, white_is_zero=True))
    assert np.array_equal(display(upper), want)
    assert np.array_equal(display(lower), want)
    assert upper.notes == lower.notes != ()


def test_signed_films():
    twelve = film(0, 1000, 4095)
    want = display(stored(twelve, bits_stored=12))
    for signed in (twelve.astype(np.int16), twelve.astype(np.int16) - 2048):
        assert np.array_equal(display(settle_depth(stored(signed))), want)
    assert depth_of(film(-5000, 1000, dtype=np.int16)) is None
    assert depth_of(film(-4096, 4095, dtype=np.int16)) == 14
    assert depth_of(film(-2048, 2047, dtype=np.int16)) == 12
    assert depth_of(film(-2049, 2047, dtype=np.int16)) == 14
    assert depth_of(film(0, 32767, dtype=np.int16)) == 15


@given(st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_a_film_and_its_widened_copy_are_equal_however_dark(brightest, seed):
    grey = np.random.default_rng(seed).integers(0, brightest + 1, (12, 9)).astype(np.uint8)
    rule = DecodingRule(8, 8)
    eight, sixteen = decode(png(grey), rule), decode(png(grey.astype(np.uint16) * 257), rule)
    assert np.array_equal(eight.pixels, sixteen.pixels)
    assert sixteen.facts.notes == ()


@given(st.sampled_from([10, 12, 14]), st.integers(0, 2**32 - 1))
def test_a_film_that_declares_its_depth_equals_one_that_does_not(bits, seed):
    values = np.random.default_rng(seed).integers(0, 1 << min(bits, 13), (12, 9)).astype(np.uint16)
    values[0, 0] = (1 << min(bits, 13)) - 1
    declared = display(stored(values, bits_stored=bits))
    assert np.array_equal(display(settle_depth(stored(values))), declared)
