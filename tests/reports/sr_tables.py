"""Films of patients who do not exist, tables of them, and reports read without our own code."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.images.rule import DecodingRule
from xraybatch.models.card import Card, TaskCard
from xraybatch.models.model import load_model
from xraybatch.models.seal import write_sealed
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.reading import read_rows
from xraybatch.prediction.record import read_record
from xraybatch.prediction.run import predict_items
from xraybatch.reports.structured.write import Reported, write_reports
from xraybatch.sources.films import find_films

ROOT = "1.2.826.0.1.3680043.8.498."
DSRDUMP = shutil.which("dsrdump")
NAME = "Testfrau^Erna"
_NO_UNICODE = "The VR checker does not support"  # of dcmtk, which reads it all the same


def write_film(
    path: Path, number: int, *frames: int, drop: tuple[str, ...] = (), **tags: Any
) -> Path:
    """A DX film with the header that a hospital's has; keywords replace or add tags."""
    rng = np.random.default_rng(number)
    level = rng.integers(0, 180, (*frames, 1, 1))
    pixels = (level + rng.integers(0, 70, (*frames, 40, 32))).astype(np.uint8)
    film = Dataset()
    film.SOPClassUID = DigitalXRayImageStorageForPresentation
    film.SOPInstanceUID = f"{ROOT}3.{number}"
    film.SeriesInstanceUID = f"{ROOT}2.{number // 2}"
    film.StudyInstanceUID = f"{ROOT}1.{number // 2}"
    film.PatientName, film.PatientID = NAME, f"PID-{number // 2}"
    film.PatientBirthDate, film.PatientSex = "19500203", "F"
    film.StudyDate, film.StudyTime = "20240105", "101500"
    film.AccessionNumber, film.StudyID = f"ACC{number // 2}", "S1"
    film.StudyDescription, film.ReferringPhysicianName = "Knee", "Arzt^Anna"
    film.Modality, film.InstanceNumber = "DX", number + 1
    film.Rows, film.Columns = pixels.shape[-2:]
    if frames:
        film.NumberOfFrames = frames[0]
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated = film.BitsStored = 8
    film.HighBit, film.PixelRepresentation = 7, 0
    film.WindowCenter, film.WindowWidth = 128, 256
    for keyword, value in tags.items():
        setattr(film, keyword, value)
    for keyword in drop:
        delattr(film, keyword)
    film.PixelData = pixels.tobytes()
    film.preamble = b"\0" * 128
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    film.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}3.{number}"
    path.parent.mkdir(parents=True, exist_ok=True)
    film.save_as(path, enforce_file_format=False, little_endian=True, implicit_vr=False)
    return path


@dataclass(frozen=True)
class Table:
    """A results table, and how its reports are made."""

    path: Path
    model: Path

    @property
    def rows(self) -> list[dict[str, str]]:
        return list(read_rows(self.path))

    def report(self, out: Path, **options: Any) -> Reported:
        record = read_record(self.path)
        return write_reports(self.path, record, load_model(self.model), out, **options)


def predict(model: Path, films: Path, out: Path, **options: Any) -> Table:
    chosen = PredictOptions(device="cpu", workers=0, **options)
    predict_items(find_films([films], archives=True).items, load_model(model), out, options=chosen)
    return Table(out, model)


def sealed(graph: bytes, target: Path, *tasks: TaskCard, **card: Any) -> Path:
    """A model of 32 × 24 films with these tasks."""
    described = {"name": "tiny", "created": "2026-11-21T00:00:00+00:00", **card}
    write_sealed(graph, Card(tasks, DecodingRule(32, 24), **described).to_json(), target)
    return target


FINDINGS = TaskCard(
    Task("findings", TaskKind.MULTILABEL, ("effusion", "fracture", "цемент")),
    thresholds=(0.25, 0.5, 0.75),
    threshold_origin="chosen on validation films",
)
GRADE = TaskCard(Task("label", TaskKind.ORDINAL, ("grade 0", "grade 1", "grade 2")))
SIDE = TaskCard(Task("side", TaskKind.BINARY, ("left", "right"), "right"), thresholds=(0.375,))


def read_all(folder: Path) -> list[pydicom.Dataset]:
    """The reports of a folder, in the order of the films that they are about."""
    found = [pydicom.dcmread(path) for path in folder.glob("*.dcm")]
    return sorted(found, key=lambda one: source_of(one).ReferencedSOPInstanceUID)


def source_of(report: Dataset) -> Dataset:
    """The reference to the image."""
    (image,) = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID: item.ReferencedSOPSequence[0]
        for item in walk(report)
        if item.ValueType == "IMAGE"
    }.values()
    return image


def walk(node: Dataset) -> Iterator[Dataset]:
    """All items of a report's tree."""
    for item in node.get("ContentSequence", []):
        yield item
        yield from walk(item)


def name_of(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def groups(report: Dataset) -> dict[str, list[Dataset]]:
    """The items of each measurement group, by the name of its task."""
    found = {}
    for item in walk(report):
        if name_of(item) == "Measurement Group":
            inside = list(item.ContentSequence)
            (task,) = [i.TextValue for i in inside if name_of(i) == "Tracking Identifier"]
            found[task] = inside
    return found


def numbers(items: list[Dataset]) -> dict[str, float]:
    """The measurements of a group, by the meaning of their code."""
    return {
        name_of(item): float(item.MeasuredValueSequence[0].FloatingPointValue)
        for item in items
        if item.ValueType == "NUM"
    }


def coded(items: list[Dataset]) -> list[tuple[str, str]]:
    """The coded statements of a group: what, and the meaning of its value."""
    return [
        (name_of(item), item.ConceptCodeSequence[0].CodeMeaning)
        for item in items
        if item.ValueType == "CODE" and item.RelationshipType == "CONTAINS"
    ]


def texts(report: Dataset) -> str:
    return "\n".join(item.TextValue for item in walk(report) if item.ValueType == "TEXT")


def dsrdump(path: Path) -> str:
    """What dcmtk makes of a report; a report that it complains about fails the test."""
    if DSRDUMP is None:
        pytest.skip("this machine cannot: dsrdump of dcmtk is not installed")
    done = subprocess.run(
        [DSRDUMP, "+Pc", "+Pl", "+Pu", str(path)], capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    said = [line for line in done.stderr.decode(errors="replace").splitlines() if line]
    assert [line for line in said if _NO_UNICODE not in line] == []
    return done.stdout.decode("utf-8")
