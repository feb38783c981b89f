"""`predict archive.zip`: the answers of the same films in a folder, and never a file unpacked."""

from __future__ import annotations

import os
import shutil
import sqlite3
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.prediction.conftest import grey_pixels, write_dicom


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    films = tmp_path / "films"
    for i in range(20):
        write_dicom(
            films / "dicom" / f"{i}.dcm", grey_pixels(i, 1 + i % 3), Modality=("CR", "MR")[i % 2]
        )
    for i in range(20):
        Image.fromarray(grey_pixels(100 + i)).save(films / f"{i}.png")
    (films / "empty.png").touch()
    (films / "cut.png").write_bytes((films / "1.png").read_bytes()[:99])
    (films / "lie.jpg").write_bytes((films / "1.png").read_bytes())
    return films


def packed(folder: Path, name: str = "x.zip") -> Path:
    with zipfile.ZipFile(folder.parent / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*"), reverse=True):
            archive.write(path, path.relative_to(folder))
    return folder.parent / name


def test_an_archive_gives_the_rows_of_its_folder(predict, folder, tmp_path):
    packed(folder)
    asked = ("--frames", "all", "--tags", "Modality", "--where", "Modality=CR,")
    there = predict("films", *asked, out="a.csv")
    here = predict("x.zip", *asked, "--workers", "2")
    assert len(here.rows) == len(there.rows) > 30
    for inside, outside in zip(here.rows, there.rows, strict=True):
        assert inside == {**outside, "path": f"x.zip!/{outside['path']}"}
    assert here.record["skipped"] == there.record["skipped"]
    assert here.record["film_notes"] == there.record["film_notes"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"films", "x.zip"} | {
        f"{n}.csv{s}" for n in "ar" for s in ("", ".job", ".run.json")
    }


def test_a_run_over_an_archive_goes_on_and_sees_another_archive(predict, folder, tmp_path):
    packed(folder)
    first = predict("x.zip")
    first.out.rename(tmp_path / "first.csv")

    def unpublish(rows: int) -> None:
        with sqlite3.connect(tmp_path / "r.csv.job") as db:
            db.execute("UPDATE meta SET value = '0' WHERE key = 'published'")
            db.execute("DELETE FROM rows WHERE item >= ?", (rows,))
        db.close()

    unpublish(10)
    again = predict("x.zip")
    assert again.out.read_bytes() == (tmp_path / "first.csv").read_bytes()
    assert again.record["resumed"]["done"] == 10
    again.out.unlink()
    unpublish(10)
    shutil.copy(folder / "2.png", folder / "1.png")
    packed(folder)
    os.utime(tmp_path / "x.zip", ns=(1, 1))
    changed = predict("x.zip")
    assert changed.record["resumed"]["changed"] == len(changed.rows)
    answers = {row["path"]: row["prob.normal"] for row in changed.rows}
    assert answers["x.zip!/1.png"] == answers["x.zip!/2.png"]


def test_archives_among_other_arguments(predict, folder, tmp_path):
    packed(folder, "a.zip")
    (tmp_path / "b.ZIP").write_bytes((tmp_path / "a.zip").read_bytes()[:500])
    (tmp_path / "no.zip").write_text("no archive at all")
    (tmp_path / "list.txt").write_text("a.zip\nb.ZIP\nno.zip\n")
    done = predict("@list.txt", "films/1.png")
    assert done.status["b.ZIP"] == "corrupt"
    assert done.status["no.zip"] == "unsupported"
    assert done.status["films/1.png"] == "ok"
    assert done.status["a.zip!/cut.png"] == "truncated"
    assert len(done.rows) == 43 + 3


def test_names_that_a_folder_cannot_have_side_by_side_have_their_rows(predict, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("a.png", "b/a.png", "b//a.png", "c_d.png"):
            archive.writestr(name, b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", b"2")
    data = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(data.replace(b"c_d.png", b"c\nd.png"))
    done = predict("x.zip")
    assert [row["path"] for row in done.rows] == [
        *("x.zip!/a.png", "x.zip!/b/a.png", "x.zip!/b/a.png#2", "x.zip!/c\nd.png"),
    ]
    reason = "file inside an archive before a later one of the same name"
    assert done.record["skipped"] == {reason: 1}
