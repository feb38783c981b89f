"""What a file is outside its pixels: compared with what libraries were told to write."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xraybatch.core.status import FilmError
from xraybatch.images.asked import Asked
from xraybatch.images.decode import decode, installed_readers
from xraybatch.images.headers import HeaderFacts, header_facts
from xraybatch.images.outside import Outside, look_outside
from xraybatch.images.pool import DecodingPool, FilmSource
from xraybatch.images.rule import DecodingRule


def written(mode: str = "L", form: str = "JPEG", size: int = 32, **options: object) -> io.BytesIO:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 255, (size, size, 3), np.uint8)
    target = io.BytesIO()
    Image.fromarray(values).convert(mode).save(target, form, **options)
    target.seek(0)
    return target


@pytest.mark.parametrize("quality", range(2, 100))
def test_quality_is_what_libjpeg_was_told(quality: int) -> None:
    assert header_facts(written(quality=quality), "jpeg").quality == quality


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_colour_jpeg_says_subsampling_and_order(subsampling: str, progressive: bool) -> None:
    file = written("RGB", subsampling=subsampling, progressive=progressive)
    facts = header_facts(file, "jpeg")
    assert (facts.colour, facts.subsampling) == ("RGB", subsampling)
    assert facts.compression == ("progressive" if progressive else "baseline")
    assert facts.tables == sum(sum(t) for t in Image.open(file).quantization.values())


def test_exif_is_told_and_not_read() -> None:
    exif = Image.Exif()
    exif[0x010E] = "SMITH^JOHN"
    assert header_facts(written(exif=exif.tobytes()), "jpeg").exif
    assert not header_facts(written(), "jpeg").exif
    assert "SMITH" not in repr(header_facts(written(exif=exif.tobytes()), "jpeg"))


@pytest.mark.parametrize(
    ("mode", "colour"),
    [("L", "grey"), ("RGB", "RGB"), ("P", "palette"), ("RGBA", "RGB with alpha"),
     ("1", "grey 1-bit")],
)  # fmt: skip
def test_png_says_its_colour(mode: str, colour: str) -> None:
    assert header_facts(written(mode, "PNG"), "png").colour == colour


@pytest.mark.parametrize(
    ("packing", "said"), [("raw", "none"), ("tiff_lzw", "LZW"), ("tiff_adobe_deflate", "deflate")]
)
def test_tiff_says_how_it_is_packed(packing: str, said: str) -> None:
    facts = header_facts(written("L", "TIFF", compression=packing), "tiff")
    assert (facts.compression, facts.photometric, facts.colour) == (said, "BlackIsZero", "grey")


def test_dicom_says_what_is_allowed_and_nothing_else() -> None:
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.PatientName, data.Modality = "SMITH^JOHN", "DX"
    data.PhotometricInterpretation, data.SamplesPerPixel = "MONOCHROME1", 1
    data.Manufacturer = "FUJIFILM Corporation, installed for Dr Smith"
    target = io.BytesIO()
    data.save_as(target, enforce_file_format=True)
    facts = header_facts(target, "dicom")
    assert facts == HeaderFacts(
        "grey", "MONOCHROME1", "Explicit VR Little Endian", modality="DX", maker="fuji"
    )
    data.Manufacturer, data.Modality = "St Smith Hospital", "SMITH^JOHN"
    target = io.BytesIO()
    data.save_as(target, enforce_file_format=True)
    facts = header_facts(target, "dicom")
    assert (facts.maker, facts.modality) == ("other", "other")
    assert pydicom  # imported above for its readers


@given(st.binary(max_size=400), st.sampled_from(["jpeg", "png", "tiff", "dicom", "bitmap"]))
def test_no_header_stops_the_pass(body: bytes, reader: str) -> None:
    starts = {"jpeg": b"\xff\xd8\xff\xdb", "png": b"\x89PNG\r\n\x1a\n", "tiff": b"II*\0"}
    file = io.BytesIO(starts.get(reader, b"") + body)
    assert isinstance(header_facts(file, reader), HeaderFacts)


def test_bytes_are_hashed_and_a_lying_suffix_is_told(tmp_path: Path) -> None:
    film = tmp_path / "film.JPG"
    film.write_bytes(written("L", "PNG").getvalue())
    found = look_outside(str(film), "film.JPG", installed_readers())
    assert (found.suffix, found.content, found.suffix_lies) == (".jpg", "PNG", True)
    assert found.digest == hashlib.sha256(film.read_bytes()).digest()
    assert found.size == film.stat().st_size


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "film.png")
    assert look_outside(str(tmp_path / "film.png"), "film.png", []) == Outside(suffix=".png")


@pytest.mark.parametrize("workers", [0, 2])
def test_only_a_survey_carries_facts(workers: int, tmp_path: Path) -> None:
    sources = []
    for i in range(40):
        path = tmp_path / f"{i}.jpg"
        path.write_bytes(written(size=16 + i).getvalue() if i != 7 else b"\xff\xd8\xffcut")
        sources.append(FilmSource(str(path), path.name))
    rule = DecodingRule(16, 16)
    with DecodingPool(rule, workers=workers) as pool:
        plain = list(pool.decode(sources))
    with DecodingPool(rule, workers=workers, asked=Asked(survey=True)) as pool:
        surveyed = list(pool.decode(sources))
    assert all(one.facts is None and one.outside is None for one in plain)
    for i, (one, same) in enumerate(zip(surveyed, plain, strict=True)):
        assert one.status == same.status
        assert one.outside is not None
        assert one.outside.size == (tmp_path / f"{i}.jpg").stat().st_size
        assert (one.facts is None) == (i == 7)
        if one.facts is not None:
            assert (one.facts.height, one.facts.width) == (16 + i, 16 + i)


def test_text_in_technical_fields_is_told_nowhere(dicom_film) -> None:
    name = "DOE^JANE"
    content = dicom_film(np.zeros((8, 8), np.uint8), PhotometricInterpretation=name)
    assert header_facts(io.BytesIO(content), "dicom").photometric == "other"
    with pytest.raises(FilmError) as caught:
        decode(content, DecodingRule(32, 32))
    assert name not in caught.value.sentence
