"""Headers as devices and people fill them in: copied as they stand, or no report at all."""

from __future__ import annotations

import io
import random
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.reports.sr_tables import NAME, ROOT, SIDE, Table, dsrdump, predict, read_all, write_film
from xraybatch.reports.structured.write import Reported

pytest.importorskip("highdicom", reason="highdicom is not installed: xraybatch[pacs]")


@pytest.fixture
def one(tiny_model: Path, tmp_path: Path) -> Any:
    """The report of one film with a header; None where it gets none, with what was counted."""

    def make(**tags: Any) -> tuple[pydicom.Dataset | None, Reported]:
        write_film(tmp_path / "films" / "a.dcm", 1, **tags)
        table = predict(tiny_model, tmp_path / "films", tmp_path / "r.csv")
        assert table.rows[0]["status"] == "ok"
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning of a library quotes the header
            done = Table(table.path, table.model).report(tmp_path / "out")
        if not done.written:
            return None, done
        (report,) = read_all(tmp_path / "out")
        return report, done

    return make


def rawly(path: Path, before: bytes, after: bytes) -> None:
    """Put other bytes of the same number into a film."""
    content = path.read_bytes()
    assert content.count(before) == 1
    assert len(before) == len(after)
    path.write_bytes(content.replace(before, after))


@pytest.mark.parametrize(
    ("keyword", "said"),
    [
        ("StudyInstanceUID", "no Study Instance UID"),
        ("SeriesInstanceUID", "no Series Instance UID"),
        ("SOPInstanceUID", "no SOP Instance UID"),
        ("SOPClassUID", "no SOP Class UID"),
    ],
)
def test_what_ties_a_report_to_its_film_must_be_there(one: Any, keyword: str, said: str) -> None:
    report, done = one(drop=(keyword,))
    assert report is None
    assert done.left_out == {said: 1}


def test_a_film_of_nobody_has_a_report_of_nobody(one: Any, tmp_path: Path) -> None:
    whose = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber")
    report, _ = one(drop=(*whose, "StudyID", "StudyDate", "StudyTime", "InstanceNumber"))
    assert report is not None
    for keyword in (*whose, "StudyID", "StudyDate", "StudyTime"):
        assert not report[keyword].value  # there and empty, as the standard has it
    assert report.InstanceNumber == 1
    dsrdump(tmp_path / "out" / f"{report.SOPInstanceUID}.dcm")


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müßig^Jürgen"),
        ("ISO_IR 144", "Люкceмбypг^Роза"),
        ("ISO_IR 192", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
def test_names_of_every_script(one: Any, tmp_path: Path, character_set: Any, name: str) -> None:
    report, _ = one(SpecificCharacterSet=character_set, PatientName=name)
    assert report is not None
    assert str(report.PatientName) == name
    assert report.SpecificCharacterSet == "ISO_IR 192"
    dsrdump(tmp_path / "out" / f"{report.SOPInstanceUID}.dcm")


@pytest.mark.filterwarnings("ignore::UserWarning")  # of pydicom, when the test reads them
def test_long_values_are_whole(one: Any) -> None:
    long = {"PatientName": "N" * 200, "PatientID": "7" * 100, "AccessionNumber": "4" * 40}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report, _ = one(**long)
    assert report is not None
    assert {word: str(report[word].value) for word in long} == long


def test_dates_that_are_none_stay_empty(tiny_model: Path, tmp_path: Path) -> None:
    film = write_film(tmp_path / "films" / "a.dcm", 1)
    rawly(film, b"19500203", b"19500231")
    rawly(film, b"20240105", b"DROP TBL")
    rawly(film, b"101500", b"999999")
    table = predict(tiny_model, tmp_path / "films", tmp_path / "r.csv")
    table.report(tmp_path / "out")
    (report,) = read_all(tmp_path / "out")
    assert [report[w].value for w in ("PatientBirthDate", "StudyDate", "StudyTime")] == [""] * 3


@pytest.mark.parametrize("control", [b"\x00", b"\n", b"\\"])
def test_a_name_is_cleaned_and_an_identifier_is_not(
    tiny_model: Path, tmp_path: Path, control: bytes
) -> None:
    film = write_film(tmp_path / "films" / "a.dcm", 1)
    rawly(film, b"Testfrau^", b"Test" + control + b"rau^")
    table = predict(tiny_model, tmp_path / "films", tmp_path / "r.csv")
    table.report(tmp_path / "out")
    (report,) = read_all(tmp_path / "out")
    assert str(report.PatientName) == "Test rau^Erna"
    rawly(film, b"PID-0", b"PI" + control + b"-0")
    again = predict(tiny_model, tmp_path / "films", tmp_path / "again.csv")
    done = again.report(tmp_path / "again")
    # a mended number would be that of somebody else
    assert done.left_out == {"an identifier of patient or study that cannot be read": 1}


@pytest.mark.parametrize(
    "uid", [b"1.2.826.0.1.3680043.8.498.1.A", b"../../../../../../etc/passwd "]
)
def test_an_identifier_that_is_none_is_refused(
    tiny_model: Path, tmp_path: Path, uid: bytes
) -> None:
    film = write_film(tmp_path / "films" / "a.dcm", 1, StudyInstanceUID=f"{ROOT}1.9")
    rawly(film, f"{ROOT}1.9".encode(), uid[: len(f"{ROOT}1.9")].ljust(len(f"{ROOT}1.9")))
    table = predict(tiny_model, tmp_path / "films", tmp_path / "r.csv")
    done = table.report(tmp_path / "out")
    assert done.left_out == {"an identifier in the header that is no UID": 1}


@pytest.mark.parametrize("of_class", ["1.2.3.4.5", "1.2.840.10008.5.1.4.1.1.481.2"])
def test_an_object_that_is_no_image_gets_no_report(one: Any, of_class: str) -> None:
    report, done = one(SOPClassUID=of_class)  # private, and a dose, which dsrdump refuses
    assert report is None
    assert done.left_out == {"an object of no class of images": 1}


def test_times_are_those_of_the_film_s_clock(one: Any, tmp_path: Path) -> None:
    from datetime import datetime, timedelta, timezone

    from xraybatch.prediction.record import read_record

    report, _ = one(TimezoneOffsetFromUTC="-0330")
    assert report is not None
    finished = datetime.fromisoformat(read_record(tmp_path / "r.csv").finished)
    there = finished.astimezone(timezone(-timedelta(hours=3, minutes=30)))
    assert report.TimezoneOffsetFromUTC == "-0330"
    assert report.ContentDate + report.ContentTime == there.strftime("%Y%m%d%H%M%S")


def test_a_bare_data_set_has_a_report_too(tiny_model: Path, tmp_path: Path) -> None:
    film = write_film(tmp_path / "films" / "a.dcm", 1)
    read = pydicom.dcmread(film)
    del read.file_meta
    read.preamble = None
    read.save_as(film, implicit_vr=True, little_endian=True)
    table = predict(tiny_model, tmp_path / "films", tmp_path / "r.csv")
    assert table.report(tmp_path / "out").written == 1
    (report,) = read_all(tmp_path / "out")
    assert str(report.PatientName) == NAME


def test_a_damaged_header_gives_a_report_or_a_reason(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from xraybatch.core.status import FilmError
    from xraybatch.images.rule import DecodingRule
    from xraybatch.models.card import Card
    from xraybatch.reports.structured.answers import Answer
    from xraybatch.reports.structured.codes import Codebook
    from xraybatch.reports.structured.document import report
    from xraybatch.reports.structured.header import header_of
    from xraybatch.reports.structured.left_out import LeftOut
    from xraybatch.reports.structured.maker import Maker
    from xraybatch.reports.structured.source import source_film
    from xraybatch.sources.item import Item

    film = write_film(tmp_path / "a.dcm", 1)
    whole = film.read_bytes()
    maker = Maker(
        Card((SIDE,), DecodingRule(32, 24)), "5ea1" * 16, "0.1", datetime.now(UTC), Codebook()
    )
    answers = [Answer(SIDE, (0.25, 0.75), "right", (), None, None)]
    chance = random.Random(7)
    made = left_out = 0
    for _ in range(80):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 2, 4))):
            at = chance.randrange(132, 900)
            damaged[at] = chance.choice((0, 0x1B, 0x3D, 0x5C, 0xFF, chance.randrange(256)))
        film.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                item = Item("a.dcm", str(film), 0, 0)
                found = report(source_film(header_of(item)), None, answers, maker)
        except (FilmError, LeftOut):
            left_out += 1
            continue
        read = pydicom.dcmread(io.BytesIO(found.content))
        assert read.SOPInstanceUID == found.uid
        assert read.CompletionFlag == "PARTIAL"
        made += 1
    assert made
    assert left_out
