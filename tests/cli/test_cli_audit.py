"""``xraybatch audit`` as a person meets it: what it prints, writes, and leaves with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HOSTILE = "<script>alert(1)</script> =1+1 [red].png"


def run(*arguments: object, columns: int = 80) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xraybatch", "audit", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": str(columns)}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def film(path: Path, seed: int, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 30), np.uint8)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and test with a film in both, under two classes; JPEG quality goes with the class."""
    folder = tmp_path_factory.mktemp("leaking")
    for i in range(60):
        part = "train" if i < 40 else "test"
        name, quality = (("sick", 60), ("well", 95))[i % 2]
        film(folder / part / name / f"{i:02}.jpg", i, quality=quality)
    (folder / "test" / "well" / "copy.jpg").write_bytes(
        (folder / "train" / "sick" / "00.jpg").read_bytes()
    )
    (folder / "test" / "well" / HOSTILE.replace("/", "⁄")).write_bytes(
        (folder / "train" / "well" / "01.jpg").read_bytes()
    )
    return folder


def test_it_says_what_is_wrong(leaking: Path) -> None:
    done = run(leaking, "--permutations", 100, "--no-near")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "The split leaks: 2 films have copies in several" in text
    assert "1 film has copies with different labels" in text
    assert "The files give the label away" in text
    assert "JPEG quality" in text
    assert "sick" in text
    assert "Labels come from class folders" in done.stderr
    assert "\x1b" not in done.stdout  # plain where nobody looks


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_it_fits_the_terminal(leaking: Path, columns: int) -> None:
    done = run(leaking, "--permutations", 0, "--no-near", columns=columns)
    assert max(map(len, done.stdout.splitlines())) <= columns
    assert "…" not in done.stdout  # nothing is cut


def test_copies_are_counted_as_films_and_as_pairs(tmp_path: Path) -> None:
    for i in range(3):
        film(tmp_path / f"{i}.png", 7)  # one film three times: two pairs are found, of three
    text = " ".join(run(tmp_path, "--no-near", columns=140).stdout.split())
    assert "how they are alike pairs found films" in text
    assert "identical bytes 2 3" in text
    assert "3 films: " in text
    assert "2 pairs identical bytes" in text
    assert "Of many copies of one film not every pair is looked for" in text


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        ("", "--fail-on names nothing"),
        (" , ", "--fail-on names nothing"),
        ("leak,,conflict", "--fail-on names nothing between two commas"),
        ("leak,leak", "--fail-on names 'leak' twice"),
        ("leeks", "Did you mean 'leak'?"),
    ],
)
def test_bars_that_are_none_are_refused(
    leaking: Path, tmp_path: Path, bars: str, said: str
) -> None:
    done = run(leaking, "--fail-on", bars, "--out", tmp_path / "a.csv")
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bars", "code", "named"),
    [("leak", 4, "leak"), ("leak,conflict", 4, "leak, conflict")],
)
def test_bars_decide_the_exit_code(leaking: Path, bars: str, code: int, named: str) -> None:
    done = run(leaking, "--permutations", 0, "--no-near", "--fail-on", bars, "-q")
    assert done.returncode == code
    assert f"--fail-on names: {named}." in done.stderr
    assert done.stdout == ""


def test_a_bar_that_could_not_be_looked_for_is_missed(leaking: Path, tmp_path: Path) -> None:
    done = run(leaking, "--permutations", 0, "--no-near", "--fail-on", "shortcut", "-q")
    assert done.returncode == 4
    assert "could not be looked for: shortcut" in done.stderr
    others = tmp_path / "others.csv"
    others.write_text("path,label\nelsewhere.png,sick\n")
    done = run(leaking, "--labels", others, "--fail-on", "conflict", "-q")
    assert done.returncode == 3
    assert "others.csv names is there" in " ".join(done.stderr.split())


def test_a_shortcut_is_a_bar_too(leaking: Path) -> None:
    done = run(leaking, "--permutations", 100, "--no-near", "--fail-on", "shortcut", "-q")
    assert done.returncode == 4


def test_every_form_is_written_once(leaking: Path, tmp_path: Path) -> None:
    names = ["a.html", "a.md", "a.json"]
    reports = [part for name in names for part in ("--report", tmp_path / name)]
    quick = ["--permutations", 0, "--no-near"]
    done = run(leaking, *quick, "--out", tmp_path / "a.csv", *reports, "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    written = json.loads((tmp_path / "a.json").read_text())
    assert {**printed, "seconds": 0} == {**written, "seconds": 0}
    assert "alert(1)</script>" not in (tmp_path / "a.html").read_text()
    assert "<script" not in (tmp_path / "a.html").read_text().replace("&lt;script", "")
    assert "\\[red\\]" in (tmp_path / "a.md").read_text()
    again = run(leaking, *quick, "--out", tmp_path / "a.csv")
    assert again.returncode == 3
    assert "not overwritten" in again.stderr
    assert run(leaking, *quick, "-q", "--out", tmp_path / "a.csv", "--overwrite").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fail-on", "leeks"], "Did you mean 'leak'?"),
        (["--out", "audit.txt"], "Name it .csv"),
        (["--report", "audit.pdf"], "must end in one of"),
        (["--labels", "nowhere.csv"], "nowhere.csv does not exist"),
    ],
)
def test_what_is_mistyped_is_one_clear_line(
    leaking: Path, empty_folder: Path, arguments: list[str], said: str
) -> None:
    done = run(leaking, *arguments)
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(empty_folder.iterdir()) == []


def test_ctrl_c_leaves_with_5_and_nothing_behind(leaking: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit.csv"
    command = ["audit", leaking, "--out", out, "--no-near", "--permutations", 100_000]
    process = subprocess.Popen(
        [sys.executable, "-m", "xraybatch", *map(str, command)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # a shell that starts tests in the background has them ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:  # the test of 100,000 permutations comes next
        if line.startswith("reading: 62 of 62 films"):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 5
    assert "Stopped." in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_patients_stand_in_no_output(leaking: Path, tmp_path: Path) -> None:
    rows = ["path,label,patient,split"]
    for file in sorted(leaking.rglob("[0-9]*.jpg")):
        part, name, film_name = file.relative_to(leaking).parts
        rows.append(f"{part}/{name}/{film_name},{name},SMITH^{int(film_name[:2]) % 7},{part}")
    table = tmp_path / "hospital.csv"
    table.write_text("\n".join(rows))
    log, out, page = tmp_path / "log.jsonl", tmp_path / "a.csv", tmp_path / "a.html"
    done = run(
        *(leaking, "--labels", table, "--permutations", 0, "--no-near"),
        *("--out", out, "--report", page, "--log-file", log),
    )
    assert done.returncode == 0, done.stderr
    assert "7 patients have films in several parts" in " ".join(done.stdout.split())
    for text in (done.stdout, done.stderr, *(p.read_text() for p in (log, out, page))):
        assert "SMITH" not in text
