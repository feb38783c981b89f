"""--dry-run says before a run what the run then does, and writes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.prediction.conftest import Done, grey_pixels, write_dicom
from xraybatch.core.status import FilmStatus
from xraybatch.images.asked import NOTHING, Asked
from xraybatch.prediction.dry_run import MOST_HEADERS, evenly
from xraybatch.prediction.glance import glance
from xraybatch.sources.item import Item


def dry(folder: Path, model: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "xraybatch", "predict", "films", "--out", "r.csv"),
            *("--model", str(model), "--device", "cpu", "--dry-run", "--json", *arguments),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def hostile(grey_films: Path, tmp_path: Path) -> Path:
    """Twelve films, and one of each kind that a header gives away."""
    films = tmp_path / "films"
    shutil.copytree(grey_films / "b b", films)
    (films / "empty.png").touch()
    (films / "text.jpg").write_text("version https://git-lfs.github.com/spec/v1")
    (films / "gone.png").symlink_to("nowhere.png")
    (films / "start.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    Image.fromarray(np.zeros((300, 400), np.uint8)).save(films / "large.tif")
    write_dicom(films / "a.dcm", grey_pixels(1), Modality="DX")
    write_dicom(films / "b.dcm", grey_pixels(2), Modality="CT")
    report = write_dicom(films / "c.dcm", grey_pixels(3), Modality="SR")
    import pydicom

    header = pydicom.dcmread(report)
    del header.PixelData
    header.save_as(report)
    (films / "notes.txt").write_text("no film")
    return films


def test_headers_say_what_the_run_then_says(
    hostile: Path, tiny_model: Path, tmp_path: Path, predict: Callable[..., Done]
) -> None:
    before = sorted(p.name for p in tmp_path.rglob("*"))
    found = dry(tmp_path, tiny_model, "--max-pixels", "100000")
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
    done = predict("films", "--max-pixels", "100000")
    assert found["by_status"] == done.record["by_status"]
    assert found["by_status"]["too_large"] == 1
    assert found["skipped"] == done.record["skipped"] == {"not a film": 1}
    assert found["films"] == found["looked_at"] == done.record["films"]
    assert found["formats"] == {"png": 15, "unknown": 3, "dicom": 3, "tiff": 1} | {
        "png": sum(p.suffix == ".png" for p in hostile.iterdir()) - 2
    }
    assert found["bytes"] == sum(
        p.stat().st_size for p in hostile.iterdir() if p.suffix != ".txt" and p.exists()
    )
    assert found["device"] == "cpu"
    assert found["films_per_second"] > 0
    assert found["seconds"] == pytest.approx(
        found["by_status"]["ok"] / found["films_per_second"], rel=0.1, abs=0.1
    )


def test_what_a_run_leaves_out_is_left_out(hostile: Path, tiny_model: Path, tmp_path: Path) -> None:
    found = dry(tmp_path, tiny_model, "--where", "Modality=DX")
    assert found["by_status"]["ok"] == 1


def test_what_stands_in_the_way_is_said(hostile: Path, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("precious")
    assert any("--overwrite" in note for note in dry(tmp_path, tiny_model)["notes"])
    assert (tmp_path / "r.csv").read_text() == "precious"


def test_no_film_is_exit_code_3(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "xraybatch", "predict", "films", "--out", "r.csv"),
            *("--model", str(tiny_model), "--dry-run"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert "no film" in done.stderr


def test_of_a_million_films_a_few_thousand_are_looked_at() -> None:
    items = range(1_000_000)
    chosen = evenly(items, MOST_HEADERS)  # type: ignore[type-var]
    assert len(chosen) == MOST_HEADERS
    assert {b - a for a, b in pairwise(chosen)} == {500}  # type: ignore[operator]
    assert evenly(range(3), MOST_HEADERS) == [0, 1, 2]  # type: ignore[comparison-overlap]
    assert evenly([], MOST_HEADERS) == []


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    found = glance(Item("pipe.png", str(tmp_path / "pipe.png"), 0, 0), 10**8, NOTHING)
    assert found.status is FilmStatus.UNREADABLE


def test_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xraybatch.images.readers import raster

    for name, mode in (("a.png", "L"), ("a.jpg", "L"), ("a.tif", "L"), ("a.bmp", "L")):
        Image.new(mode, (400, 300)).save(tmp_path / name)
    monkeypatch.setattr(raster, "stored_values", None)
    for path in sorted(tmp_path.iterdir()):
        film = Item(path.name, str(path), path.stat().st_size, 0)
        assert glance(film, 10**8, Asked()).status is FilmStatus.OK
        assert glance(film, 119_999, Asked()).status is FilmStatus.TOO_LARGE
        assert glance(film, 120_000, Asked()).status is FilmStatus.OK
