"""Whole small films of every format and coding that the fuzzing begins with."""

from __future__ import annotations

import io
from functools import lru_cache
from importlib.resources import files

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)


@lru_cache(maxsize=1)
def seeds() -> dict[str, bytes]:
    """Films by format and coding, ``png-16``; the same bytes in every process of a machine."""
    random = np.random.default_rng(1)
    rough = random.integers(0, 256, (22, 18)).astype(np.uint8)
    smooth = (np.add.outer(np.arange(22) * 7, np.arange(18) * 5) % 256).astype(np.uint8)
    colour = np.dstack([smooth, rough, 255 - smooth])
    wide = smooth.astype(np.uint16) * 16 + 5
    exif = Image.Exif()
    exif[0x0112] = 6
    reference = files("xraybatch.images.reference")
    found = {
        "png-8": _saved(smooth, "PNG", exif=exif),
        "png-16": _saved(wide, "PNG"),
        "png-colour": _saved(colour, "PNG"),
        "png-alpha": _saved(np.dstack([colour, rough]), "PNG"),
        "png-palette": _saved(Image.fromarray(colour).quantize(16), "PNG", transparency=3),
        "png-1bit": _saved(smooth > 100, "PNG"),
        "jpeg-grey": _saved(smooth, "JPEG", exif=exif),
        "jpeg-colour": _saved(colour, "JPEG", progressive=True, restart_marker_rows=1),
        "jpeg-cmyk": _saved(Image.fromarray(colour).convert("CMYK"), "JPEG"),
        "tiff-16": _saved(wide, "TIFF"),
        "tiff-lzw": _saved(colour, "TIFF", compression="tiff_lzw"),
        "tiff-deflate": _saved(wide, "TIFF", compression="tiff_adobe_deflate"),
        "tiff-g4": _saved(smooth > 100, "TIFF", compression="group4"),
        "tiff-jpeg": _saved(smooth, "TIFF", compression="jpeg"),
        "tiff-float": _saved((smooth / 255).astype(np.float32), "TIFF"),
        "tiff-pages": _saved(
            smooth, "TIFF", save_all=True, append_images=[Image.fromarray(rough)], exif=exif
        ),
        "gif": _saved(smooth, "GIF", save_all=True, append_images=[Image.fromarray(rough)]),
        "webp-lossless": _saved(smooth, "WEBP", lossless=True, exif=exif),
        "webp-lossy": _saved(colour, "WEBP"),
        "bmp": _saved(smooth, "BMP"),
        "bmp-colour": _saved(colour, "BMP"),
        "jp2": _saved(smooth, "JPEG2000"),
        "j2k-16": _saved(wide, "JPEG2000", no_jp2=True),
        "dicom-reference": reference.joinpath("window12.dcm").read_bytes(),
        "dicom-explicit": _dicom(wide, ExplicitVRLittleEndian, WindowCenter=2000, WindowWidth=3000),
        "dicom-implicit": _dicom(wide, ImplicitVRLittleEndian, RescaleSlope=2, RescaleIntercept=-9),
        "dicom-big": _dicom(wide.byteswap(), ExplicitVRBigEndian),
        "dicom-deflated": _dicom(wide, DeflatedExplicitVRLittleEndian),
        "dicom-colour": _dicom(colour, ExplicitVRLittleEndian),
        "dicom-jpeg": _dicom(smooth, JPEGBaseline8Bit, _saved(smooth, "JPEG")),
        "dicom-j2k": _dicom(wide, JPEG2000Lossless, _saved(wide, "JPEG2000", no_jp2=True)),
        "dicom-rle": _dicom(smooth, RLELossless, _rle(smooth)),
    }
    return {**found, **_of_other_codecs(smooth, wide)}


def _of_other_codecs(smooth: np.ndarray, wide: np.ndarray) -> dict[str, bytes]:
    """Codings that only imagecodecs writes; none where it is not installed."""
    try:
        import imagecodecs
    except ImportError:
        return {}
    lossless = imagecodecs.ljpeg_encode(wide, bitspersample=12)
    syntax = "1.2.840.10008.1.2.4."
    deep = {"PhotometricInterpretation": "MONOCHROME1"}
    return {
        "dicom-jpeg-lossless": _dicom(wide, UID(f"{syntax}70"), lossless, **deep),
        "dicom-jpeg-12": _dicom(
            wide, UID(f"{syntax}51"), imagecodecs.jpeg_encode(wide, bitspersample=12)
        ),
        "dicom-jpeg-ls": _dicom(smooth, UID(f"{syntax}80"), imagecodecs.jpegls_encode(smooth)),
        "dicom-htj2k": _dicom(
            smooth, UID(f"{syntax}201"), imagecodecs.htj2k_encode(smooth, reversible=True)
        ),
    }


def _saved(picture: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _rle(grey: np.ndarray) -> bytes:
    """One segment of literal runs."""
    raw = grey.tobytes()
    runs = [raw[start : start + 128] for start in range(0, len(raw), 128)]
    packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
    header = np.array([1, 64, *[0] * 14], "<u4").tobytes()
    return header + packed + b"\0" * (len(packed) % 2)


def _dicom(
    values: np.ndarray, syntax: UID, frame: bytes | None = None, **attributes: object
) -> bytes:
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = syntax
    film.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    film.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    film.SOPClassUID, film.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    film.Modality = "CR"
    film.Rows, film.Columns = values.shape[:2]
    film.SamplesPerPixel = 1 if values.ndim == 2 else 3
    film.PhotometricInterpretation = "MONOCHROME2" if values.ndim == 2 else "RGB"
    if values.ndim == 3:
        film.PlanarConfiguration = 0
    film.BitsAllocated = 8 * values.itemsize
    film.BitsStored = 8 if values.itemsize == 1 else 12
    film.HighBit = film.BitsStored - 1
    film.PixelRepresentation = 0
    for keyword, value in attributes.items():
        setattr(film, keyword, value)
    film.PixelData = values.tobytes() if frame is None else encapsulate([frame])
    film["PixelData"].VR = "OB" if frame is not None or values.itemsize == 1 else "OW"
    buffer = io.BytesIO()
    film.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
