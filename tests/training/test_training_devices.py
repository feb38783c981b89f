"""The same training on several devices, in half precision, or with the same bits each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xraybatch.core.errors import UsageError
from xraybatch.core.tables import read_table

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from xraybatch.training.options import TrainOptions  # noqa: E402
from xraybatch.training.train import preview, train  # noqa: E402

# what a process decides once for all: its devices, its determinism
CHILD = """
import json, sys
from collections.abc import Callable
from pathlib import Path
import tensorflow as tf
asked = json.loads(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * asked.pop("processors")
)
from xraybatch.extension.registry import PluginRow, Registry, registry
sys.path.insert(0, asked.pop("tests"))
from tests.training.conftest import TINY
more = Registry([*registry().rows, PluginRow("t:tiny", "ok", "", 0.0, {"architecture": [TINY]})])
import xraybatch.training.train as training
training.registry = lambda: more
from xraybatch.training.options import TrainOptions
asked["data"], asked["out"] = Path(asked["data"]), Path(asked["out"])
run = training.train(TrainOptions(**asked))
print(run.card.to_json())
"""


def in_a_process(data: Path, out: Path, *, processors: int = 1, **more: Any) -> None:
    asked = {
        "plugin": "cnn",
        "data": str(data),
        "out": str(out),
        "image_size": "32",
        "epochs": 5,
        "learning_rate": 3e-3,
        "batch_size": 8,
        "val_split": 0.2,
        "weights": "none",
        "processors": processors,
        "leak_check": False,
        "tests": str(Path(__file__).parents[2]),
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(asked)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def probabilities(folder: Path) -> Any:
    return read_table(folder / "predictions-test.csv")["prob.abnormal"].astype(float)


def test_two_devices_give_what_one_gives(striped_films: Path, tmp_path: Path) -> None:
    in_a_process(striped_films, tmp_path / "one")
    in_a_process(striped_films, tmp_path / "two", processors=2, device="cpu:all")
    lines = (tmp_path / "two" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert any("2 × cpu" in json.loads(line)["text"] for line in lines)
    one, two = (pd.read_csv(tmp_path / name / "history.csv") for name in ("one", "two"))
    assert len(one) == len(two)
    # batch statistics are of half a batch each, so not the same, but as good
    assert two["loss"].iloc[-1] < two["loss"].iloc[0]
    assert abs(two["loss"].iloc[-1] - one["loss"].iloc[-1]) < 0.25
    truth = read_table(striped_films / "labels.csv").set_index("path")["label"] == "abnormal"
    paths = read_table(tmp_path / "two" / "predictions-test.csv")["path"]
    right = (probabilities(tmp_path / "two") > 0.5).to_numpy() == truth[paths].to_numpy()
    assert right.mean() >= 0.75


@pytest.mark.parametrize("train", [24, 5])
def test_two_devices_give_the_same_network_where_there_are_no_batch_statistics(
    write_films: Callable[..., Path], tiny_weights: Path, tmp_path: Path, train: int
) -> None:
    films = write_films(tmp_path / "films", films=40)
    table = pd.read_csv(films / "labels.csv", dtype=str).drop(columns="patient")
    table["split"] = ["train"] * train + ["val"] * 7 + ["test"] * (33 - train)  # not of equal parts
    table.to_csv(films / "labels.csv", index=False)
    # the backbone is frozen, so each step is the mean over the same batch, however it is shared
    more = {"plugin": "tiny", "weights": str(tiny_weights), "monitor": "macro-auc"}
    in_a_process(films, tmp_path / "one", **more)
    in_a_process(films, tmp_path / "two", processors=2, device="cpu:all", **more)
    one, two = (pd.read_csv(tmp_path / name / "history.csv") for name in ("one", "two"))
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-3)
    np.testing.assert_allclose(two["val_loss"], one["val_loss"], rtol=1e-3)
    np.testing.assert_allclose(two["val_macro-auc"], one["val_macro-auc"], atol=1e-6)
    np.testing.assert_allclose(
        probabilities(tmp_path / "two"), probabilities(tmp_path / "one"), atol=1e-3
    )


def test_deterministic_runs_have_the_same_bits(striped_films: Path, tmp_path: Path) -> None:
    more = {"deterministic": True, "augment": "mild", "dropout": 0.2, "epochs": 2}
    for name in ("one", "two"):
        in_a_process(striped_films, tmp_path / name, **more)
    with (
        np.load(tmp_path / "one" / "gate.npz") as one,
        np.load(tmp_path / "two" / "gate.npz") as two,
    ):
        assert np.array_equal(one["probabilities.label"], two["probabilities.label"])
    assert "another processor" in (tmp_path / "one" / "log.jsonl").read_text()


@pytest.mark.parametrize("frozen", [False, True])
def test_half_precision_is_exported_in_float32(
    tiny: Any, tiny_weights: Path, striped_films: Path, tmp_path: Path, said: Any, frozen: bool
) -> None:
    import onnx

    from xraybatch.training.backend import load_keras

    run = train(
        TrainOptions(
            "tiny",
            data=striped_films,
            out=tmp_path / "run",
            weights=str(tiny_weights) if frozen else "none",
            epochs=8,
            learning_rate=1e-2,
            val_split=0.2,
            mixed_precision=True,
        ),
        said,
    )
    keras = load_keras()
    assert keras.config.dtype_policy().name == "float32", "what is built later is as before"
    assert run.card.parity["largest_difference"] < 2e-4
    assert run.card.precision["format"] == "fp32"
    assert run.card.settings["mixed_precision"] is True
    model = keras.models.load_model(run.folder / "model.keras", compile=False)
    assert {layer.compute_dtype for layer in model.get_layer("tiny").layers} <= {"float32"}
    kinds = {entry.data_type for entry in onnx.load(run.model).graph.initializer}
    assert not kinds & {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
    history = pd.read_csv(run.folder / "history.csv")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_what_was_learned_in_half_precision_is_in_the_file(
    tiny: Any, striped_films: Path, tmp_path: Path
) -> None:
    options = {"data": striped_films, "weights": "none", "epochs": 8, "learning_rate": 1e-2}
    full = train(TrainOptions("tiny", out=tmp_path / "full", **options))
    half = train(TrainOptions("tiny", out=tmp_path / "half", mixed_precision=True, **options))
    ends = [pd.read_csv(run.folder / "history.csv")["loss"].iloc[-1] for run in (full, half)]
    assert abs(ends[0] - ends[1]) < 0.15
    assert np.abs(probabilities(half.folder) - probabilities(full.folder)).max() < 0.25


# ── preview ────────────────────────────────────────────────────────────────────────────────────


def test_a_preview_shows_films_and_views_of_them(
    striped_films: Path, tmp_path: Path, said: Any
) -> None:
    options = TrainOptions("cnn", data=striped_films, image_size="32", augment="strong")
    preview(options, tmp_path / "seen.png", said)
    picture = np.asarray(Image.open(tmp_path / "seen.png"))
    assert picture.shape == (6 * 36, 6 * 36)
    cells = picture.reshape(6, 36, 6, 36).transpose(0, 2, 1, 3)[:, :, :32, :32]
    films = [np.asarray(Image.open(p)) for p in striped_films.glob("*.png")]
    for row in cells:
        assert any(np.array_equal(row[0], film) for film in films), "the film itself on the left"
        assert not np.array_equal(row[0], row[1])
        assert not np.array_equal(row[1], row[2])
    assert not any(label == "training" for label, _ in said.stages)
    assert [p.name for p in tmp_path.iterdir()] == ["seen.png"]


def test_a_preview_of_nothing_is_refused(striped_films: Path, tmp_path: Path) -> None:
    options = TrainOptions("cnn", data=tmp_path / "no films are looked for")
    with pytest.raises(UsageError, match="augment no film"):
        preview(replace(options, augment="none"), tmp_path / "seen.png")
    with pytest.raises(UsageError, match=r"seen\.gif"):
        preview(replace(options, augment="mild"), tmp_path / "seen.gif")


def test_an_augmented_run_leaves_the_picture(
    tiny: Any, striped_films: Path, tmp_path: Path
) -> None:
    from click.testing import CliRunner

    from xraybatch.cli.train import command

    run = train(
        TrainOptions(
            "tiny", data=striped_films, out=tmp_path / "run", epochs=1, augment="mild", flip=True
        )
    )
    assert (run.folder / "plots" / "augmented.png").is_file()
    arguments = ["--plugin", "tiny", "--data", str(striped_films), "--augment", "mild"]
    picture = tmp_path / "seen.png"
    done = CliRunner().invoke(command, [*arguments, "--preview", str(picture)])
    assert done.exit_code == 0, done.output
    assert picture.is_file()
    assert not Path("runs").exists()
