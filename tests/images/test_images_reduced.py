"""Large JPEGs decoded at a smaller scale: the same place, nearly the same grey, nothing hidden."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xraybatch import DisplayHints, FilmError, ImageReader, Limits, StoredImage
from xraybatch.images.decode import decode, installed_readers
from xraybatch.images.resize import reduced, reducible, upright
from xraybatch.images.rule import DecodingRule


def smooth(rows: int, columns: int) -> np.ndarray:
    """A film without symmetry whose detail survives a reduction by eight."""
    y, x = np.mgrid[0:rows, 0:columns]
    waves = 60 * np.sin(x / 61) + 40 * np.cos(y / 47 + x / 90)
    return (128 + waves + 20 * (x / columns) - 10 * (y / rows)).astype(np.uint8)


def jpeg(film: np.ndarray, orientation: int = 1, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(film).save(buffer, "JPEG", exif=exif, **{"quality": 95, **options})
    return buffer.getvalue()


def at_full_size(data: bytes, rule: DecodingRule) -> np.ndarray:
    readers = [replace(reader, read_reduced=None) for reader in installed_readers()]
    return decode(data, rule, readers=readers).pixels


def seen_by(reader: ImageReader, seen: list[StoredImage]) -> ImageReader:
    def read_reduced(*arguments: object) -> StoredImage:
        seen.append(reader.read_reduced(*arguments))
        return seen[-1]

    return replace(reader, read_reduced=read_reduced)


def stored_for(data: bytes, rule: DecodingRule) -> StoredImage:
    seen: list[StoredImage] = []
    reader = next(r for r in installed_readers() if r.name == "jpeg")
    decode(data, rule, readers=[seen_by(reader, seen)])
    return seen[0]


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_film_lies_where_the_whole_one_does(orientation, resize):
    """Also where its sides are no multiples of the scale, whichever side that ends up on."""
    data = jpeg(smooth(603, 397), orientation)
    rule = DecodingRule(*((30, 20) if orientation < 5 else (20, 30)), resize)
    assert stored_for(data, rule).reduction == 8
    difference = decode(data, rule).pixels.astype(int) - at_full_size(data, rule)
    assert np.abs(difference).max() <= 2
    assert np.abs(difference.mean()) < 0.25


@pytest.mark.parametrize(
    ("resize", "size", "by"),
    [
        *(("stretch", (100, 100), 2), ("stretch", (101, 100), 1), ("stretch", (50, 50), 4)),
        *(("stretch", (25, 25), 8), ("stretch", (25, 101), 2), ("stretch", (12, 12), 8)),
        # padded, the film of 400 x 800 has half of the frame's rows
        *(("pad", (100, 100), 4), ("pad", (200, 200), 2), ("pad", (201, 201), 1)),
        # cropped, only 400 of its 800 columns are used
        *(("crop", (50, 50), 4), ("crop", (100, 100), 2), ("crop", (50, 100), 4)),
    ],
)
def test_twice_the_size_is_left_in_what_is_used(resize, size, by):
    rule = DecodingRule(*size, resize)
    data = jpeg(smooth(400, 800))
    image = stored_for(data, rule)
    assert (image.reduction, image.whole) == (by, (400, 800))
    assert image.array.shape == (-(-400 // by), -(-800 // by))
    assert by <= max(1, reducible(400, 800, 1, rule))
    assert decode(data, rule).facts.upright == (400, 800)


def test_a_turned_film_is_measured_upright():
    rule = DecodingRule(100, 25)
    assert stored_for(jpeg(smooth(800, 200)), rule).reduction == 4
    assert stored_for(jpeg(smooth(800, 200), 6), rule).reduction == 1
    film = decode(jpeg(smooth(800, 200), 6), rule)
    assert (film.facts.height, film.facts.width, film.facts.upright) == (800, 200, (200, 800))


@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.sampled_from(["stretch", "pad", "crop"]),
    st.integers(8, 600),
    st.integers(8, 600),
)
def test_turned_films_may_be_reduced_as_much(rows, columns, resize, height, width):
    rule = DecodingRule(height, width, resize)
    most = reducible(rows, columns, 3, rule)
    assert most == reducible(columns, rows, 6, rule)
    if resize == "stretch":
        assert rows >= 2 * most * height * (1 - 1e-9)
        assert columns >= 2 * most * width * (1 - 1e-9)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("colour", [False, True])
def test_a_cut_film_is_truncated_at_every_scale(options, colour):
    film = smooth(400, 400)
    data = jpeg(np.dstack([film] * 3) if colour else film, **options)
    for size in (200, 100, 50, 25, 8):
        rule = DecodingRule(size, size)
        assert decode(data, rule).pixels.shape == (size, size)
        for kept in (len(data) - 3, len(data) * 9 // 10, len(data) // 2, len(data) // 4):
            with pytest.raises(FilmError) as caught:
                decode(data[:kept], rule)
            assert str(caught.value.status) == "truncated", (size, kept)


def test_colour_is_read_as_the_luminance_that_is_stored():
    film = smooth(96, 96)
    grey, colour = jpeg(film), jpeg(np.dstack([film] * 3))
    rule = DecodingRule(96, 96)
    assert np.array_equal(decode(grey, rule).pixels, decode(colour, rule).pixels)
    red = np.zeros((64, 64, 3), np.uint8)
    red[:, :, 0] = 200
    film = decode(jpeg(red), DecodingRule(64, 64)).pixels
    assert np.abs(film.astype(int) - round(0.299 * 200)).max() <= 1


def test_limits_are_of_the_film_not_of_what_is_decoded():
    with pytest.raises(FilmError) as caught:
        decode(jpeg(smooth(400, 400)), DecodingRule(8, 8), limits=Limits(max_pixels=159_999))
    assert str(caught.value.status) == "too_large"


def test_readers_that_cannot_reduce_go_on_working():
    def read(file, limits, frame):
        return StoredImage(np.full((64, 64), 7, np.uint8), DisplayHints(), "OLD", "old 1")

    old = ImageReader("old", "", (".old",), lambda head: True, read)
    assert (decode(b"x", DecodingRule(8, 8), readers=[old]).pixels == 7).all()


@pytest.mark.parametrize("size", [64, 128, 224])
def test_real_films_differ_by_little(shared_data, size):
    """The bound that docs/images.md states."""
    rule = DecodingRule(size, size)
    compared = 0
    for path in sorted((shared_data / "knee_osteoporosis").rglob("*.[jJ][pP]*[gG]")):
        data = path.read_bytes()
        difference = np.abs(decode(data, rule).pixels.astype(int) - at_full_size(data, rule))
        assert difference.mean() <= 1.0, path.name
        assert difference.max() <= 40, path.name
        compared += difference.any()
    assert compared > 0


def test_upright_and_the_place_agree(grey):
    """What `reduced` calls left and top is where `upright` puts the spare row and column."""
    array = np.zeros((5, 7), np.uint8)
    array[:4, :6] = 1  # the film: 4.5 x 6.5 of the array's pixels, so half of the last ones
    for orientation in range(1, 9):
        place = reduced((5, 7), (9, 13), 2, orientation)
        turned = upright(array, orientation)
        assert (place.top > 0) == (not turned[0].any())
        assert (place.left > 0) == (not turned[:, 0].any())
        assert (place.rows, place.columns) == ((9, 13) if orientation < 5 else (13, 9))
