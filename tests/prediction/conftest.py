"""DICOM, TIFF and the real command, for the tests of archives."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

UID = "1.2.826.0.1.3680043.8.498."


def write_dicom(path: Path, pixels: np.ndarray, **tags: object) -> Path:
    """A DICOM of uint8 pixels ``(rows, columns)`` or ``(frames, rows, columns)``."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    film = Dataset()
    film.SOPClassUID = DigitalXRayImageStorageForPresentation
    film.SOPInstanceUID = UID + "1"
    film.Rows, film.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        film.NumberOfFrames = len(pixels)
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit, film.PixelRepresentation = 7, 0
    film.WindowCenter, film.WindowWidth = 128, 256
    for keyword, value in tags.items():
        setattr(film, keyword, value)
    film.PixelData = pixels.tobytes()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    film.save_as(path, enforce_file_format=True)
    return path


def grey_pixels(seed: int, *frames: int) -> np.ndarray:
    """Pixels that no other seed has, ``(*frames, 40, 32)``."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 180, (*frames, 1, 1))
    return (level + rng.integers(0, 70, (*frames, 40, 32))).astype(np.uint8)


@dataclass
class Done:
    """What a command said and wrote."""

    code: int
    said: str
    out: Path
    rows: list[dict[str, str]] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> dict[str, str]:
        return {row["path"]: row["status"] for row in self.rows}


@pytest.fixture
def predict(tiny_model: Path, tmp_path: Path) -> Callable[..., Done]:
    """Run ``xraybatch predict`` in the test's folder; its code, its words and its table."""

    def run(*arguments: object, out: str = "r.csv", salt: str = "", start: str = "") -> Done:
        begin = ("-c", start) if start else ("-m", "xraybatch")
        environment = {**os.environ, **({"XRAYBATCH_SALT": salt} if salt else {})}
        done = subprocess.run(
            [
                *(sys.executable, *begin, "predict", *map(str, arguments), "--out", out),
                *("--model", str(tiny_model), "--device", "cpu"),
            ],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        found = Done(done.returncode, " ".join((done.stdout + done.stderr).split()), tmp_path / out)
        if found.out.is_file() and (tmp_path / f"{out}.run.json").is_file():
            with found.out.open(encoding="utf-8", newline="") as file:
                found.rows = list(csv.DictReader(file))
            found.record = json.loads((tmp_path / f"{out}.run.json").read_text())
        return found

    return run
