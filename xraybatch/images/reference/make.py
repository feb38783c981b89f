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
    """Write the films into `folder`.

    PNG of 8, 16 and undeclared 12 bits; JPEG read whole and reduced; DICOM with and without window.
    """
    film = _film(_ROWS, _COLUMNS)
    eight = (film * 255).round().astype(np.uint8)
    Image.fromarray(eight).save(folder / "grey8.png", optimize=True)
    Image.fromarray((film * 65535).round().astype(np.uint16)).save(folder / "grey16.png")
    Image.fromarray(eight).save(folder / "grey8.jpg", quality=90)
    twelve = (film * 4095).round().astype(np.uint16)
    Image.fromarray(twelve).save(folder / "low12.png")
    _save_dicom(twelve, folder / "window12.dcm", window=True)
    _save_dicom(twelve, folder / "plain12.dcm", window=False)
    large = (_film(4 * _ROWS, 4 * _COLUMNS) * 255).round().astype(np.uint8)
    Image.fromarray(large).save(folder / "large8.jpg", quality=90)


def _film(rows: int, columns: int) -> NDArray[np.float64]:
    """Something like a bone with noise and a marker, 0 to 1."""
    random = np.random.default_rng(20)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64) * (_ROWS / rows)
    film = 0.15 + 0.2 * x / _COLUMNS
    film += 0.5 * np.exp(-(((x - 34) / 9) ** 2)) * (1 - 0.4 * np.exp(-(((y - 22) / 4) ** 2)))
    film[(y >= 3) & (y < 9) & (x >= 4) & (x < 12)] = 0.97
    noisy: NDArray[np.float64] = np.clip(film + random.normal(0, 0.015, film.shape), 0.0, 1.0)
    return noisy


def _save_dicom(values: NDArray[np.uint16], path: Path, *, window: bool) -> None:
    """12 bits, MONOCHROME1, with a padding value, and perhaps with a window."""
    film = Dataset()
    film.SOPClassUID, film.SOPInstanceUID = ComputedRadiographyImageStorage, f"{_UID}.1"
    film.StudyInstanceUID, film.SeriesInstanceUID = f"{_UID}.2", f"{_UID}.3"
    film.Modality, film.PatientName, film.PatientID = "CR", "Reference^Film", "REFERENCE"
    film.Rows, film.Columns = values.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME1"
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    if window:
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
