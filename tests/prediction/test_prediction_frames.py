"""A row for each frame: the same answers as of films alone, none lost, the same bytes again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.prediction.conftest import grey_pixels, write_dicom
from xraybatch.cli.predict import command
from xraybatch.core.status import FilmStatus
from xraybatch.models.model import load_model
from xraybatch.prediction import dispatch as dispatch_module
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.options import MAX_PIXELS, PredictOptions
from xraybatch.prediction.rows import NO_FRAME, Begun, Row
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films
from xraybatch.sources.item import Item


def pages(path: Path, *films: np.ndarray, kind: str = "TIFF") -> None:
    first, *more = [Image.fromarray(film) for film in films]
    first.save(path, kind, save_all=True, append_images=more)


def widen_second_page(path: Path, width: int) -> None:
    """Let the second directory of a TIFF announce another width."""
    data = bytearray(path.read_bytes())
    assert data[:2] == b"II"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], "little")

    first = number(4, 4)
    second = number(first + 2 + 12 * number(first, 2), 4)
    entry = next(e for e in range(second + 2, len(data), 12) if number(e, 2) == 256)
    data[entry + 2 : entry + 4] = (4).to_bytes(2, "little")  # as a long number
    data[entry + 8 : entry + 12] = width.to_bytes(4, "little")
    path.write_bytes(data)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Items of one film and of several, and some that cannot be read."""
    folder = tmp_path / "films"
    xa = grey_pixels(1, 3)
    write_dicom(folder / "b" / "xa.dcm", xa)
    write_dicom(folder / "single.dcm", grey_pixels(2))
    pages(folder / "a.tif", grey_pixels(3), grey_pixels(4))
    pages(folder / "moving.gif", grey_pixels(5), grey_pixels(6), kind="GIF")
    Image.fromarray(grey_pixels(7)).save(folder / "z.png")
    (folder / "cut.dcm").write_bytes((folder / "b" / "xa.dcm").read_bytes()[:-500])
    (folder / "empty.tif").touch()
    return folder


def test_each_frame_has_its_row_and_the_answer_of_a_film_alone(predict, films, tmp_path):
    done = predict("films", "--frames", "all")
    assert [(row["path"], row["frame"], row["status"]) for row in done.rows] == [
        ("a.tif", "0", "ok"),
        ("a.tif", "1", "ok"),
        ("b/xa.dcm", "0", "ok"),
        ("b/xa.dcm", "1", "ok"),
        ("b/xa.dcm", "2", "ok"),
        ("cut.dcm", "", "truncated"),
        ("empty.tif", "", "empty"),
        ("moving.gif", "", "ok"),
        ("single.dcm", "", "ok"),
        ("z.png", "", "ok"),
    ]
    assert done.record["films"] == 10
    assert done.record["by_status"] == {"empty": 1, "ok": 8, "truncated": 1}
    assert not any("frame 1 was read" in note for note in done.record["film_notes"])
    alone = tmp_path / "alone"
    alone.mkdir()
    for i, film in enumerate(grey_pixels(1, 3)):
        Image.fromarray(film).save(alone / f"{i}.png")
    answers = {row["path"][0]: row["prob.normal"] for row in predict("alone", out="alone.csv").rows}
    got = {row["frame"]: row["prob.normal"] for row in done.rows if row["path"] == "b/xa.dcm"}
    assert got == answers
    assert len(set(got.values())) == 3


def test_the_first_frame_alone_has_no_column(predict, films):
    rows = predict("films").rows
    assert len(rows) == 7
    assert "frame" not in rows[0]


def test_a_frame_that_cannot_be_read_costs_its_row_alone(predict, tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    pages(films / "t.tif", *(grey_pixels(i) for i in range(3)))
    widen_second_page(films / "t.tif", 1 << 30)
    rows = predict("films", "--frames", "all").rows
    assert [row["frame"] for row in rows] == ["0", "1", "2"]
    assert (rows[0]["status"], rows[2]["status"]) == ("ok", "ok")
    assert rows[1]["status"] == "too_large"


def test_a_header_that_announces_a_thousand_million_frames_is_one_row(predict, tmp_path):
    """RLE: nothing says how many frames there are but the header."""
    from pydicom import dcmread

    path = write_dicom(tmp_path / "films" / "x.dcm", grey_pixels(1, 2))
    film = dcmread(path)
    film.compress("1.2.840.10008.1.2.5")
    film.NumberOfFrames = 10**9
    film.save_as(path)
    done = predict("films", "--frames", "all")
    assert [row["frame"] for row in done.rows] == [""]
    assert done.rows[0]["status"] in ("too_large", "corrupt", "truncated")


def test_a_killed_run_over_frames_ends_in_the_same_bytes(predict, tiny_model, tmp_path):
    for i in range(60):
        write_dicom(tmp_path / "films" / f"{i:03}.dcm", grey_pixels(i, 1 + i % 6))
    asked = ("films", "--frames", "all", "--tags", "NumberOfFrames")
    whole = predict(*asked, out="a.csv").out.read_bytes()
    code = (
        "from xraybatch.prediction import dispatch; dispatch._COMMIT_SECONDS = 0.01\n"
        "from xraybatch.prediction.jobs.job import Job\n"
        "write = Job.write\n"
        "def told(job, rows):\n"
        "    write(job, rows)\n"
        "    print(job.count_done(), flush=True)\n"
        "Job.write = told\n"
        "import sys\n"
        "from xraybatch.cli.app import main\n"
        "main(sys.argv[1:])"
    )
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", code, "predict", *asked, "--out", "b.csv", "-q"),
            *("--model", str(tiny_model), "--device", "cpu", "--batch-size", "2"),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 20:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "b.csv").exists(), "killed too late for this test to say anything"
    done = predict(*asked, out="b.csv")
    assert done.out.read_bytes() == whole
    assert 0 < done.record["resumed"]["done"] < 60


def test_a_run_killed_inside_a_file_goes_on_within_it(predict, tiny_model, tmp_path):
    """What is finished of a file stays, and its other frames end in the same bytes."""
    pages(tmp_path / "films.tif", *grey_pixels(1, 400))
    asked = ("films.tif", "--frames", "all")
    whole = predict(*asked, out="a.csv").out.read_bytes()
    code = (
        "from xraybatch.prediction import dispatch; dispatch._COMMIT_SECONDS = 0.01\n"
        "from xraybatch.prediction.jobs.job import Job\n"
        "import os, signal, sys\n"
        "write = Job.write\n"
        "def stop(job, rows):\n"
        "    write(job, rows)\n"
        "    if job.count_rows() > 50: os.killpg(0, signal.SIGKILL)\n"
        "Job.write = stop\n"
        "from xraybatch.cli.app import main\n"
        "main(sys.argv[1:])"
    )
    killed = subprocess.run(
        [
            *(sys.executable, "-c", code, "predict", *asked, "--out", "b.csv", "-q"),
            *("--model", str(tiny_model), "--device", "cpu"),
        ],
        cwd=tmp_path,
        start_new_session=True,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    with Job(tmp_path / "b.csv.job") as job:
        done = job.begun_items(0, 1)[0].done
        assert 50 < len(done) < 400
        assert job.begun_items(0, 1)[0].frames == 400
        assert job.count_done() == 0
        assert [item for item, _ in job.pending(0, 1)] == [0]
        # a mark on what was done, which reading anew would not have
        job.write([Row(0, min(done), FilmStatus.CORRUPT, "as it was")])
    table = predict(*asked, out="b.csv").out.read_bytes().splitlines()
    expected = whole.splitlines()
    assert table[1 + min(done)].endswith(b"as it was")
    del table[1 + min(done)], expected[1 + min(done)]
    assert table == expected


def test_a_row_for_the_whole_stands_in_place_of_frames(tmp_path):
    item = Item("x.dcm", "/films/x.dcm", 1, 1)
    with Job(tmp_path / "j.job") as job:
        job.begin([item, Item("y.dcm", "/films/y.dcm", 1, 1)], {"model": "m"})
        job.note_frames({0: 3, 1: 2})
        job.write([Row(0, 2, FilmStatus.OK), Row(1, 0, FilmStatus.OK)])
        assert job.count_done() == 0
        assert job.begun_items(0, 2) == {0: Begun(3, frozenset({2})), 1: Begun(2, frozenset({0}))}
        job.write([Row(0, NO_FRAME, FilmStatus.CRASHED), Row(1, 1, FilmStatus.OK)])
        assert job.count_done() == 2
        assert job.begun_items(0, 2) == {}
        assert [(row.item, row.frame) for _, row in job.results()] == [
            (0, NO_FRAME),
            (1, 0),
            (1, 1),
        ]
        job.note_frames({1: 2})
        changed = Item("y.dcm", "/films/y.dcm", 2, 2)
        assert job.reconcile([item, changed]).changed == 1
        assert job.begun_items(0, 2) == {}
        assert [i for i, _ in job.pending(0, 2)] == [0, 1]


def test_progress_moves_with_the_frames_of_one_file(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(dispatch_module, "_COMMIT_SECONDS", 0.01)
    pages(tmp_path / "films.tif", *grey_pixels(1, 300))
    said: list[str] = []

    class Told:
        @contextmanager
        def stage(self, label, total, unit="films"):
            yield self

        def advance(self, steps=1, detail=""):
            said.append(detail)

        def note(self, sentence):
            pass

        warn = note

    predict_items(
        find_films([tmp_path / "films.tif"]).items,
        load_model(tiny_model),
        tmp_path / "r.csv",
        options=PredictOptions(device="cpu", frames="all"),
        progress=Told(),
    )
    counts = [int(frames) for detail in said for frames in re.findall(r"(\d+) frames", detail)]
    assert counts == sorted(counts)
    assert len(counts) > 3
    assert counts[-1] == 300


def test_other_frames_or_pixels_do_not_go_on_with_a_job(predict, tmp_path):
    write_dicom(tmp_path / "films" / "x.dcm", grey_pixels(1, 3))
    stop = (
        "import sys\n"
        "from xraybatch.prediction import run\n"
        "def stop(*_, **__): raise KeyboardInterrupt\n"
        "run.publish = stop\n"
        "from xraybatch.cli.app import main\n"
        "main(sys.argv[1:])"
    )
    assert predict("films", start=stop).code != 0
    for asked, word in (
        (("--frames", "all"), "--frames"),
        (("--max-pixels", "5000"), "--max-pixels"),
        (("--tags", "Modality"), "--tags"),
        (("--where", "Modality=CR"), "--where"),
    ):
        done = predict("films", *asked)
        assert done.code == 3
        assert f"another {word}" in done.said or f"list of {word}" in done.said
    assert predict("films").code == 0


def test_an_item_with_one_frame_of_a_bad_day_is_read_anew_whole(tmp_path):
    item = Item("x.dcm", "/films/x.dcm", 1, 1)
    with Job(tmp_path / "j.job") as job:
        job.begin([item, Item("y.dcm", "/films/y.dcm", 1, 1)], {"model": "m"})
        job.write([Row(0, 0, FilmStatus.OK), Row(0, 1, FilmStatus.TIMEOUT)])
        job.write([Row(1, NO_FRAME, FilmStatus.LEFT_OUT, "Modality is not CR")])
        assert job.left_out() == {"Modality is not CR": 1}
        assert [row.status for _, row in job.results()] == ["ok", "timeout"]
        assert job.counts_by_status() == {"ok": 1, "timeout": 1}
        assert job.reconcile([item]).again == 1
        assert [i for i, _ in job.pending(0, 9)] == [0]


def test_the_limit_of_pixels_is_height_times_width(predict, tmp_path):
    (tmp_path / "films").mkdir()
    Image.fromarray(grey_pixels(1)).save(tmp_path / "films" / "grey.png")  # 40 x 32 = 1280
    Image.fromarray(np.stack([grey_pixels(1)] * 3, -1)).save(tmp_path / "films" / "colour.png")
    write_dicom(tmp_path / "films" / "x.dcm", grey_pixels(1))
    exact = predict("films", "--max-pixels", "1280", out="a.csv")
    assert set(exact.status.values()) == {"ok"}
    done = predict("films", "--max-pixels", "1279", out="b.csv")
    assert set(done.status.values()) == {"too_large"}
    assert all("40 x 32" in row["error"] and "1,279" in row["error"] for row in done.rows)
    assert done.record["options"]["max_pixels"] == 1279


def test_the_option_s_default_is_that_of_the_program():
    default = next(p.default for p in command.params if p.name == "max_pixels")
    assert default == MAX_PIXELS == 100_000_000
