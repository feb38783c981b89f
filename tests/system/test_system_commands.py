"""The three commands as a person types them, in an empty folder, in real processes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip(
    "tensorflow", reason="TensorFlow is not installed: pip install 'xraybatch[train]'"
)
pytestmark = pytest.mark.train


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xraybatch", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a short run on the sample films in ``runs/``, and what training said."""
    folder = tmp_path_factory.mktemp("empty folder")
    done = run(folder, "train", "--plugin", "narrow", "--epochs", "2")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


def test_train_leaves_a_whole_run_folder(trained: tuple[Path, str]) -> None:
    folder, said = trained
    assert [p.name for p in folder.iterdir()] == ["runs"]
    (made,) = (folder / "runs").iterdir()
    names = {p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()}
    assert names >= {
        *("model.onnx", "model.keras", "config.toml", "split.csv", "history.csv", "score.json"),
        *("calibration.npz", "gate.npz", "predictions-test.csv", "card.md", "card.html"),
        *("log.jsonl", "plots/curves.png", "plots/confusion-label.png", "plots/roc-label.png"),
    }
    for word in ("synthetic", "Parity", "95 % interval", "Run folder"):
        assert word in said


def test_training_is_silent_but_for_our_own_words(trained: tuple[Path, str]) -> None:
    said = trained[1]
    for chatter in ("oneDNN", "cuda drivers", "WARNING", "Warning", "TF-TRT", "cuInit", "I0000"):
        assert chatter not in said


def test_predict_takes_the_newest_run_and_score_its_record(trained: tuple[Path, str]) -> None:
    folder = trained[0]
    for arguments in (
        ["sample", "folder"],
        ["predict", "./folder", "--out", "results.csv", "--overwrite"],
        [
            "score",
            "results.csv",
            "folder/labels.csv",
            "--report",
            "score.md",
            "--report",
            "score.json",
        ],
    ):
        done = run(folder, *arguments)
        assert done.returncode == 0, done.stderr
    record = json.loads((folder / "results.csv.run.json").read_text())
    (made,) = (folder / "runs").iterdir()
    assert record["model"]["name"] == made.name
    assert record["model"]["demonstration"]
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    films = len((folder / "folder" / "labels.csv").read_text().splitlines()) - 1
    assert len(rows) == films
    assert {row["seen_in_training"] for row in rows} == {"0", "1"}
    report = json.loads((folder / "score.json").read_text())
    assert report["join"]["matched"] == films
    assert "Accuracy" in (folder / "score.md").read_text()


def test_only_held_back_films_were_not_seen_in_training(trained: tuple[Path, str]) -> None:
    folder = trained[0]
    run(folder, "sample", "folder")
    run(folder, "predict", "folder", "--out", "seen.csv")
    (made,) = (folder / "runs").iterdir()
    with (made / "split.csv").open(newline="") as file:
        split = {row["path"]: row["split"] for row in csv.DictReader(file)}
    with (folder / "seen.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            held_back = split[row["path"]] == "test"
            assert (row["seen_in_training"] == "0") == held_back, row["path"]


def test_a_bar_that_is_missed_is_exit_code_4(trained: tuple[Path, str]) -> None:
    folder = trained[0]
    run(folder, "sample", "folder")
    run(folder, "predict", "folder", "--out", "bar.csv")
    done = run(folder, "score", "bar.csv", "folder/labels.csv", "--fail-under", "accuracy=1.01")
    assert done.returncode in (2, 4)
    done = run(folder, "score", "bar.csv", "folder/labels.csv", "--fail-under", "kappa=0.9999")
    assert done.returncode == 4
    assert "kappa" in done.stderr


def test_a_mistyped_plugin_gets_the_nearest(tmp_path: Path) -> None:
    done = run(tmp_path, "train", "--plugin", "resnet5")
    assert done.returncode == 2
    assert "'resnet50'" in done.stderr
    assert list(tmp_path.iterdir()) == []
