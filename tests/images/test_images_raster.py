"""TIFF, JPEG, JPEG 2000, GIF and WebP: what their libraries get wrong or leave unsaid."""

from __future__ import annotations

import io
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

import xraybatch
from xraybatch import FilmError, Limits
from xraybatch.images.decode import decode, decode_path
from xraybatch.images.readers import jpeg2000, tiff
from xraybatch.images.resize import upright
from xraybatch.images.rule import DecodingRule

DICOM = "not installed: pip install 'xraybatch[dicom]'"


def tiff_of(
    samples: np.ndarray, photometric: int, *, order: str = "<", deflate: bool = False, **tags: int
) -> bytes:
    """A TIFF of one strip; further tags by number, as ``t274=5``."""
    height, width = samples.shape[:2]
    count = 1 if samples.ndim == 2 else samples.shape[2]
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    data = zlib.compress(data) if deflate else data
    bits = struct.pack(f"{order}{count}H", *[samples.itemsize * 8] * count)
    entries = {256: width, 257: height, 259: 8 if deflate else 1, 262: photometric, 277: count}
    entries |= {278: height, **{int(tag[1:]): value for tag, value in tags.items()}}
    fields = [(tag, 3, 1, struct.pack(f"{order}HH", v, 0)) for tag, v in entries.items()]
    fields += [(273, 4, 1, struct.pack(f"{order}I", 8)), (279, 4, 1, len(data))]
    after = 8 + len(data) + 2 + 12 * (len(fields) + 1) + 4
    place = struct.pack(f"{order}I", after) if len(bits) > 4 else bits.ljust(4, b"\0")
    fields.append((258, 3, count, place))
    directory = struct.pack(f"{order}H", len(fields))
    for tag, kind, number, value in sorted(fields):
        packed = value if isinstance(value, bytes) else struct.pack(f"{order}I", value)
        directory += struct.pack(f"{order}HHI", tag, kind, number) + packed
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    return start + data + directory + bytes(4) + bits


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(4)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("samples", [3, 4])
def test_a_tiff_of_16_bit_colour_keeps_its_bits(random, samples, order, deflate):
    values = random.integers(0, 65536, (20, 30, samples)).astype(np.uint16)
    data = tiff_of(values, 2, order=order, deflate=deflate)
    image = tiff.read(io.BytesIO(data), Limits(), 0)
    assert np.array_equal(image.array, values)
    assert image.notes == ()


def test_colour_that_was_multiplied_by_its_alpha_is_read_with_8_bits_and_it_is_said(grey):
    values = np.dstack([grey.astype(np.uint16) * 257] * 3 + [np.full(grey.shape, 65535, np.uint16)])
    film = decode(tiff_of(values, 2, t338=1), DecodingRule(*grey.shape))
    assert np.array_equal(film.pixels, grey)
    assert film.facts.notes == ("Its 16-bit colour was read with 8 bits a sample.",)


def tiff_of_planes(
    samples: np.ndarray, *, order: str = "<", deflate: bool = False, alpha: int = 0
) -> bytes:
    """A TIFF of ``(rows, columns, samples)``, each sample in a strip of its own."""
    rows, columns, count = samples.shape
    planes = [
        np.ascontiguousarray(samples[..., i]).astype(samples.dtype.newbyteorder(order)).tobytes()
        for i in range(count)
    ]
    planes = [zlib.compress(plane) for plane in planes] if deflate else planes
    starts = [8 + sum(map(len, planes[:i])) for i in range(count)]
    beyond = 8 + sum(map(len, planes))
    packed = [
        struct.pack(f"{order}{count}H", *[samples.itemsize * 8] * count),
        struct.pack(f"{order}{count}I", *starts),
        struct.pack(f"{order}{count}I", *map(len, planes)),
    ]
    at = [beyond + sum(map(len, packed[:i])) for i in range(3)]
    fields = [
        *((256, 4, 1, columns), (257, 4, 1, rows), (258, 3, count, at[0])),
        *((259, 4, 1, 8 if deflate else 1), (262, 4, 1, 2), (273, 4, count, at[1])),
        *((277, 4, 1, count), (278, 4, 1, rows), (279, 4, count, at[2]), (284, 4, 1, 2)),
        *([(338, 4, 1, alpha)] if alpha else []),
    ]
    directory = struct.pack(f"{order}H", len(fields))
    directory += b"".join(struct.pack(f"{order}HHII", *field) for field in fields)
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        f"{order}I", beyond + sum(map(len, packed))
    )
    return b"".join([start, *planes, *packed, directory, bytes(4)])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("samples", [3, 4])
def test_planes_of_16_bits_that_lie_apart_keep_their_bits(random, samples, order):
    """Pillow takes each of their bytes for a pixel."""
    values = random.integers(0, 65536, (20, 30, samples)).astype(np.uint16)
    data = tiff_of_planes(values, order=order, alpha=2 if samples == 4 else 0)
    image = tiff.read(io.BytesIO(data), Limits(), 0)
    assert np.array_equal(image.array, values)
    assert image.notes == ()


@pytest.mark.parametrize("deflate", [False, True])
def test_planes_of_8_bits_that_lie_apart_are_read(random, deflate):
    values = random.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    image = tiff.read(io.BytesIO(tiff_of_planes(values, deflate=deflate)), Limits(), 0)
    assert np.array_equal(image.array, values)


def test_16_bit_colour_that_is_read_with_8_is_said_in_the_run_record(grey, tiny_model, tmp_path):
    values = np.dstack([grey.astype(np.uint16) * 257] * 3)
    (tmp_path / "film.tif").write_bytes(tiff_of_planes(values, deflate=True))
    film = decode_path(tmp_path / "film.tif", DecodingRule(*grey.shape))
    assert np.array_equal(film.pixels, grey)
    xraybatch.predict(tmp_path / "film.tif", model=tiny_model, device="cpu", out=tmp_path / "r.csv")
    record = json.loads((tmp_path / "r.csv.run.json").read_text())
    assert record["film_notes"] == {"Its 16-bit colour was read with 8 bits a sample.": 1}


@pytest.mark.parametrize("codestream", [False, True])
@pytest.mark.parametrize("bits", [9, 12, 16])
@pytest.mark.parametrize("samples", [2, 3, 4])
def test_deep_colour_of_jpeg_2000_keeps_its_bits_and_white_stays_white(
    random, samples, bits, codestream
):
    """Pillow rounds it to 8 bits without a bound: 65535 becomes 256, which is 0."""
    imagecodecs = pytest.importorskip("imagecodecs", reason=DICOM)
    pytest.importorskip("openjpeg", reason=DICOM)
    values = random.integers(0, 1 << bits, (40, 30, samples)).astype(np.uint16)
    values[:10] = (1 << bits) - 1
    form = {"codecformat": "j2k"} if codestream else {}
    data = bytes(
        imagecodecs.jpeg2k_encode(values, level=0, reversible=True, bitspersample=bits, **form)
    )
    image = jpeg2000.read(io.BytesIO(data), Limits(), 0)
    colours = values.shape[2] - (samples in (2, 4))
    assert np.array_equal(image.array[..., :colours], values[..., :colours])
    assert image.hints.bits_stored == (bits if bits < 16 else None)
    assert image.notes == ()
    assert "openjpeg" in image.reader
    assert (decode(data, DecodingRule(40, 30)).pixels[:10] == 255).all()
    with pytest.raises(FilmError) as caught:
        decode(data[: len(data) // 2], DecodingRule(40, 30))
    assert str(caught.value.status) in ("truncated", "corrupt")


def test_deep_colour_of_jpeg_2000_without_its_codec_is_no_film(random, monkeypatch):
    imagecodecs = pytest.importorskip("imagecodecs", reason=DICOM)
    values = random.integers(0, 65536, (40, 30, 3)).astype(np.uint16)
    data = bytes(imagecodecs.jpeg2k_encode(values, level=0, reversible=True))
    monkeypatch.setattr(jpeg2000, "find_spec", lambda _: None)
    with pytest.raises(FilmError, match=r"pip install 'xraybatch\[dicom\]'") as caught:
        jpeg2000.read(io.BytesIO(data), Limits(), 0)
    assert str(caught.value.status) == "unsupported"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 16])
def test_a_turned_tiff_is_right_by_path_and_in_memory(grey, bits, orientation, tmp_path):
    """Pillow scrambles uncompressed ones with orientation 5 to 8 that it opens by their path."""
    stored = grey if bits == 8 else grey.astype(np.uint16) * 257
    data = tiff_of(stored, 1, t274=orientation)
    (tmp_path / "film.tif").write_bytes(data)
    want = upright(grey, orientation)
    rule = DecodingRule(*want.shape)
    assert np.array_equal(decode_path(tmp_path / "film.tif", rule).pixels, want)
    assert np.array_equal(decode(data, rule).pixels, want)


@pytest.mark.parametrize("bits", [8, 16])
def test_white_is_zero(grey, bits):
    full = 2**bits - 1
    stored = grey if bits == 8 else grey.astype(np.uint16) * 257
    data = tiff_of(full - stored, 0)
    assert np.array_equal(decode(data, DecodingRule(*grey.shape)).pixels, grey)


def test_floats_are_0_to_1_and_nothing_else(grey):
    rule = DecodingRule(*grey.shape)

    def film(values: np.ndarray) -> np.ndarray:
        return decode(tiff_of(values.astype(np.float32), 1, t339=3), rule).pixels

    assert np.array_equal(film(grey / 255), grey)
    for bad, status in ((grey / 100, "unsupported"), (grey + np.nan, "corrupt")):
        with pytest.raises(FilmError) as caught:
            film(bad)
        assert str(caught.value.status) == status


@pytest.mark.parametrize("form", ["jp2", "j2k"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 15, 16])
def test_the_depth_of_jpeg_2000_is_its_codestreams(random, bits, form):
    imagecodecs = pytest.importorskip(
        "imagecodecs", reason="imagecodecs is not installed: pip install 'xraybatch[dicom]'"
    )
    values = random.integers(0, 1 << bits, (40, 30)).astype(np.uint8 if bits == 8 else np.uint16)
    values[0, :2] = 0, (1 << bits) - 1
    data = imagecodecs.jpeg2k_encode(
        values, level=0, reversible=True, codecformat=form, bitspersample=bits
    )
    film = decode(data, DecodingRule(40, 30))
    full = (1 << bits) - 1
    assert np.array_equal(film.pixels, (values.astype(int) * 510 + full) // (2 * full))
    assert film.facts.bits_stored == bits
    assert film.facts.notes == ()
    with pytest.raises(FilmError) as caught:
        decode(data, DecodingRule(40, 30), limits=Limits(max_pixels=40 * 30 - 1))
    assert str(caught.value.status) == "too_large"
    for kept in (20, 45, 60, 90):
        with pytest.raises(FilmError):
            decode(data[:kept], DecodingRule(40, 30))


def test_a_twelve_bit_jpeg_is_unsupported_and_says_so(random):
    imagecodecs = pytest.importorskip(
        "imagecodecs", reason="imagecodecs is not installed: pip install 'xraybatch[dicom]'"
    )
    values = random.integers(0, 4096, (16, 16)).astype(np.uint16)
    with pytest.raises(FilmError, match="12-bit") as caught:
        decode(imagecodecs.jpeg_encode(values, bitspersample=12), DecodingRule(8, 8))
    assert str(caught.value.status) == "unsupported"


def test_cmyk_is_its_luminance(grey):
    image = Image.fromarray(np.dstack([grey] * 3)).convert("CMYK")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    film = decode(buffer.getvalue(), DecodingRule(*grey.shape))
    assert np.abs(film.pixels.astype(int) - grey).mean() < 4


def test_only_the_first_frame_of_a_gif_is_read_and_it_is_said(grey):
    frames = [Image.fromarray(grey), Image.fromarray(255 - grey)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    film = decode(buffer.getvalue(), DecodingRule(*grey.shape))
    assert np.array_equal(film.pixels, grey)
    assert film.facts.notes == ("The file has 2 frames; frame 0 was read.",)


def test_webp_is_grey_although_it_is_stored_in_colour(grey):
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "WEBP", lossless=True)
    assert np.array_equal(decode(buffer.getvalue(), DecodingRule(*grey.shape)).pixels, grey)


FORMS = {
    "png": lambda image, exif: _saved(image, "PNG", exif=exif),
    "webp": lambda image, exif: _saved(image, "WEBP", exif=exif, lossless=True),
    "tiff": lambda image, exif: _saved(image, "TIFF", exif=exif),
    "tiff-lzw": lambda image, exif: _saved(image, "TIFF", exif=exif, compression="tiff_lzw"),
}


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", FORMS)
@given(
    st.integers(1, 8),
    st.tuples(st.integers(2, 40), st.integers(2, 40)),
    st.sampled_from(["stretch", "pad", "crop"]),
    st.integers(0, 2**32 - 1),
)
def test_eight_orientations_are_one_film(form, orientation, shape, resize, seed):
    """Stored turned, with the tag that turns it back, it is the film that was never turned."""
    film = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    back = {6: 8, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[0x0112] = back
    turn = Image.Exif()
    turn[0x0112] = orientation
    image = Image.fromarray(film)
    image.info["exif"] = turn.tobytes()
    stored = ImageOps.exif_transpose(image)
    stored.info.clear()
    rule = DecodingRule(16, 11, resize)
    turned = decode(FORMS[form](stored, exif), rule)
    plain = decode(_saved(Image.fromarray(film), "PNG"), rule)
    assert np.array_equal(turned.pixels, plain.pixels)
    assert turned.facts.upright == shape
