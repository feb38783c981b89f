"""Frames one after another: each as it is alone, at the cost of itself, whatever others hold."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from tests.prediction.conftest import grey_pixels, write_dicom
from xraybatch.core.status import FilmError
from xraybatch.core.zipped import ZipPlace
from xraybatch.extension.records import DisplayHints, ImageReader, Limits, StoredImage
from xraybatch.images import kept
from xraybatch.images.decode import DEFAULT_LIMITS, FrameDecoder, decode
from xraybatch.images.kept import FilmSource, KeptFile
from xraybatch.images.readers import tiff_pages
from xraybatch.images.readers.tiff_pages import find_pages
from xraybatch.images.rule import DecodingRule

RULE = DecodingRule(40, 32)
COUNT = 12


def tiff(pixels: np.ndarray, **how: object) -> bytes:
    buffer = io.BytesIO()
    first, *others = [Image.fromarray(page) for page in pixels]
    first.save(buffer, "TIFF", save_all=True, append_images=others, **how)
    return buffer.getvalue()


def dicom(path: Path, pixels: np.ndarray, kind: str) -> bytes:
    write_dicom(path, pixels)
    film = dcmread(path)
    if kind == "deflated":
        film.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    if kind.startswith("rle"):
        film.compress(RLELossless)
        film.PixelData = encapsulate(frames_of(film), has_bot=kind == "rle with offsets")
    if kind.startswith("jpeg"):
        film.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        pictures = []
        for page in pixels:
            buffer = io.BytesIO()
            Image.fromarray(page).save(buffer, "JPEG", quality=100)
            pictures.append(buffer.getvalue())
        parts = 3 if kind == "jpeg in pieces" else 1
        film.PixelData = encapsulate(pictures, fragments_per_frame=parts, has_bot=False)
        film["PixelData"].VR = "OB"
        film["PixelData"].is_undefined_length = True
    film.save_as(path, enforce_file_format=True)
    return path.read_bytes()


def frames_of(film) -> list[bytes]:
    from pydicom.encaps import generate_frames

    return list(generate_frames(film.PixelData, number_of_frames=int(film.NumberOfFrames)))


def makers() -> dict[str, object]:
    found = {
        f"tiff {how}": lambda path, pixels, how=how: tiff(pixels, compression=how)
        for how in ("raw", "tiff_lzw", "tiff_deflate")
    }
    found["tiff big"] = lambda path, pixels: tiff(pixels, big_tiff=True)
    for kind in ("plain", "deflated", "rle with offsets", "rle", "jpeg", "jpeg in pieces"):
        found[f"dicom {kind}"] = lambda path, pixels, kind=kind: dicom(path, pixels, kind)
    return found


@pytest.fixture(params=makers())
def made(request, tmp_path) -> tuple[bytes, np.ndarray]:
    pixels = grey_pixels(3, COUNT)
    return makers()[request.param](tmp_path / "film", pixels), pixels


class Counted(io.BytesIO):
    """Counts the bytes that are read."""

    read_so_far = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.read_so_far += len(found)
        return found


def test_each_frame_is_what_it_is_alone(made):
    content, pixels = made
    decoder = FrameDecoder(io.BytesIO(content), RULE)
    for frame in [5, 0, *range(COUNT), 3]:
        film = decoder.film(frame)
        alone = decode(content, RULE, frame=frame)
        assert np.array_equal(film.pixels, alone.pixels)
        assert film.facts == alone.facts
        assert film.facts.frames == COUNT
        # and the picture that was stored, but for what JPEG loses
        assert np.abs(film.pixels.astype(int) - pixels[frame]).max() <= 4
    for beyond in (COUNT, -1):
        with pytest.raises(FilmError):
            decoder.film(beyond)


@pytest.mark.parametrize("kind", makers())
def test_a_frame_costs_itself_and_not_the_file(tmp_path, kind):
    count, side = 40, 128
    noise = np.random.default_rng(1).integers(0, 256, (count, side, side)).astype(np.uint8)
    content = makers()[kind](tmp_path / "film", noise)
    assert len(content) > count * side * side
    file = Counted(content)
    decoder = FrameDecoder(file, RULE)
    for frame in range(count):
        decoder.film(frame)
    # Pillow takes blocks of 64 KiB; the file is looked through once, not for each frame
    assert file.read_so_far < 3 * len(content) + count * 70_000 < count * len(content) // 4


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_pages_are_those_that_pillow_finds(order):
    pages = []
    for _ in range(4):
        page = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II" if order == "<" else b"MM")
        page[256], page[257], page[258], page[262] = 2, 2, 8, 1
        page[259], page[273], page[278], page[279] = 1, 8, 2, 4
        pages.append(page.tobytes(0))
    # by hand: a header, and pages behind one another whose chain turns back to the second
    bodies, at = [], 12
    places = []
    for body in pages:
        places.append(at)
        bodies.append(body[:-4])
        at += len(body)
    following = [*places[1:], places[1]]
    content = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 12) + bytes(4)
    for body, n in zip(bodies, following, strict=True):
        content += body + struct.pack(order + "I", n)
    with TiffImagePlugin.TiffImageFile(io.BytesIO(content)) as image:
        assert image.n_frames == 4
    assert [page.place for page in find_pages(io.BytesIO(content))] == places
    assert [page.place for page in find_pages(io.BytesIO(content[:-2]))] == places
    assert find_pages(io.BytesIO(content[:4])) == []


@pytest.mark.parametrize("how", ["raw", "tiff_lzw", "tiff_deflate"])
def test_pages_of_a_file_that_is_not_held_in_memory(tmp_path, monkeypatch, how):
    monkeypatch.setattr(tiff_pages, "_COPIED", 0)
    (tmp_path / "a.tif").write_bytes(tiff(grey_pixels(3, COUNT), compression=how))
    with (tmp_path / "a.tif").open("rb") as file:
        decoder = FrameDecoder(file, RULE)
        for frame in (3, 1, COUNT - 1, 0):
            assert np.array_equal(decoder.film(frame).pixels, grey_pixels(3, COUNT)[frame])


def test_a_frame_behind_a_bad_one_is_what_it_is_alone(tmp_path):
    """Nothing of a page that fails, nor of the one before it, is in the next."""
    content = bytearray(tiff(grey_pixels(3, 5), compression="tiff_lzw"))
    with TiffImagePlugin.TiffImageFile(io.BytesIO(content)) as image:
        image.seek(2)
        at = image.tag_v2[273][0]
    content[at : at + 200] = b"\xff" * 200
    decoder = FrameDecoder(io.BytesIO(content), RULE)
    for frame in (0, 1, 2, 3, 2, 4):
        if frame == 2:
            with pytest.raises(FilmError):
                decoder.film(2)
        else:
            alone = decode(bytes(content), RULE, frame=frame)
            assert np.array_equal(decoder.film(frame).pixels, alone.pixels)


def test_a_frame_that_ends_before_it_begins_is_no_other_frame(tmp_path):
    """From a file and from bytes, as an archive gives them."""
    content = bytearray(dicom(tmp_path / "x.dcm", grey_pixels(3, COUNT), "rle with offsets"))
    table = content.index(b"\xfe\xff\x00\xe0" + (4 * COUNT).to_bytes(4, "little")) + 8
    content[table + 16 : table + 20] = content[table + 24 : table + 28]
    (tmp_path / "x.dcm").write_bytes(content)
    with (tmp_path / "x.dcm").open("rb") as file:
        for given in (file, bytes(content)):
            with pytest.raises(FilmError, match="ends before it begins") as error:
                decode(given, RULE, frame=4)
            assert error.value.status == "corrupt"
            assert np.array_equal(decode(given, RULE, frame=5).pixels, grey_pixels(3, COUNT)[5])


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """What is opened and unpacked, in order."""
    from xraybatch.images import decode as module

    said: list[str] = []
    open_film, read_member = module.open_film, kept.read_member

    def opening(path):
        said.append(os.path.basename(path))
        return open_film(path)

    def unpacking(archive, place, most):
        said.append(os.path.basename(archive))
        return read_member(archive, place, most)

    monkeypatch.setattr(module, "open_film", opening)
    monkeypatch.setattr(kept, "read_member", unpacking)
    return said


def test_a_file_is_opened_once_for_its_later_frames(tmp_path, opened):
    (tmp_path / "a.tif").write_bytes(tiff(grey_pixels(1, 5)))
    (tmp_path / "b.tif").write_bytes(tiff(grey_pixels(2, 3)))
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c.dcm", dicom(tmp_path / "c", grey_pixels(3, 4), "plain"))
        info = archive.getinfo("c.dcm")
    place = ZipPlace(0, info.compress_size, info.file_size, info.CRC, 8, False).to_text()
    files = {
        "a": (5, FilmSource(str(tmp_path / "a.tif"), "a.tif")),
        "b": (3, FilmSource(str(tmp_path / "b.tif"), "b.tif")),
        "c": (4, FilmSource(str(tmp_path / "c.zip"), "c.dcm", member=place)),
    }
    films = KeptFile(RULE, DEFAULT_LIMITS, None)
    for seed, (count, source) in enumerate(files.values(), 1):
        for frame in range(count):
            film = films.film(FilmSource(source.path, source.name, frame, source.member))
            assert np.array_equal(film.pixels, grey_pixels(seed, count)[frame])
    # the first frame may be the only one
    assert opened == ["a.tif"] * 2 + ["b.tif"] * 2 + ["c.zip"] * 2


def test_a_file_that_was_written_anew_is_read_anew(tmp_path, opened):
    path = tmp_path / "a.tif"
    films = KeptFile(RULE, DEFAULT_LIMITS, None)
    for seed in (1, 2):
        path.write_bytes(tiff(grey_pixels(seed, 4)))
        os.utime(path, (seed, seed))
        for frame in (1, 2):
            film = films.film(FilmSource(str(path), path.name, frame))
            assert np.array_equal(film.pixels, grey_pixels(seed, 4)[frame])
    assert opened == ["a.tif"] * 2
    path.unlink()
    with pytest.raises(FilmError) as error:
        films.film(FilmSource(str(path), path.name, 3))
    assert str(error.value.status) == "unreadable"


def test_a_strangers_reader_without_open_frames_is_asked_for_each(tmp_path, opened):
    path = tmp_path / "a.own"
    path.write_bytes(b"OWN")

    def read(file, limits: Limits, frame: int) -> StoredImage:
        assert file.read() == b"OWN"
        return StoredImage(np.full((40, 32), frame, np.uint8), DisplayHints(), "OWN", "own", 9)

    own = ImageReader("own", "", (".own",), lambda head: head == b"OWN", read)
    films = KeptFile(RULE, DEFAULT_LIMITS, [own])
    for frame in range(1, 9):
        assert (films.film(FilmSource(str(path), path.name, frame)).pixels == frame).all()
    assert opened == ["a.own"]
