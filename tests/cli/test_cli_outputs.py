"""Folders above what commands write: made where they are missing, and it is said."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from xraybatch.cli.app import OURS
from xraybatch.cli.outputs import OutputPath, ResultsPath

WRITTEN = {
    *("out", "reports", "plots", "aggregated", "capsule", "hash_names", "job"),
    *("disagreements", "preview", "log_file"),
}


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (30, 30), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "films" / "a.png")
    return tmp_path / "films"


def audit(films: Path, *arguments: object):
    command = import_module("xraybatch.cli.audit").command
    return CliRunner().invoke(command, [str(films), "--no-near", *map(str, arguments)])


def test_every_option_that_writes_says_which_folder_it_made() -> None:
    found = set()
    for name in OURS:
        for option in import_module(f"xraybatch.cli.{name}").command.params:
            if option.name in WRITTEN:
                found.add(option.name)
                assert isinstance(option.type, OutputPath | ResultsPath), f"{name} {option.opts[0]}"
    assert found == WRITTEN


def test_the_outermost_folder_is_named_once(films: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "new" / "a" / "b.csv", tmp_path / "new" / "l" / "log.jsonl"
    done = audit(films, "--out", out, "--report", tmp_path / "other" / "x.md", "--log-file", log)
    assert done.exit_code == 0, done.output
    assert out.is_file()
    assert log.is_file()
    said = [line for line in done.stderr.splitlines() if line.startswith("Folder made")]
    assert sorted(said) == [f"Folder made: {tmp_path / name}" for name in ("new", "other")]


@pytest.mark.parametrize("more", [["--quiet"], ["--fail-on", "leeks"]])
def test_nothing_is_said_quietly_or_of_what_was_not_made(
    films: Path, tmp_path: Path, more: list[str]
) -> None:
    done = audit(films, "--out", tmp_path / "new" / "b.csv", *more)
    assert "Folder made" not in done.output
    assert (tmp_path / "new").exists() == (more == ["--quiet"])


def test_a_folder_that_is_there_is_not_made(films: Path, tmp_path: Path) -> None:
    assert "Folder made" not in audit(films, "--out", tmp_path / "b.csv").output


@pytest.mark.parametrize("place", ["x" * 300 + "/b.csv", "x" * 300 + ".csv", "films/a.png/b.csv"])
def test_a_place_that_cannot_be_is_one_line(films: Path, tmp_path: Path, place: str) -> None:
    done = audit(films, "--out", tmp_path / place)
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr or "is no folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["films"]
