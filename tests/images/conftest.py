"""Films for the tests of images."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian


@pytest.fixture
def grey() -> np.ndarray:
    """A film without any symmetry, 48 x 40."""
    random = np.random.default_rng(3)
    film = random.integers(0, 256, (48, 40)).astype(np.uint8)
    film[:6, :9] = 250
    return film


@pytest.fixture(scope="session")
def dicom_film() -> Callable[..., bytes]:
    """Makes a DICOM: see `_dicom_film`."""
    return _dicom_film


def _dicom_film(array: np.ndarray, frames: list[bytes] | None = None, **header: object) -> bytes:
    """A DICOM of an array, or of compressed frames that decode to it; `header` overrides."""
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = header.pop("syntax", ExplicitVRLittleEndian)
    film.SOPClassUID, film.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    film.Modality = "CR"
    film.Rows, film.Columns = array.shape[:2]
    film.SamplesPerPixel = 1 if array.ndim == 2 else array.shape[2]
    film.PhotometricInterpretation = "MONOCHROME2" if array.ndim == 2 else "RGB"
    if array.ndim == 3:
        film.PlanarConfiguration = 0
    film.BitsAllocated = 8 * array.dtype.itemsize
    film.BitsStored = film.BitsAllocated
    film.PixelRepresentation = int(array.dtype.kind == "i")
    for keyword, value in header.items():
        setattr(film, keyword, value)
    film.HighBit = header.get("HighBit", film.BitsStored - 1)
    if frames is None:
        raw = array.tobytes()
        film.PixelData = raw + b"\0" * (len(raw) % 2)
    else:
        film.PixelData = encapsulate(frames)
    film["PixelData"].VR = "OB" if frames is not None or film.BitsAllocated == 8 else "OW"
    buffer = io.BytesIO()
    film.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
