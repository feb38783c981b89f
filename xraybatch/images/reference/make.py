"""Makes the reference films again: ``python -m xraybatch.images.reference.make``.

Only for a new film: the bytes of the stored ones are part of every model's fingerprint.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

_ROWS, _COLUMNS = 48, 64
_UID = "1.2.826.0.1.3680043.10.1511.1"


def make(folder: Path) -> None:
    """Write the four films into `folder`: PNG with 8 and 16 bits, JPEG, and DICOM."""
    film = _film()
    eight = (film * 255).round().astype(np.uint8)
    Image.fromarray(eight).save(folder / "grey8.png", optimize=True)
    Image.fromarray((film * 65535).round().astype(np.uint16)).save(folder / "grey16.png")
    Image.fromarray(eight).save(folder / "grey8.jpg", quality=90)
    _save_dicom((film * 4095).round().astype(np.uint16), folder / "window12.dcm")


def _film() -> NDArray[np.float64]:
    """Something like a bone with noise and a marker, 0 to 1."""
    random = np.random.default_rng(20)
    y, x = np.mgrid[0:_ROWS, 0:_COLUMNS].astype(np.float64)
    film = 0.15 + 0.2 * x / _COLUMNS
    film += 0.5 * np.exp(-(((x - 34) / 9) ** 2)) * (1 - 0.4 * np.exp(-(((y - 22) / 4) ** 2)))
    film[3:9, 4:12] = 0.97
    noisy: NDArray[np.float64] = np.clip(film + random.normal(0, 0.015, film.shape), 0.0, 1.0)
    return noisy


def _save_dicom(values: NDArray[np.uint16], path: Path) -> None:
    """12 bits, MONOCHROME1, with a window and a padding value."""
    film = Dataset()
    film.SOPClassUID, film.SOPInstanceUID = ComputedRadiographyImageStorage, f"{_UID}.1"
    film.StudyInstanceUID, film.SeriesInstanceUID = f"{_UID}.2", f"{_UID}.3"
    film.Modality, film.PatientName, film.PatientID = "CR", "Reference^Film", "REFERENCE"
    film.Rows, film.Columns = values.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME1"
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.WindowCenter, film.WindowWidth = "2400", "3000"
    film.PixelPaddingValue = 4095
    inverted = 4094 - np.minimum(values, 4094)
    inverted[:, :2] = 4095
    film.PixelData = inverted.astype("<u2").tobytes()
    film["PixelData"].VR = "OW"
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.save_as(path, enforce_file_format=True)


if __name__ == "__main__":
    make(Path(__file__).parent)
