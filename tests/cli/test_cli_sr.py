"""xraybatch sr: what it says, its exit codes, and what it never says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reports.sr_tables import NAME, Table, predict, write_film

pytest.importorskip("highdicom", reason="highdicom is not installed: xraybatch[pacs]")


@pytest.fixture
def table(tiny_model: Path, tmp_path: Path) -> Table:
    for number in range(2):
        write_film(tmp_path / "films" / f"{number}.dcm", number)
    return predict(tiny_model, tmp_path / "films", tmp_path / "r.csv")


def sr(folder: Path, *arguments: object, start: str = "") -> subprocess.CompletedProcess[str]:
    begin = ("-c", start) if start else ("-m", "xraybatch")
    return subprocess.run(
        [sys.executable, *begin, "sr", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_says_what_it_did_and_nothing_of_a_patient(table: Table, tmp_path: Path) -> None:
    (tmp_path / "films" / "1.dcm").unlink()
    options = ("r.csv", "--model", table.model, "--out", "out", "--log-file", "log.jsonl")
    done = sr(tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert "1 report written" in done.stdout
    assert "1 row: the film is gone" in done.stdout
    (report,) = (tmp_path / "out").iterdir()
    log = (tmp_path / "log.jsonl").read_text()
    assert '"written": 1' in log
    for secret in (NAME, "PID-0", "ACC0", report.stem, "0.dcm"):
        assert secret not in done.stdout + done.stderr + log


def test_json(table: Table, tmp_path: Path) -> None:
    done = sr(tmp_path, "r.csv", "--model", table.model, "--out", "out", "--json")
    told = json.loads(done.stdout)
    assert (told["rows"], told["written"], told["unchanged"]) == (2, 2, 0)
    assert told["left_out"] == {}
    assert len(told["model"]["seal"]) == 64


def test_not_one_report_is_an_error_that_says_why(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    predict(tiny_model, grey_films / "b b", tmp_path / "r.csv")
    done = sr(tmp_path, "r.csv", "--model", tiny_model, "--out", "out")
    assert done.returncode == 3
    assert "Not one report could be made of r.csv: 14 no DICOM." in done.stderr
    assert "Traceback" not in done.stderr


def test_results_without_a_run_record(table: Table, tmp_path: Path) -> None:
    (tmp_path / "r.csv.run.json").unlink()
    done = sr(tmp_path, "r.csv", "--model", table.model, "--out", "out")
    assert done.returncode == 3
    assert "no run record" in " ".join(done.stderr.split())


def test_another_model(table: Table, spot_model: Callable[..., Path], tmp_path: Path) -> None:
    other = spot_model("other")
    done = sr(tmp_path, "r.csv", "--model", other, "--out", "out")
    assert done.returncode == 3
    assert "its seal is another" in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


def test_the_model_is_found_by_its_seal(table: Table, tmp_path: Path) -> None:
    shutil.copy(table.model, tmp_path / "tiny.onnx")
    done = sr(tmp_path, "r.csv", "--out", "out", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_two_places_for_the_films(table: Table, tmp_path: Path) -> None:
    both = ("--films", "films", "--manifest", "films.parquet")
    done = sr(tmp_path, "r.csv", "--model", table.model, "--out", "out", *both)
    assert done.returncode == 2
    assert "Give one." in done.stderr


def test_a_missing_extra_is_named(table: Table, tmp_path: Path) -> None:
    start = (
        "import sys; sys.modules['highdicom'] = None; sys.argv[0] = 'xraybatch';"
        "from xraybatch.cli.app import main; main()"
    )
    done = sr(tmp_path, "r.csv", "--model", table.model, "--out", "out", start=start)
    assert done.returncode == 3
    assert "pip install 'xraybatch[pacs]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file(table: Table, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    done = sr(tmp_path, "r.csv", "--model", table.model, "--out", "out")
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out").read_text() == "mine"
