from __future__ import annotations

import csv
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from xraybatch import FilmError, FilmStatus, Limits
from xraybatch.images.decode import decode, decode_path, installed_readers
from xraybatch.images.rule import DecodingRule

RULE = DecodingRule(64, 96)
SHARED = Path(
    os.environ.get("XRAYBATCH_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared/data")
)


def shared_rows(folder: str) -> list[dict[str, str]]:
    """A manifest's rows; none where it is not here, because this is asked before fixtures skip."""
    manifest = SHARED / folder / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def encoded(array: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format=kind, **options)
    return buffer.getvalue()


HOSTILE = [row for row in shared_rows("hostile") if row["made_at_use_time"] == "no"]


def status_of(data, rule=RULE, **options) -> str:
    try:
        decode(data, rule, **options)
    except FilmError as error:
        return str(error.status)
    return "ok"


def answer(path: Path) -> tuple[str, str]:
    try:
        decode_path(path, RULE)
    except FilmError as error:
        return str(error.status), error.sentence
    return "ok", ""


def fair(row: dict[str, str], column: str) -> set[str]:
    said = row[column].split("also fair:")
    others = {s for s in map(str, FilmStatus) if len(said) > 1 and s in said[1]}
    return {row["expected_status"]} | others


def test_a_film_is_its_pixels(grey):
    film = decode(encoded(grey), DecodingRule(*grey.shape))
    assert np.array_equal(film.pixels, grey)
    assert film.pixels.flags.c_contiguous
    assert (film.facts.format, film.facts.bits_stored) == ("PNG", 8)
    assert (film.facts.height, film.facts.width) == grey.shape
    assert film.facts.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "JPEG2000"])
def test_lossless_formats_agree(grey, kind):
    assert np.array_equal(decode(encoded(grey, kind), DecodingRule(48, 40)).pixels, grey)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG2000"])
def test_sixteen_bits_are_the_eight_bit_film(grey, kind):
    wide = grey.astype(np.uint16) * 257
    assert np.array_equal(
        decode(encoded(wide, kind), RULE).pixels, decode(encoded(grey), RULE).pixels
    )


def test_an_open_file_is_read_from_its_beginning_and_not_closed(grey, tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(encoded(grey))
    with path.open("rb") as file:
        file.read(10)
        assert decode(file, RULE).facts.format == "PNG"
        assert not file.closed
    assert np.array_equal(decode_path(path, RULE).pixels, decode(path.read_bytes(), RULE).pixels)


def test_a_suffix_that_lies_is_noted(grey):
    film = decode(encoded(grey), RULE, name="chest.JPEG")
    assert film.facts.notes == ("It is named .jpeg, but is PNG.",)
    assert decode(encoded(grey), RULE, name="chest.old").facts.notes == ()


def test_no_bytes_and_no_reader():
    assert status_of(b"") == "empty"
    assert status_of(b"path,label\n1.png,0\n") == "unsupported"
    assert status_of(b"\0" * 5000) == "unsupported"


def test_limits_are_asked_before_decoding(grey):
    assert status_of(encoded(grey), limits=Limits(max_pixels=100)) == "too_large"
    assert status_of(encoded(grey, "TIFF"), limits=Limits(max_pixels=100)) == "too_large"
    assert status_of(encoded(grey, "JPEG"), limits=Limits(max_bytes=100)) == "too_large"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "JPEG2000"])
def test_a_cut_film_is_never_ok(grey, kind):
    whole = encoded(grey, kind)
    for kept in {*range(4, 60, 7), *range(60, len(whole) - 2, max(1, len(whole) // 40))}:
        status = status_of(whole[:kept])
        assert status in ("truncated", "corrupt", "unsupported"), (kept, status)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000"]),
    st.integers(0, 10_000),
    st.binary(min_size=1, max_size=4),
)
def test_damage_ends_in_a_film_or_a_film_error(grey, kind, where, what):
    whole = bytearray(encoded(grey, kind))
    where %= len(whole)
    whole[where : where + len(what)] = what
    assert status_of(bytes(whole), limits=Limits(max_pixels=1_000_000)) in {*map(str, FilmStatus)}


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(
        [
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"II*\0",
            b"BM",
            b"GIF89a",
            b"\0" * 128 + b"DICM",
            b"\x08\0\x05\0CS\x0a\0",
            b"",
        ]
    ),
    st.binary(max_size=300),
)
def test_noise_ends_in_a_film_error(start, noise):
    assert status_of(start + noise) != "ok"


def test_declared_depth_in_png_is_honoured(grey):
    twelve = (grey.astype(np.uint16) << 4) | 1
    plain = encoded(twelve)
    chunk = b"sBIT" + bytes([12])
    sbit = struct.pack(">I", 1) + chunk + struct.pack(">I", zlib.crc32(chunk))
    film = decode(plain[:33] + sbit + plain[33:], DecodingRule(48, 40))
    assert film.facts.bits_stored == 12
    assert np.array_equal(film.pixels, (twelve.astype(int) * 510 + 4095) // 8190)


def test_exif_turns_png_and_jpeg(grey):
    exif = Image.Exif()
    exif[0x0112] = 6
    film = decode(encoded(grey, exif=exif), DecodingRule(40, 48))
    assert np.array_equal(film.pixels, np.rot90(grey, -1))
    assert (film.facts.height, film.facts.width) == (48, 40)


def test_frames_are_counted_and_chosen(grey, tmp_path):
    pages = [Image.fromarray(grey), Image.fromarray(255 - grey)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    rule = DecodingRule(48, 40)
    second = decode(buffer.getvalue(), rule, frame=1)
    assert np.array_equal(second.pixels, 255 - grey)
    assert second.facts.frames == 2
    assert "frame 1 was read" in second.facts.notes[0]
    assert status_of(buffer.getvalue(), frame=2) == "corrupt"
    assert status_of(encoded(grey), frame=1) == "corrupt"


def test_what_is_no_regular_file_is_unreadable(tmp_path):
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "dangling.png").symlink_to("nothing")
    (tmp_path / "self.png").symlink_to("self.png")
    for name in ("fifo.png", "dangling.png", "self.png", "missing.png", ".", "a\0b.png"):
        with pytest.raises(FilmError) as caught:
            decode_path(f"{tmp_path}/{name}", RULE)
        assert caught.value.status is FilmStatus.UNREADABLE, name


def test_a_strangers_error_is_corrupt_and_its_memory_error_too_large():
    from xraybatch import ImageReader

    for error, status in (
        (KeyError("x"), "corrupt"),
        (SystemExit(3), "corrupt"),
        (MemoryError(), "too_large"),
        (RecursionError(), "corrupt"),
        (EOFError(), "truncated"),
        (OSError(5, "Input/output error"), "unreadable"),
    ):

        def read(file, limits, frame, error=error):
            raise error

        reader = ImageReader("odd", "", (".odd",), lambda head: True, read)
        assert status_of(b"something", readers=[reader]) == status


@pytest.mark.parametrize("orientation", [None, "6", [1]])
def test_what_a_strangers_hints_break_is_corrupt(orientation):
    from xraybatch import DisplayHints, ImageReader, StoredImage

    def read(file, limits, frame):
        pixels = np.zeros((8, 8), np.uint8)
        return StoredImage(pixels, DisplayHints(orientation=orientation), "ODD", "odd 1.0")

    reader = ImageReader("odd", "", (".odd",), lambda head: True, read)
    assert status_of(b"something", readers=[reader]) == "corrupt"


def test_the_plugin_module_loads_without_any_imaging_library():
    code = (
        "import sys, xraybatch.images.readers as r; r.register_image_readers();"
        "print([m for m in ('numpy', 'PIL', 'pydicom') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_decoding_is_quiet_and_leaves_the_warning_filters(shared_data, capfd):
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as seen:
        for row in HOSTILE:
            status_of((shared_data / "hostile" / row["path"]).read_bytes())
    assert seen == []
    assert warnings.filters == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("row", HOSTILE, ids=lambda row: row["path"][6:])
def test_hostile_files(row, shared_data):
    path = shared_data / "hostile" / row["path"]
    status, sentence = answer(path)
    assert status in fair(row, "why")
    assert (status == "ok") == (sentence == "")
    assert len(sentence) <= 300
    assert str(shared_data) not in sentence


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_real_files(orientation, shared_data):
    files = shared_data / "hostile" / "files"
    rule = DecodingRule(96, 64)
    want = decode_path(files / "good" / "film_8.png", rule).pixels
    for suffix in ("png", "tif"):
        film = decode_path(files / "exif" / f"orient_{orientation}.{suffix}", rule)
        assert np.array_equal(film.pixels, want), suffix
    jpeg = decode_path(files / "exif" / f"orient_{orientation}.jpg", rule).pixels
    assert np.abs(jpeg.astype(int) - want).mean() < 4


def test_readers_of_the_installation_begin_with_ours():
    names = [reader.name for reader in installed_readers()]
    assert names[:6] == ["png", "jpeg", "jpeg2000", "tiff", "dicom", "bitmap"]
