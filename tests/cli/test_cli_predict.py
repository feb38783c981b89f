"""``xraybatch predict``: what goes to standard output, and the exit code."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, model: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "xraybatch", "predict", *map(str, arguments)),
            *("--out", "r.csv", "--model", str(model), "--device", "cpu"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done


def test_the_summary_is_all_that_json_prints(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.png").touch()
    done = run(tmp_path, tiny_model, grey_films, "empty.png", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    record = json.loads((tmp_path / "r.csv.run.json").read_text())
    assert found["results_sha256"] == hashlib.sha256((tmp_path / "r.csv").read_bytes()).hexdigest()
    assert (found["films"], found["failed"]) == (41, 1)
    assert found["by_status"] == {"empty": 1, "ok": 40}
    assert found["model"]["seal"] == record["model"]["seal"]
    assert (found["results"], found["record"], found["job"]) == (
        "r.csv",
        "r.csv.run.json",
        "r.csv.job",
    )
    assert found["device"] == "cpu"
    assert found["bottleneck"] is None  # too short to tell
    assert found["films_per_second"] > 0
    done = run(tmp_path, tiny_model, grey_films, "--overwrite", "--discard-job", "--json")
    assert json.loads(done.stdout)["job"] is None


@pytest.mark.parametrize(("bar", "code"), [("1", 0), ("3%", 0), ("0", 4), ("2%", 4), ("2,5", 2)])
def test_a_bar_that_is_missed_is_exit_code_4(
    tiny_model: Path, grey_films: Path, tmp_path: Path, bar: str, code: int
) -> None:
    """One of 41 films, 2.4 %, has no result."""
    (tmp_path / "empty.png").touch()
    done = run(tmp_path, tiny_model, grey_films, "empty.png", "--max-failures", bar)
    assert done.returncode == code, done.stderr
    assert ("--max-failures" in done.stderr) is (code != 0)


def test_an_update_and_a_retry_as_they_are_typed(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    whole = (grey_films / "a" / "film1.png").read_bytes()
    (films / "a.png").write_bytes(whole)
    (films / "cut.png").write_bytes(whole[:300])
    done = run(tmp_path, tiny_model, "films", "--update")
    assert done.returncode == 3
    assert "no r.csv.job" in done.stderr
    assert run(tmp_path, tiny_model, "films").returncode == 0
    done = run(tmp_path, tiny_model, "films")
    assert done.returncode == 3
    assert "--update takes in" in " ".join(done.stderr.split())
    (films / "b.png").write_bytes(whole)
    (films / "cut.png").write_bytes(whole)
    done = run(tmp_path, tiny_model, "films", "--retry-failed")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 3
    assert "1 new" in done.stderr
    assert run(tmp_path, tiny_model, "films", "--update").returncode == 0
    lines = (tmp_path / "r.csv").read_text().splitlines()[1:]
    assert [line.split(",")[:2] for line in lines] == [
        ["a.png", "ok"],
        ["b.png", "ok"],
        ["cut.png", "ok"],
    ]
