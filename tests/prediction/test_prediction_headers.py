"""What of a header is asked for, and that nothing else of it is written anywhere."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from tests.prediction.conftest import UID, Done, grey_pixels, write_dicom
from xraybatch.core.errors import UsageError
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.core.tables import read_table
from xraybatch.extension.records import Limits
from xraybatch.images.asked import Asked, asking, parse_tags, parse_where, read_salt, where_of
from xraybatch.images.readers import dicom
from xraybatch.images.readers.dicom_tags import ALLOWED_TAGS
from xraybatch.prediction.rows import NO_FRAME, Columns, Row

SALT = "a salt that is long enough"
SECRET = "XYZZYSECRET"


def facts(path: Path, *tags: str, salt: bytes = b"") -> dict[str, str]:
    with asking(Asked(tags=tags, salt=salt)), path.open("rb") as file:
        return dict(dicom.read(file, Limits(), 0).facts)


pytestmark = [
    pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning"),
    pytest.mark.filterwarnings("ignore:The value length:UserWarning"),
]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    for i, modality in enumerate(("CR", "DX", "dx", "MR", "MR")):
        write_dicom(folder / f"{i}.dcm", grey_pixels(i), Modality=modality, ViewPosition="AP")
    write_dicom(folder / "unsaid.dcm", grey_pixels(9))
    write_dicom(folder / "empty.dcm", grey_pixels(9), Modality="")
    write_dicom(folder / "mammo.dcm", grey_pixels(8), Modality="DX", ImageType=["DERIVED", "A"])
    (folder / "cut.dcm").write_bytes((folder / "1.dcm").read_bytes()[:-9])
    (folder / "cut_mr.dcm").write_bytes((folder / "3.dcm").read_bytes()[:-9])
    (folder / "broken.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 40)
    Image.fromarray(grey_pixels(10)).save(folder / "plain.png")
    (folder / "cut.png").write_bytes((folder / "plain.png").read_bytes()[:60])
    return folder


def test_films_whose_tag_differs_are_left_out_and_counted(predict, archive):
    done = predict("films", "--where", "Modality=CR,DX", "--where", "ViewPosition=AP,PA")
    assert done.status == {
        "0.dcm": "ok",
        "1.dcm": "ok",
        "2.dcm": "ok",  # capitals do not count
        "cut.dcm": "truncated",  # cannot be read: its row says so
        "broken.dcm": done.status["broken.dcm"],
        "cut.png": "truncated",
    }
    assert done.status["broken.dcm"] in ("corrupt", "truncated")
    left_out = {
        "Modality is not CR or DX": 3,  # the cut one too: its header could be read
        "no Modality in the header": 2,
        "no DICOM, so no Modality": 1,
        "no ViewPosition in the header": 1,
    }
    assert done.record["skipped"] == left_out
    assert done.record["films"] == 6
    assert done.record["options"]["where"] == {
        "Modality": ["CR", "DX"],
        "ViewPosition": ["AP", "PA"],
    }
    for reason, count in left_out.items():
        assert f"{reason} {count}" in done.said


def test_an_empty_value_takes_films_without_the_tag(predict, archive):
    done = predict("films", "--where", "Modality=CR,")
    kept = {path for path, status in done.status.items() if status == "ok"}
    assert kept == {"0.dcm", "unsaid.dcm", "empty.dcm", "plain.png"}


def test_one_of_several_values_is_enough(predict, archive):
    assert "mammo.dcm" in predict("films", "--where", "ImageType=DERIVED").status


def test_a_run_that_leaves_out_goes_on_to_the_same_bytes(predict, archive):
    asked = ("films", "--where", "Modality=DX", "--tags", "Modality")
    first = predict(*asked, out="a.csv")
    stop = (
        "import sys\n"
        "from xraybatch.prediction import run\n"
        "def stop(*_, **__): raise KeyboardInterrupt\n"
        "run.publish = stop\n"
        "from xraybatch.cli.app import main\n"
        "main(sys.argv[1:])"
    )
    assert predict(*asked, start=stop).code != 0
    again = predict(*asked)
    assert again.out.read_bytes() == first.out.read_bytes()
    assert again.record["resumed"]["done"] == 13  # those left out are not looked at again
    assert again.record["skipped"] == first.record["skipped"]


def test_a_run_that_leaves_out_all_says_so(predict, archive):
    (archive / "cut.png").unlink()
    (archive / "broken.dcm").unlink()
    done = predict("films", "--where", "Modality=XA")
    assert (done.code, done.rows) == (0, [])
    assert "left out every film" in done.said
    assert done.out.read_text().startswith("path,status")


def test_left_out_films_cost_no_decoding(tmp_path):
    """Its pixels are of a kind that cannot be read, and it is left out all the same."""
    path = write_dicom(tmp_path / "x.dcm", grey_pixels(1), Modality="MR", BitsAllocated=24)
    with pytest.raises(FilmError) as error:
        facts(path)
    assert error.value.status != "left_out"
    with (
        asking(Asked(where=parse_where(["Modality=CR"]))),
        path.open("rb") as file,
        pytest.raises(FilmError) as error,
    ):
        dicom.read(file, Limits(), 0)
    assert (error.value.status, error.value.sentence) == ("left_out", "Modality is not CR")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("PatientName=X", "holds a person's name"),
        ("StudyDate=20200101", "holds a date"),
        ("StudyInstanceUID=1.2", "holds an identifier"),
        ("PatientID=1", "holds an identifier or free text"),
        ("PatientComments=1", "holds an identifier or free text"),
        ("PixelData=1", "is not on the list"),
        ("Modalty=CR", "Did you mean 'Modality'?"),
        ("Modality", "--where Modality=CR,DX"),
    ],
)
def test_a_condition_that_cannot_be_is_wrong_usage(predict, archive, typed, words):
    done = predict("films", "--where", typed)
    assert done.code == 2
    assert words in done.said
    assert "Traceback" not in done.said


def test_no_tag_by_which_anybody_is_known_is_allowed():
    from pydicom.datadict import dictionary_VR

    makers = {"Manufacturer", "ManufacturerModelName"}
    for keyword in ALLOWED_TAGS:
        assert dictionary_VR(keyword) in {"CS", "US", "IS", "DS", "AS"} or keyword in makers
    # of PS3.15's confidentiality profile, those that are removed unless an option keeps them
    for forbidden in (
        *("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber"),
        *("InstitutionName", "StationName", "OperatorsName", "DeviceSerialNumber", "StudyID"),
        *("StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments"),
        *("PatientSize", "PatientWeight", "EthnicGroup", "Occupation", "PatientAddress"),
        *("SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPClassUID"),
    ):
        assert forbidden not in ALLOWED_TAGS


def everything_identifying() -> dict[str, object]:
    texts = (
        *("PatientName", "PatientID", "AccessionNumber", "InstitutionName", "StationName"),
        *("OperatorsName", "ReferringPhysicianName", "StudyDescription", "SeriesDescription"),
        *("PatientComments", "ImageComments", "StudyID", "DeviceSerialNumber", "ProtocolName"),
    )
    return dict.fromkeys(texts, SECRET) | {
        "PatientBirthDate": "19370713",
        "StudyInstanceUID": UID + "777777",
        "IssuerOfPatientID": SECRET,
    }


def test_only_what_is_asked_for_is_written(predict, tmp_path):
    write_dicom(
        tmp_path / "films" / "x.dcm",
        grey_pixels(1),
        **everything_identifying(),
        Modality="CR",
        ViewPosition="PA",
        PatientAge="093Y",
        BodyPartExamined="CHEST",
    )
    films = shutil.copytree(tmp_path / "films", tmp_path / "more")
    (films / "cut.dcm").write_bytes((films / "x.dcm").read_bytes()[:-9])
    log = ("--log-file", "log.jsonl")
    done = predict(
        *("more", "--tags", "ViewPosition,PatientAge,PixelSpacing", "--dicom-ids", *log), salt=SALT
    )
    assert list(done.rows[0])[-6:] == [
        *("tag.ViewPosition", "tag.PatientAge", "tag.PixelSpacing", "patient", "study", "error")
    ]
    for row in done.rows:  # that which cannot be decoded has them too
        assert row["tag.ViewPosition"] == "PA"
        assert row["tag.PatientAge"] == "090Y"
        assert row["tag.PixelSpacing"] == ""
    written = [path for path in tmp_path.iterdir() if path.is_file()]
    names = ("r.csv", "r.csv.job", "r.csv.run.json", "log.jsonl")
    assert {path.name for path in written} == set(names)
    cache = tmp_path / "cache"
    for text in (done.said, *(p.read_bytes().decode("latin-1") for p in written)):
        for planted in (SECRET, SECRET.lower(), "19370713", "777777", SALT, "CHEST"):
            assert planted not in text
    assert not cache.exists()


@pytest.mark.parametrize(
    "keyword", ["WindowCenter", "RescaleSlope", "NumberOfFrames", "BitsStored", "SOPClassUID"]
)
def test_a_sentence_quotes_no_header(predict, tmp_path, keyword):
    """A name in the place of a number, or of the kind of object, is not told either."""
    path = write_dicom(tmp_path / "films" / "x.dcm", grey_pixels(1), RescaleSlope="1")
    from pydicom import dcmread
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    film = dcmread(path)
    tag = Tag(keyword)
    vr = "UI" if keyword == "SOPClassUID" else "DS"
    if keyword == "SOPClassUID":
        del film.PixelData
    film._dict[tag] = RawDataElement(tag, vr, 12, SECRET.encode() + b" ", 0, False, True)
    film.save_as(path)
    done = predict("films")
    assert SECRET in path.read_bytes().decode("latin-1")
    for text in (done.said, *(p.read_bytes().decode("latin-1") for p in tmp_path.glob("r.csv*"))):
        assert SECRET not in text


def test_what_is_not_asked_for_is_not_even_read_out(tmp_path):
    path = write_dicom(tmp_path / "x.dcm", grey_pixels(1), Modality="CR", ViewPosition="PA")
    assert facts(path) == {}
    assert facts(path, "ViewPosition") == {"ViewPosition": "PA"}


@pytest.mark.parametrize(
    ("keyword", "value", "written"),
    [
        ("BodyPartExamined", "CHEST", "CHEST"),
        ("BodyPartExamined", "=HYPERLINK(1)", ""),
        ("BodyPartExamined", "MUSTER^MAX", ""),
        ("BodyPartExamined", "left\nknee", "left knee"),
        ("BodyPartExamined", "X" * 65, ""),
        ("BodyPartExamined", "Hüfte", "Hüfte"),
        ("PatientAge", "089Y", "089Y"),
        ("PatientAge", "090Y", "090Y"),
        ("PatientAge", "101Y", "090Y"),
        ("PatientAge", "003D", "003D"),
        ("PatientAge", "born 1930", ""),
        ("ImageType", ["DERIVED", "PRIMARY", ""], "DERIVED\\PRIMARY\\"),
        ("PixelSpacing", [0.143, 0.143], "0.143\\0.143"),
        ("KVP", "-60.5", "-60.5"),
        ("Rows", 40, "40"),
        ("Manufacturer", "FUJI PHOTO FILM Co., ltd.", "FUJI PHOTO FILM Co., ltd."),
    ],
)
def test_a_value_is_written_only_in_the_form_of_its_tag(tmp_path, keyword, value, written):
    from pydicom import config

    before = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    try:
        path = write_dicom(tmp_path / "x.dcm", grey_pixels(1), **{keyword: value})
    finally:
        config.settings.writing_validation_mode = before
    assert facts(path, keyword).get(keyword, "") == written


def test_a_cell_is_no_formula_whoever_wrote_the_fact():
    """A stranger's reader tells what it likes."""
    columns = Columns((), seen=False, asked=Asked(tags=("Modality", "KVP")))
    row = Row(0, NO_FRAME, FilmStatus.CORRUPT, told={"Modality": "=1+1\nx", "KVP": "-7\\-8"})
    assert columns.cells("f", row)[2:4] == ["./=1+1 x", "-7\\-8"]


def hashed(*parts: str) -> str:
    return hmac.new(SALT.encode(), "\\".join(parts).encode(), hashlib.sha256).hexdigest()[:32]


def test_patients_and_studies_are_keyed_hashes(predict, tmp_path):
    films = tmp_path / "films"
    write_dicom(films / "a.dcm", grey_pixels(1), PatientID="007", StudyInstanceUID=UID + "5")
    write_dicom(
        films / "b.dcm", grey_pixels(2), PatientID="007 ", IssuerOfPatientID="St. Elsewhere"
    )
    write_dicom(films / "c.dcm", grey_pixels(3), PatientID="")
    write_dicom(films / "e.dcm", grey_pixels(5), PatientID=["1", "2"])
    Image.fromarray(grey_pixels(4)).save(films / "d.png")
    rows = predict("films", "--dicom-ids", salt=SALT).rows
    assert [(row["patient"], row["study"]) for row in rows] == [
        (hashed("007"), hashed(UID + "5")),
        (hashed("007", "St. Elsewhere"), ""),
        ("", ""),
        ("", ""),
        (hashed("1", "2"), ""),
    ]
    (tmp_path / "salt.txt").write_text(SALT + "\n")
    file = predict("films", "--dicom-ids", "--salt-file", "salt.txt", out="b.csv")
    assert file.rows == rows
    other = predict("films", "--dicom-ids", salt=SALT + "2", out="c.csv")
    assert other.rows[0]["patient"] != rows[0]["patient"]


def test_without_a_salt_nothing_is_hashed(predict, tmp_path):
    write_dicom(tmp_path / "films" / "a.dcm", grey_pixels(1), PatientID="007")
    done = predict("films", "--dicom-ids")
    assert done.code == 2
    assert "needs a salt" in done.said
    assert "secrets.token_hex" in done.said
    short = predict("films", "--dicom-ids", salt="too short")
    assert short.code == 2
    assert "16" in short.said
    assert "too short" not in short.said
    gone = predict("films", "--dicom-ids", "--salt-file", "gone.txt")
    assert (gone.code, "gone.txt cannot be read" in gone.said) == (3, True)
    assert predict("films", "--salt-file", "gone.txt").code == 2
    assert not (tmp_path / "r.csv.job").exists()


def test_another_salt_does_not_go_on_with_a_job(predict, tmp_path):
    write_dicom(tmp_path / "films" / "a.dcm", grey_pixels(1), PatientID="007")
    done = predict("films", "--dicom-ids", salt=SALT)
    assert done.code == 0
    done.out.unlink()
    with sqlite3.connect(tmp_path / "r.csv.job") as db:
        db.execute("UPDATE meta SET value = '0' WHERE key = 'published'")
    db.close()
    other = predict("films", "--dicom-ids", salt=SALT + "!")
    assert (other.code, "another salt" in other.said) == (3, True)
    assert predict("films", "--dicom-ids", salt=SALT).out.read_bytes()


@pytest.mark.parametrize("option", ["--tags", "--where"])
def test_tags_are_checked_before_anything_is_read(option):
    parse = parse_tags if option == "--tags" else lambda text: where_of({text: ["x"]})
    with pytest.raises(UsageError, match=option):
        parse("PatientName")
    with pytest.raises(UsageError, match="twice"):
        parse_tags("Modality,ViewPosition,Modality")
    for nothing in ("", " , ", "Modality,,Rows"):
        with pytest.raises(UsageError, match="--tags names nothing"):
            parse_tags(nothing)


def test_a_refused_tag_names_few_that_are_like_it_and_where_all_stand():
    with pytest.raises(UsageError) as caught:
        parse_tags("PatientName")
    assert "holds a person's name" in caught.value.message
    assert "PatientSex" in caught.value.hint
    assert "docs/archive.md" in caught.value.hint
    named = [tag for tag in ALLOWED_TAGS if tag in caught.value.hint.replace(",", " ").split()]
    assert 1 <= len(named) <= 3
    with pytest.raises(UsageError) as caught:
        parse_tags("Xyzzy")
    assert caught.value.hint.startswith("All ")


def test_a_salt_never_shows(monkeypatch):
    monkeypatch.setenv("XRAYBATCH_SALT", SALT)
    asked = Asked(salt=read_salt(None))
    assert SALT not in repr(asked)
    assert SALT not in asked.salt_check


def test_score_takes_patients_from_the_results(predict, tmp_path):
    """Films of a patient are no independent films: the interval knows it."""
    import json
    import subprocess
    import sys

    labels = ["path,label"]
    for i in range(24):
        tags = {"PatientID": f"P{i // 2}", "ViewPosition": ("AP", "LAT")[i % 2]}
        write_dicom(tmp_path / "films" / f"{i}.dcm", grey_pixels(i), **tags)
        labels.append(f"{i}.dcm,{('normal', 'osteopenia', 'osteoporosis')[i % 3]}")
    (tmp_path / "labels.csv").write_text("\n".join(labels))
    done: Done = predict("films", "--dicom-ids", "--tags", "ViewPosition", salt=SALT)
    score = subprocess.run(
        [
            *(sys.executable, "-m", "xraybatch", "score", "r.csv", "labels.csv"),
            *("--slice", "tag.ViewPosition", "--json"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert score.returncode == 0, score.stderr
    join = json.loads(score.stdout)["join"]
    assert "LAT" in score.stdout
    assert (join["matched"], join["patients"]) == (24, 12)
    assert len(set(read_table(done.out)["patient"])) == 12
