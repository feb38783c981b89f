"""Files of the real exporters answer, as adopted models, what their own frameworks say.

``foreign/`` holds tiny models that Ultralytics, torchvision and timm exported, films, and the
probabilities that each framework gives with its own preparation of films; ``foreign/make.py``
makes them anew, where those are installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import xraybatch

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'xraybatch[adopt]'")

HERE = Path(__file__).parent / "foreign"
SAYS = json.loads((HERE / "answers.json").read_text())
GIVEN: dict[str, dict[str, Any]] = {
    "ultralytics": {},  # its metadata says everything
    "torchvision": {
        "classes": ["normal", "mild", "severe"],
        "task": "grade:ordinal",
        "preset": "imagenet",
        "crop_from": 72,
    },
    "timm": {
        "classes": ["normal", "pneumonia"],
        "positive": "pneumonia",
        "preset": "timm-inception",
        "resize": "crop",
    },
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    stored = np.load(HERE / "films.npz")
    paths = []
    for name in stored.files:
        paths.append(folder / f"{name}.png")
        Image.fromarray(stored[name]).save(paths[-1])
    return paths


def answers(model: Path, films: list[Path], task: str, classes: list[str]) -> np.ndarray:
    table = xraybatch.predict([str(f) for f in films], model=model)
    order = [table["path"].map(lambda p: Path(p).name).tolist().index(f.name) for f in films]
    return table.iloc[order][[f"prob.{name}" for name in classes]].to_numpy(np.float64)


@pytest.mark.parametrize("name", GIVEN)
def test_an_adopted_model_answers_films_as_its_framework_does(
    name: str, films: list[Path], tmp_path: Path
) -> None:
    done = xraybatch.adopt(HERE / f"{name}.onnx", out=tmp_path / "m.onnx", **GIVEN[name])
    task = done.card.tasks[0].task
    found = answers(done.path, films, task.name, list(task.classes))
    expected = np.array(SAYS[name]["answers"])
    assert np.ptp(expected, axis=0).max() > 0.3, "a comparison without spread says nothing"
    assert np.abs(found - expected).max() < 2e-5
    assert done.parity.largest_difference < 2e-5
    assert done.card.origin["said"]["size"]["value"] == "64x64"


def test_what_ultralytics_writes_is_read_and_its_words_about_a_disk_are_not_kept(
    tmp_path: Path,
) -> None:
    done = xraybatch.adopt(HERE / "ultralytics.onnx", out=tmp_path / "m.onnx")
    (entry,) = done.card.tasks
    assert (entry.task.name, entry.task.kind, entry.task.classes, entry.task.positive) == (
        *("label", "binary", ("normal", "pneumonia"), "pneumonia"),
    )
    assert (done.card.rule.height, done.card.rule.width, done.card.rule.resize) == (64, 64, "crop")
    origin = done.card.origin
    assert origin["file"] == "ultralytics.onnx"
    assert origin["metadata"]["author"] == "Ultralytics"
    assert origin["metadata"]["license"].startswith("AGPL-3.0")
    assert origin["said"]["classes"]["by"] == "read from the file's metadata"
    assert origin["said"]["range"] == {"value": "0-1", "by": "as Ultralytics prepares images"}
    assert "description" not in origin["metadata"]
    assert b"Ultralytics tiny-cls model" in (HERE / "ultralytics.onnx").read_bytes()
    assert b"Ultralytics tiny-cls model" not in done.path.read_bytes()


def test_lines_of_source_that_torch_writes_beside_nodes_are_left_out(tmp_path: Path) -> None:
    assert b"/home/ann" in (HERE / "timm.onnx").read_bytes()
    done = xraybatch.adopt(HERE / "timm.onnx", out=tmp_path / "m.onnx", **GIVEN["timm"])
    assert b"/home/ann" not in done.path.read_bytes()
    assert done.card.origin["batch"].startswith("exported for 1, opened to any")


def test_an_adopted_model_goes_through_every_command(films: list[Path], tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "xraybatch", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    adopted = run("adopt", str(HERE / "ultralytics.onnx"), "--out", "m.onnx")
    assert adopted.returncode == 0, adopted.stderr
    for words in ("as Ultralytics prepares images", "read from the graph", "Written: m.onnx"):
        assert words in adopted.stdout
    assert "Parity with the original" in adopted.stderr
    inspected = run("inspect", "m.onnx")
    assert inspected.returncode == 0
    assert "adopted from ultralytics.onnx" in inspected.stdout
    folder = str(films[0].parent)
    assert run("predict", folder, "--model", "m.onnx", "--out", "r.csv").returncode == 0
    rows = (tmp_path / "r.csv").read_text().splitlines()
    assert len(rows) == 1 + len(films)
    classes = ("normal", "pneumonia")
    said = [f"{film.name},{classes[i % 2]}" for i, film in enumerate(films)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *said, ""]))
    scored = run("score", "r.csv", "labels.csv", "--report", "r.html")
    assert scored.returncode == 0, scored.stderr
    assert "AUC" in scored.stdout
    shown = run("show", str(films[0]), "--model", "m.onnx", "--heatmap", "--out", "f.png")
    assert shown.returncode == 0, shown.stderr
    again = run("adopt", str(HERE / "ultralytics.onnx"), "--out", "m.onnx")
    assert again.returncode == 3
    assert "is there already and is not overwritten" in again.stderr
    twice = run("adopt", "m.onnx", "--out", "n.onnx")
    assert twice.returncode == 3
    assert "a model of xraybatch already" in twice.stderr


def test_everything_that_is_missing_is_asked_for_in_one_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xraybatch", "adopt", str(HERE / "timm.onnx")]
    done = subprocess.run(
        [*command, "--out", "m.onnx"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    for option in ("--preset", "--range", "--mean", "--std", "--resize", "--classes", "--positive"):
        assert option in done.stderr
    example = next(line for line in done.stderr.splitlines() if line.startswith("For example: "))
    arguments = example.removeprefix("For example: xraybatch ").split()
    assert list(tmp_path.iterdir()) == []
    done = subprocess.run([*command[:3], *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, "the example does not run: " + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["adopted.onnx"]
