"""Planted identifiers stand in no log, console, record, model or report."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PATIENTS = [f"MRN{n:05}" for n in range(70001, 70025)]
NAME = "MUELLER^HANS"


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    """DICOM and PNG files named after patients, and a table as hospitals have them.

    Semicolons, a byte order mark, 0 and 1 for classes, patients 007 and 7, names without suffix.
    """
    from PIL import Image
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    films = tmp_path / "films"
    films.mkdir()
    rng = np.random.default_rng(1)
    rows = ["path;label;patient"]
    for i, patient in enumerate(PATIENTS):
        label = "01"[i % 2]
        pixels = rng.integers(0, 120 + 100 * (i % 2), (40, 32)).astype(np.uint8)
        if i % 3:
            name = f"{patient}_{i}.png"
            Image.fromarray(pixels).save(films / name)
        else:
            name = f"{patient}_{i}.dcm"
            film = Dataset()
            film.PatientName, film.PatientID = NAME, patient
            film.SOPClassUID = SecondaryCaptureImageStorage
            film.SOPInstanceUID = generate_uid()
            film.Rows, film.Columns = pixels.shape
            film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
            film.BitsAllocated = film.BitsStored = 8
            film.HighBit, film.PixelRepresentation = 7, 0
            film.PixelData = pixels.tobytes()
            film.file_meta = FileMetaDataset()
            film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            film.save_as(films / name, enforce_file_format=True)
        rows.append(f"{Path(name).stem};{label};{patient}")
    for i, patient in enumerate(("007", "007", "7", "7")):
        pixels = rng.integers(0, 120 + 100 * (i % 2), (40, 32)).astype(np.uint8)
        Image.fromarray(pixels).save(films / f"bond{i}.png")
        rows.append(f"bond{i};{i % 2};{patient}")
    (films / f"{PATIENTS[3]}_cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    rows.append(f"{PATIENTS[3]}_cut;1;{PATIENTS[3]}")
    rows.append(f"{PATIENTS[5]}_gone;1;{PATIENTS[5]}")
    (tmp_path / "labels.csv").write_text("\ufeff" + "\r\n".join(rows), encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "xraybatch", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.train
def test_planted_identifiers_are_only_in_the_tables_a_person_asked_for(hospital: Path) -> None:
    labels = ("--label-map", "0=normal,1=osteoporosis")
    train = ("train", "--plugin", "narrow", "--data", "films", "--labels", "labels.csv", *labels)
    small = ("--image-size", "32", "--epochs", "1", "--weights", "none", "--no-cache")
    log = ("--log-file", "log.jsonl")
    positive = ("--positive", "osteoporosis")
    consoles = run(hospital, *train, *small, *positive, "--out", "run", *log)
    consoles += run(hospital, "predict", "films", "--model", "run", "--out", "r.csv", *log)
    report = ("--report", "score.md", "--report", "score.json")
    consoles += run(hospital, "score", "r.csv", "labels.csv", *labels, *log, *report)
    # the tables that hold films and patients because that is what they are for
    tables = {
        "labels.csv",
        "r.csv",
        "r.csv.job",
        "split.csv",
        "left-out.csv",
        "predictions-test.csv",
    }
    told = {"the console": consoles}
    for path in hospital.rglob("*"):
        if path.is_file() and path.name not in tables and "films" not in path.parts:
            told[str(path.relative_to(hospital))] = path.read_bytes().decode("latin-1")
    assert {"log.jsonl", "score.md", "r.csv.run.json", "run/model.onnx"} <= set(told)
    for where, text in told.items():
        for planted in (*PATIENTS, NAME, "MUELLER"):
            assert planted not in text, f"{planted} stands in {where}"
    report = json.loads((hospital / "score.json").read_text())
    assert report["join"]["matched"] == 29
    assert report["join"]["failed"] == {"truncated": 1}
    assert report["join"]["patients"] == len(PATIENTS) + 2  # 007 and 7 are two
    assert "file name, without the results' suffix" in report["join"]["matched_by"]
    assert report["tasks"][0]["positive"] == "osteoporosis"
    with (hospital / "run" / "split.csv").open() as split:
        parts = {row["patient"]: row["split"] for row in csv.DictReader(split)}
    assert {"007", "7"} <= set(parts)
    kinds = [json.loads(line)["kind"] for line in (hospital / "log.jsonl").open()]
    assert kinds.count("begin") == kinds.count("end") == 3


def test_an_error_about_a_film_names_it_to_the_person_and_not_to_the_log(hospital: Path) -> None:
    rows = (hospital / "labels.csv").read_text(encoding="utf-8-sig").splitlines()
    twice = rows[1].replace(";0;", ";1;")
    (hospital / "labels.csv").write_text("\n".join([*rows, twice]))
    table = "path,status,label,prob.0,prob.1,error\n" + f"{PATIENTS[0]}_0,ok,0,1,0,\n"
    (hospital / "r.csv").write_text(table)
    arguments = ["score", "r.csv", "labels.csv", "--positive", "1", "--log-file", "log.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "xraybatch", *arguments],
        cwd=hospital,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert PATIENTS[0] in done.stderr
    log = (hospital / "log.jsonl").read_text()
    assert '"InputError"' in log
    assert PATIENTS[0] not in log
