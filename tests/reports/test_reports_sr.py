"""Structured reports: what the table says of a film, in the film's study, and nothing else."""

from __future__ import annotations

import os
import shutil
import uuid
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.reports.sr_tables import (
    FINDINGS,
    GRADE,
    NAME,
    ROOT,
    SIDE,
    Table,
    coded,
    dsrdump,
    groups,
    name_of,
    numbers,
    predict,
    read_all,
    sealed,
    source_of,
    texts,
    walk,
    write_film,
)
from xraybatch.core.errors import InputError, ModelError, UsageError
from xraybatch.models.card import TaskCard
from xraybatch.models.model import load_model
from xraybatch.prediction.record import read_record, write_record
from xraybatch.reports.structured.write import write_reports
from xraybatch.sources.films import find_films
from xraybatch.sources.manifest import write_manifest

highdicom = pytest.importorskip("highdicom", reason="highdicom is not installed: xraybatch[pacs]")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    for number in range(4):
        write_film(folder / f"{number}.dcm", number)
    return folder


@pytest.fixture
def table(tiny_model: Path, films: Path, tmp_path: Path) -> Table:
    return predict(tiny_model, films, tmp_path / "r.csv")


def same_number(a: float, text: str) -> bool:
    return np.float32(a).tobytes() == np.float32(text).tobytes()


def test_each_film_has_its_report_with_the_numbers_of_its_row(table: Table, tmp_path: Path) -> None:
    done = table.report(tmp_path / "out")
    assert (done.rows, done.written, done.unchanged, done.left_out) == (4, 4, 0, {})
    for number, (row, report) in enumerate(
        zip(table.rows, read_all(tmp_path / "out"), strict=True)
    ):
        assert source_of(report).ReferencedSOPInstanceUID == f"{ROOT}3.{number}"
        (items,) = groups(report).values()
        found = numbers(items)
        assert len(found) == 3
        assert all(same_number(found[name], row[f"prob.{name}"]) for name in found)
        assert coded(items) == [("label", row["label"])]


def test_a_report_is_of_the_patient_and_the_study_of_its_film(table: Table, tmp_path: Path) -> None:
    table.report(tmp_path / "out")
    reports = read_all(tmp_path / "out")
    for number, report in enumerate(reports):
        assert str(report.PatientName) == NAME
        assert report.PatientID == f"PID-{number // 2}"
        assert (report.PatientBirthDate, report.PatientSex) == ("19500203", "F")
        assert report.StudyInstanceUID == f"{ROOT}1.{number // 2}"
        assert (report.StudyDate, report.StudyTime, report.StudyID) == ("20240105", "101500", "S1")
        assert report.AccessionNumber == f"ACC{number // 2}"
        assert str(report.ReferringPhysicianName) == "Arzt^Anna"
        (study,) = report.CurrentRequestedProcedureEvidenceSequence
        (series,) = study.ReferencedSeriesSequence
        assert study.StudyInstanceUID == report.StudyInstanceUID
        assert series.SeriesInstanceUID == f"{ROOT}2.{number // 2}" != report.SeriesInstanceUID
    # the reports of a study are one new series
    series_of = [report.SeriesInstanceUID for report in reports]
    assert series_of[0] == series_of[1] != series_of[2] == series_of[3]


def test_it_says_that_it_is_not_for_diagnosis_and_who_computed_it(
    table: Table, tmp_path: Path
) -> None:
    table.report(tmp_path / "out")
    seal = load_model(table.model).seal
    for report in read_all(tmp_path / "out"):
        assert report.Modality == "SR"
        assert report.SOPClassUID.name == "Comprehensive SR Storage"
        flags = (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag)
        assert flags == ("PARTIAL", "UNVERIFIED", "PRELIMINARY")
        assert report.SeriesDescription == "NOT FOR DIAGNOSIS: xraybatch tiny"
        assert "NOT FOR DIAGNOSIS" in texts(report)
        assert "Not a medical device" in texts(report)  # the card's intended use
        assert seal in texts(report)
        assert report.DeviceSerialNumber == seal
        assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
        said = {name_of(item): item for item in walk(report)}
        assert said["Algorithm Name"].TextValue == "tiny"
        assert said["Algorithm Version"].TextValue.endswith(seal[:12])
        # before any number
        assert [i.ValueType for i in report.ContentSequence][-2:] == ["TEXT", "CONTAINER"]


def test_highdicom_reads_the_same_probabilities_back(table: Table, tmp_path: Path) -> None:
    table.report(tmp_path / "out")
    for row, report in zip(table.rows, read_all(tmp_path / "out"), strict=True):
        read = highdicom.sr.ComprehensiveSR.from_dataset(report)
        (group,) = read.content.get_image_measurement_groups()
        assert group.tracking_identifier == "label"
        found = {str(m.name.meaning): m.value for m in group.get_measurements()}
        assert all(same_number(found[name], row[f"prob.{name}"]) for name in found)
        assert len(found) == 3
        (image,) = group.source_images
        assert image.referenced_sop_instance_uid == source_of(report).ReferencedSOPInstanceUID


def test_dcmtk_reads_every_report(table: Table, tmp_path: Path) -> None:
    table.report(tmp_path / "out")
    files = sorted((tmp_path / "out").glob("*.dcm"))
    assert len(files) == 4
    for file in files:
        said = dsrdump(file)
        assert "NOT FOR DIAGNOSIS" in said
        assert '"osteoporosis")="0.' in said
        assert f"{ROOT}3." in said


def test_the_same_command_again_writes_nothing(table: Table, tmp_path: Path) -> None:
    out = tmp_path / "out"
    table.report(out)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()}
    done = table.report(out)
    assert (done.written, done.unchanged) == (0, 4)
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()}
    assert after == before


def test_a_report_depends_on_film_and_run_alone(table: Table, films: Path, tmp_path: Path) -> None:
    table.report(tmp_path / "out")
    moved = shutil.move(films, tmp_path / "elsewhere")
    table.report(tmp_path / "again", films=[moved])
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == first
    for report in read_all(tmp_path / "out"):
        # dated by the run, not by the clock
        finished = read_record(table.path).finished
        assert f"{report.ContentDate}{report.ContentTime}" == "".join(
            c for c in finished[:19] if c.isdigit()
        )
        assert report.InstanceCreationDate == report.ContentDate


def test_identifiers_follow_from_film_and_model(
    table: Table, tiny_graph: bytes, films: Path, tmp_path: Path
) -> None:
    table.report(tmp_path / "out")
    names = {path.stem for path in (tmp_path / "out").iterdir()}
    assert names == {report.SOPInstanceUID for report in read_all(tmp_path / "out")}
    for name in names:
        assert name.startswith("2.25.")
        assert len(name) <= 64
        assert uuid.UUID(int=int(name.removeprefix("2.25."))).version == 5
    # another run of the same model has the same names, another model others
    again = predict(table.model, films, tmp_path / "again.csv")
    again.report(tmp_path / "again")
    assert {path.stem for path in (tmp_path / "again").iterdir()} == names
    other = sealed(tiny_graph, tmp_path / "other.onnx", GRADE)
    predict(other, films, tmp_path / "other.csv").report(tmp_path / "other")
    assert names.isdisjoint(path.stem for path in (tmp_path / "other").iterdir())


def test_nothing_that_is_there_is_overwritten(table: Table, tmp_path: Path) -> None:
    out = tmp_path / "out"
    table.report(out)
    one = min(out.iterdir())
    one.write_bytes(b"kept")
    done = table.report(out)
    assert (done.written, done.unchanged) == (0, 3)
    assert list(done.left_out.values()) == [1]
    assert "says something else" in next(iter(done.left_out))
    assert one.read_bytes() == b"kept"


def test_several_tasks_of_every_kind(three_tasks: bytes, films: Path, tmp_path: Path) -> None:
    model = sealed(three_tasks, tmp_path / "m.onnx", GRADE, FINDINGS, SIDE)
    table = predict(model, films, tmp_path / "r.parquet")
    table.report(tmp_path / "out")
    for row, report in zip(table.rows, read_all(tmp_path / "out"), strict=True):
        found = groups(report)
        assert list(found) == ["label", "findings", "side"]
        for entry in (GRADE, FINDINGS, SIDE):
            task = entry.task
            of_classes = numbers(found[task.name])
            assert list(of_classes) == list(task.classes)
            for name, number in of_classes.items():
                assert same_number(number, row[f"{task.name}.prob.{name}"])
        assert coded(found["label"]) == [("label", row["label"])]
        assert coded(found["side"]) == [("side", row["side"])]
        assert coded(found["findings"]) == [
            (name, "Present" if row[f"findings.pred.{name}"] == "1" else "Absent")
            for name in FINDINGS.task.classes
        ]
        assert "threshold: effusion 0.25, fracture 0.5, цемент 0.75" in texts(report)
        assert "chosen on validation films" in texts(report)
        assert "threshold: right 0.375" in texts(report)
        assert "grade 0, grade 1, grade 2" in texts(report)
    assert {row["findings.pred.fracture"] for row in table.rows} == {"0", "1"}
    for file in (tmp_path / "out").iterdir():
        assert "цемент" in dsrdump(file)


def test_numbers_and_decisions_are_those_after_calibration(
    tiny_graph: bytes, films: Path, tmp_path: Path
) -> None:
    calibration = {"method": "temperature", "temperature": [3.0], "fitted_on": "validation films"}
    model = sealed(tiny_graph, tmp_path / "m.onnx", replace(GRADE, calibration=calibration))
    plain = sealed(tiny_graph, tmp_path / "plain.onnx", GRADE)
    table = predict(model, films, tmp_path / "r.csv")
    raw = predict(plain, films, tmp_path / "raw.csv")
    table.report(tmp_path / "out")
    reports = read_all(tmp_path / "out")
    for row, other, report in zip(table.rows, raw.rows, reports, strict=True):
        found = numbers(groups(report)["label"])
        assert all(same_number(found[name], row[f"prob.{name}"]) for name in found)
        assert not same_number(found["grade 0"], other["prob.grade 0"])
        assert "calibrated (temperature)" in texts(report)


def test_sets_and_abstaining_are_told(tiny_graph: bytes, films: Path, tmp_path: Path) -> None:
    conformal = {"score": "lac", "coverage": 0.9, "levels": [0.7], "fitted_on": "validation films"}
    model = sealed(tiny_graph, tmp_path / "m.onnx", replace(GRADE, conformal=conformal))
    table = predict(model, films, tmp_path / "r.csv")
    table.report(tmp_path / "out")
    for row, report in zip(table.rows, read_all(tmp_path / "out"), strict=True):
        said = coded(groups(report)["label"])
        inside = [value for what, value in said if what.startswith("In the set")]
        assert inside == [name for name in row["set"].split("|") if name]
        (abstains,) = [value for what, value in said if "abstains" in what]
        assert abstains == {"0": "No", "1": "Yes"}[row["abstain"]]
        assert "coverage 0.9" in texts(report)


def test_a_class_has_the_code_that_a_person_gives(table: Table, tmp_path: Path) -> None:
    table.report(tmp_path / "plain")
    done = table.report(
        tmp_path / "out", code=["osteoporosis=64859006:SCT:Osteoporosis", "label=1:99ME:Bone"]
    )
    assert done.written == 4
    for row, report in zip(table.rows, read_all(tmp_path / "out"), strict=True):
        items = groups(report)["label"]
        codes = [i.ConceptNameCodeSequence[0] for i in items if i.ValueType == "NUM"]
        assert [(c.CodeValue, c.CodingSchemeDesignator) for c in codes][2] == ("64859006", "SCT")
        assert {c.CodingSchemeDesignator for c in codes[:2]} == {"99XRAYBATCH"}
        meaning = "Osteoporosis" if row["label"] == "osteoporosis" else row["label"]
        assert coded(items) == [("Bone", meaning)]
    # an object that says something else has another name
    plain = {path.name for path in (tmp_path / "plain").iterdir()}
    assert plain.isdisjoint(path.name for path in (tmp_path / "out").iterdir())
    (scheme,) = report.CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99XRAYBATCH"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("osteoporosi=1:SCT:X", "Did you mean 'osteoporosis'?"),
        ("osteoporosis=1:SCT", "is no code"),
        ("osteoporosis", "names no code"),
        ("osteoporosis=1::X", "is no code"),
        ("osteoporosis=1:SCT:" + "x" * 65, "longer than 64"),
        ("osteoporosis=1:SCT:a\\b", "does not allow"),
        ("osteoporosis=1:SCHEMEOFTOOMANYLETTERS:X", "longer than 16"),
    ],
)
def test_a_code_that_is_none_is_refused(table: Table, tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        table.report(tmp_path / "out", code=[code])
    assert said in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_code_given_twice_is_refused(table: Table, tmp_path: Path) -> None:
    twice = ["osteoporosis=1:SCT:X", "label.osteoporosis=2:SCT:Y"]
    with pytest.raises(UsageError, match="twice"):
        table.report(tmp_path / "out", code=twice)


def frames_of(report: Dataset) -> list[int]:
    return [int(n) for n in np.atleast_1d(source_of(report).get("ReferencedFrameNumber", []))]


def test_a_frame_has_a_report_of_its_own(tiny_model: Path, tmp_path: Path) -> None:
    write_film(tmp_path / "films" / "three.dcm", 1, 3)
    write_film(tmp_path / "films" / "one.dcm", 2)
    table = predict(tiny_model, tmp_path / "films", tmp_path / "r.csv", frames="all")
    assert table.report(tmp_path / "out").written == 4
    found = {}
    for report in read_all(tmp_path / "out"):
        key = (source_of(report).ReferencedSOPInstanceUID[-1], tuple(frames_of(report)))
        found[key] = numbers(groups(report)["label"])
        dsrdump(tmp_path / "out" / f"{report.SOPInstanceUID}.dcm")
    assert set(found) == {("1", (1,)), ("1", (2,)), ("1", (3,)), ("2", ())}
    for row in table.rows:
        frames = (int(row["frame"]) + 1,) if row["frame"] else ()
        of_row = found["1" if frames else "2", frames]
        assert all(same_number(of_row[name], row[f"prob.{name}"]) for name in of_row)


def test_a_film_read_as_its_first_frame_refers_to_that(tiny_model: Path, tmp_path: Path) -> None:
    write_film(tmp_path / "films" / "three.dcm", 1, 3)
    table = predict(tiny_model, tmp_path / "films", tmp_path / "r.csv")
    table.report(tmp_path / "out")
    (report,) = read_all(tmp_path / "out")
    assert frames_of(report) == [1]


def test_what_gets_no_report_is_counted_by_reason(
    tiny_model: Path, grey_films: Path, films: Path, tmp_path: Path
) -> None:
    shutil.copy(grey_films / "b b" / "film0.png", films / "a.png")
    (films / "broken.dcm").write_bytes((films / "0.dcm").read_bytes()[:900])
    (films / "empty.dcm").touch()
    table = predict(tiny_model, films, tmp_path / "r.csv")
    (films / "1.dcm").unlink()
    (films / "2.dcm").write_bytes((films / "3.dcm").read_bytes() + b"\0\0")
    os.utime(films / "3.dcm", ns=(1, 1))
    done = table.report(tmp_path / "out")
    status = {row["path"]: row["status"] for row in table.rows}
    assert (done.rows, done.written) == (7, 1)
    assert done.left_out == {
        "no DICOM": 1,
        f"no answer: {status['broken.dcm']}": 1,
        "no answer: empty": 1,
        "the film is gone": 1,
        "the film changed since the run": 2,
    }
    (report,) = read_all(tmp_path / "out")
    assert source_of(report).ReferencedSOPInstanceUID.endswith("3.0")


def test_films_in_an_archive_and_in_a_manifest(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "films.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(films.iterdir()):
            file.write(path, path.name)
    zipped = predict(tiny_model, archive, tmp_path / "zip.csv")
    assert zipped.report(tmp_path / "zip").written == 4
    table = predict(tiny_model, films, tmp_path / "r.csv")
    write_manifest(find_films([films]).items, tmp_path / "films.parquet")
    (tmp_path / "r.csv.job").unlink()
    assert table.report(tmp_path / "out", manifest=tmp_path / "films.parquet").written == 4
    names = [sorted(path.name for path in (tmp_path / one).iterdir()) for one in ("zip", "out")]
    assert names[0] == names[1]
    write_film(films / "0.dcm", 7)  # another film under the name of the one that was answered
    done = table.report(tmp_path / "later", manifest=tmp_path / "films.parquet")
    assert done.left_out == {"the film changed since the run": 1}


def test_where_the_films_lie_must_be_known(table: Table, films: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv.job").unlink()
    with pytest.raises(InputError, match="--films FOLDER, or its manifest"):
        table.report(tmp_path / "out")
    assert table.report(tmp_path / "out", films=[films]).written == 4


def test_a_table_that_was_changed_is_refused(table: Table, tmp_path: Path) -> None:
    text = table.path.read_text().replace("osteo", "oste0", 1)
    table.path.write_text(text)
    with pytest.raises(InputError, match="not byte for byte"):
        table.report(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_with_a_broken_seal_gets_no_reports(table: Table, tmp_path: Path) -> None:
    record = read_record(table.path)
    broken = replace(record, model={**record.model, "broken_seal": "It does not hold."})
    write_record(broken, table.path)
    with pytest.raises(ModelError, match="changed since it was made"):
        table.report(tmp_path / "out")


def test_two_films_of_one_identifier_are_not_mixed_up(tiny_model: Path, tmp_path: Path) -> None:
    write_film(tmp_path / "films" / "a.dcm", 1)
    other = write_film(tmp_path / "films" / "b.dcm", 2, SOPInstanceUID=f"{ROOT}3.1")
    shutil.copy(tmp_path / "films" / "a.dcm", tmp_path / "films" / "copy.dcm")
    assert other.exists()
    table = predict(tiny_model, tmp_path / "films", tmp_path / "r.csv")
    done = table.report(tmp_path / "out")
    # a copy has the same report; another picture under the same identifier has none
    assert (done.written, done.unchanged, sum(done.left_out.values())) == (1, 1, 1)
    (report,) = read_all(tmp_path / "out")
    found = numbers(groups(report)["label"])
    assert all(same_number(found[name], table.rows[0][f"prob.{name}"]) for name in found)


def test_a_task_of_long_names_and_odd_letters(
    tiny_graph: bytes, films: Path, tmp_path: Path
) -> None:
    from xraybatch.core.tasks import Task, TaskKind

    names = ("x" * 80 + "1", "x" * 80 + "2", "骨折\\<b>&")
    task = TaskCard(Task("label", TaskKind.MULTICLASS, names))
    model = sealed(tiny_graph, tmp_path / "m.onnx", task, name="名前 " + "y" * 90)
    table = predict(model, films, tmp_path / "r.csv")
    assert (
        write_reports(
            table.path, read_record(table.path), load_model(model), tmp_path / "out"
        ).written
        == 4
    )
    for file in (tmp_path / "out").iterdir():
        assert "骨折/<b>&" in dsrdump(file)
    (codes, *_) = [
        [i.ConceptNameCodeSequence[0] for i in groups(report)["label"] if i.ValueType == "NUM"]
        for report in read_all(tmp_path / "out")
    ]
    assert len({code.CodeValue for code in codes}) == 3  # names that are cut alike stay apart
    assert all(len(code.CodeMeaning) <= 64 for code in codes)
