"""PNG against libpng (imagecodecs), on rows of random bytes and random filters."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xraybatch import FilmError, Limits
from xraybatch.images.decode import decode
from xraybatch.images.readers.png import read
from xraybatch.images.readers.png_pixels import SAMPLES, Header
from xraybatch.images.rule import DecodingRule

KINDS = [(0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)]
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(header: Header, raw: bytes, *extra: bytes) -> bytes:
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header.packed()),
            *extra,
            chunk(b"IDAT", zlib.compress(raw)),
            chunk(b"IEND", b""),
        )
    )


def random_rows(header: Header, seed: int) -> bytes:
    """A filter byte and random samples for each row of each pass."""
    random = np.random.default_rng(seed)
    size = header.depth * SAMPLES[header.colour]
    passes = [*PASSES, (0, 1, 1, 2)] if header.interlaced else [(0, 0, 1, 1)]
    raw = b""
    for left, top, across, down in passes:
        columns = len(range(left, header.width, across))
        for _ in range(top, header.height, down) if columns else ():
            raw += bytes([random.integers(5)]) + random.bytes((columns * size + 7) // 8)
    return raw


def values_of(data: bytes) -> np.ndarray:
    return read(io.BytesIO(data), Limits(), 0).array


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"colour{kind[0]}-{kind[1]}bits")
@given(st.integers(1, 20), st.integers(1, 20), st.booleans(), st.integers(0, 2**32 - 1))
def test_every_bit_is_libpngs(kind, width, height, interlaced, seed):
    imagecodecs = pytest.importorskip(
        "imagecodecs", reason="imagecodecs is not installed: pip install 'xraybatch[dicom]'"
    )
    header = Header(width, height, kind[1], kind[0], interlaced)
    data = png(header, random_rows(header, seed))
    assert np.array_equal(values_of(data), imagecodecs.png_decode(data))


def sixteen_bit(samples: np.ndarray, colour: int, *extra: bytes) -> bytes:
    height, width = samples.shape[:2]
    rows = samples.astype(">u2").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    return png(Header(width, height, 16, colour, False), raw, *extra)


def test_twelve_bits_in_every_kind_of_png_are_the_same_film(grey):
    twelve = grey.astype(np.uint16) * 16 + 3
    opaque = np.full_like(twelve, 65535)
    rule = DecodingRule(*grey.shape)
    films = [
        decode(sixteen_bit(np.dstack(planes), colour), rule)
        for colour, planes in (
            (0, [twelve]),
            (4, [twelve, opaque]),
            (2, [twelve] * 3),
            (6, [*[twelve] * 3, opaque]),
        )
    ]
    want = (twelve.astype(int) * 510 + 4095) // 8190
    for film in films:
        assert np.array_equal(film.pixels, want)
        assert film.facts.bits_stored == 12


def test_a_transparent_colour_of_16_bits_is_black_and_its_neighbour_not(grey):
    values = np.dstack([grey.astype(np.uint16) * 257] * 3)
    values[0, 0] = [0xFE01, 0xFE02, 0xFE03]
    values[0, 1] = [0xFE01, 0xFE02, 0xFE04]
    trns = chunk(b"tRNS", struct.pack(">HHH", 0xFE01, 0xFE02, 0xFE03))
    film = decode(sixteen_bit(values, 2, trns), DecodingRule(*grey.shape))
    assert film.pixels[0, 0] == 0
    assert film.pixels[0, 1] == 253
    assert np.array_equal(film.pixels[1:], grey[1:])


def test_alpha_of_16_bits_goes_over_black(grey):
    half = np.full(grey.shape, 32768, np.uint16)
    data = sixteen_bit(np.dstack([grey.astype(np.uint16) * 257, half]), 4)
    film = decode(data, DecodingRule(*grey.shape))
    want = grey * (32768 / 65535)
    assert np.abs(film.pixels - want).max() <= 0.51


@pytest.mark.parametrize("declared", [12, 16])
def test_a_depth_declared_for_values_that_were_scaled_up_is_the_full_range(grey, declared):
    dark = (grey.astype(np.uint16) // 16) << 8  # under an eighth of the range
    sbit = chunk(b"sBIT", bytes([declared]))
    film = decode(sixteen_bit(dark[:, :, None], 0, sbit), DecodingRule(*grey.shape))
    assert film.pixels.max() <= 16
    assert film.facts.notes == ()


@pytest.mark.parametrize("fill", [0, 165, 255])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, (3, 8), (0, 1)], ids=str)
def test_missing_rows_are_truncated_whatever_colour_the_film_has(kind, interlaced, fill):
    header = Header(19, 23, kind[1], kind[0], interlaced)
    extra = [chunk(b"PLTE", bytes(range(256)) * 3)] if kind[0] == 3 else []
    size = header.raw_bytes()
    row = b"\0" + bytes([fill]) * (size // header.height - 1)
    uniform = random_rows(header, fill) if interlaced else row * header.height
    assert values_of(png(header, uniform, *extra)).shape[:2] == (23, 19)
    for missing in (1, size // 23, size // 2, size - 1):
        with pytest.raises(FilmError) as caught:
            decode(png(header, uniform[:-missing], *extra), DecodingRule(8, 8))
        assert str(caught.value.status) == "truncated"


def test_palettes_and_small_depths_are_what_they_show(grey):
    image = Image.fromarray(grey).convert("P")
    image.putpalette([255 - i // 3 for i in range(768)])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    film = decode(buffer.getvalue(), DecodingRule(*grey.shape))
    assert np.array_equal(film.pixels, 255 - np.asarray(image))
    for bits in (1, 2, 4):
        header = Header(40, 1, bits, 0, False)
        values = np.arange(40) % (1 << bits)
        packed = np.packbits(
            ((values[:, None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8).reshape(-1)
        )
        film = decode(png(header, b"\0" + packed.tobytes()), DecodingRule(8, 40))
        assert np.array_equal(film.pixels[0], values * 255 // ((1 << bits) - 1))
