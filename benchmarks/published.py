"""The published projects on films at hand: five grouped folds each, and a plain Keras loop beside.

    python benchmarks/published.py scores DATA OUT [ROW …]   # hours; goes on where it stopped
    python benchmarks/published.py speed DATA OUT [ROW …]    # minutes; on a quiet machine
    python benchmarks/published.py table OUT                 # what both found, as Markdown

DATA is a folder with ``knee_osteoporosis``, ``knee_kl``, ``chest_pneumonia`` and ``fracture``.
Weights are random: a "frozen" VGG16 is frozen as it was drawn. CPU seconds are of all threads of
the process, decoding left out on both sides.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FOLDS, PLAIN_EPOCHS = 5, 3


@dataclass(frozen=True)
class Row:
    """A preset on a data set; `options` are what differs from the preset, and why is in `note`."""

    preset: str
    data: str
    options: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    frozen: str = ""

    @property
    def name(self) -> str:
        return f"{self.preset}--{self.data.replace('/', '-')}"


def _grades(**more: Any) -> dict[str, Any]:
    return {"task": "label:multiclass=0,1,2,3,4", "weights": "none", **more}


KNEE, KL = "knee_osteoporosis", "knee_kl"
CHEST, EEEH = "chest_pneumonia", "fracture/eeeh"
NONE = {"weights": "none"}
ROWS = [
    Row("knee-cnn", KNEE, {"epochs": 10}, "10 epochs"),
    Row("knee-resnet50", KNEE, {**NONE, "epochs": 3}, "3 epochs"),
    Row("osteoporosis-simple", KNEE),
    Row("oa-mobilenet", KNEE, {**NONE, "epochs": 8}, "8 epochs"),
    Row("oa-xception", KNEE, {**NONE, "epochs": 2}, "2 epochs"),
    Row("oa-mobilenet", KL, _grades(epochs=5), "5 epochs"),
    Row("oa-xception", KL, _grades(epochs=2, image_size="128"), "2 epochs, 128 px"),
    Row("fracture-cnn", EEEH),
    Row("fracture-vgg16", EEEH, frozen="vgg16"),
    Row("fracture-hybrid", EEEH, frozen="vgg16"),
    Row("fracture-cnn", CHEST, {"image_size": "96", "epochs": 5}, "96 px, 5 epochs"),
    Row("fracture-vgg16", CHEST, {"image_size": "96", "views": 1}, "96 px, 1 view", frozen="vgg16"),
    Row(
        "fracture-hybrid",
        CHEST,
        {"image_size": "96", "views": 1, "epochs": 5},
        "96 px, 1 view, 5 epochs",
        frozen="vgg16",
    ),
]


class Meter:
    """A `Progress` that notes the CPU seconds at which each unit of each stage was done."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, list[float]]] = []

    @contextmanager
    def stage(self, label: str, total: int | None, unit: str = "films") -> Iterator[Any]:
        ticks = [time.process_time()]
        self.stages.append((label, ticks))
        print(f"{time.strftime('%H:%M:%S')} {label} ({total})", flush=True)

        class Stage:
            def advance(self, steps: int = 1, detail: str = "") -> None:
                ticks.append(time.process_time())

        yield Stage()

    def note(self, sentence: str) -> None:
        print(sentence, flush=True)

    def warn(self, title: str, sentence: str) -> None:
        print(f"{title}: {sentence}", flush=True)

    def epochs(self) -> list[float]:
        """Of every epoch but the first of each network, in which TensorFlow traces its graph."""
        return [
            later - earlier
            for label, ticks in self.stages
            if label == "training"
            for earlier, later in pairwise(ticks[1:])
        ]

    def features(self) -> float:
        """Of all runs through a frozen backbone."""
        return sum(ticks[-1] - ticks[0] for label, ticks in self.stages if "features" in label)


def main(action: str, *given: str) -> None:
    """Do what the first word says."""
    if action == "table":
        print(table(Path(given[0])))
        return
    data, out, *names = given
    for row in ROWS:
        done = Path(out, f"{row.name}.{action}.json")
        if (not names or row.name in names) and not done.exists():
            command = [sys.executable, __file__, f"one-{action}", data, out, row.name]
            subprocess.run(command, check=False)


def options_of(row: Row, data: Path, out: Path) -> dict[str, Any]:
    """Keywords of `xraybatch.train`."""
    options = {"preset": row.preset, "data": data / row.data, "source": "as in its README"}
    if row.frozen:
        options["weights"] = str(_drawn(row.frozen, out))
    return {**options, **row.options}


def one_scores(row: Row, data: Path, out: Path) -> dict[str, Any]:
    """Cross-validation of one row."""
    import xraybatch

    meter = Meter()
    folder = out / row.name
    if folder.exists():
        raise SystemExit(f"{folder} is there already")
    unfinished = folder.with_name(f".{folder.name}.partial")
    if unfinished.exists():
        run = xraybatch.train(resume=folder, progress=meter)
    else:
        options = options_of(row, data, out)
        run = xraybatch.train(**options, out=folder, folds=FOLDS, progress=meter)
    assert run.report is not None
    (task,) = run.report.tasks
    names = ("accuracy", "balanced_accuracy", "auc", "macro_auc", "sensitivity", "specificity")
    counts = [sum(line) for line in task.confusion.counts]
    return {
        "films": sum(counts),
        "majority": max(counts) / sum(counts),
        "estimates": {
            name: [e.value, e.low, e.high] for name, e in task.estimates.items() if name in names
        },
        "cpu_seconds_an_epoch": statistics.median(meter.epochs() or [float("nan")]),
        "cpu_seconds_features": meter.features(),
    }


def one_speed(row: Row, data: Path, out: Path) -> dict[str, Any]:
    """One split: our epochs, and those of `model.fit` on the same network and the same films."""
    import tempfile

    import xraybatch

    epochs = 10 if row.frozen else PLAIN_EPOCHS + 1
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        folder = Path(scratch, "run")
        meter = Meter()
        changed = {"epochs": epochs, "patience": epochs, "leak_check": False}
        if row.frozen:
            changed["views"] = 1
        xraybatch.train(
            **{**options_of(row, data, out), **changed}, out=folder, test_split=0.2, progress=meter
        )
        plain = plain_epochs(folder, row, data)
    ours = statistics.median(meter.epochs())
    found = {"ours": ours, "plain": plain, "ratio": plain / ours}
    if row.frozen:
        all_ours = meter.features() + epochs * ours
        found |= {"ours_10_epochs": all_ours, "ratio": epochs * plain / all_ours}
    return found


def plain_epochs(folder: Path, row: Row, data: Path) -> float:
    """CPU seconds of an epoch of plain Keras: the run's network, one array of films, `fit`."""
    import csv

    import keras
    import numpy as np
    from PIL import Image

    from xraybatch.models.model import load_model
    from xraybatch.training.augment import augmenter

    subprocess.run(
        [sys.executable, "-m", "xraybatch", "export", folder, "--to", "keras", "--out",
         folder / "plain.keras"],
        check=True,
    )  # fmt: skip
    trained = keras.saving.load_model(folder / "plain.keras")
    card = load_model(folder / "model.onnx").card
    settings, task = card.settings, card.tasks[0].task
    height, width = trained.input_shape[1:3]

    def read(part: str) -> tuple[Any, Any]:
        with (folder / "split.csv").open(encoding="utf-8", newline="") as file:
            rows = [line for line in csv.DictReader(file) if line["split"] == part]
        pixels = np.zeros((len(rows), height, width, 1), np.uint8)
        for i, line in enumerate(rows):
            with Image.open(data / row.data / line["path"]) as film:
                pixels[i, :, :, 0] = film.convert("L").resize((width, height))
        codes = [task.classes.index(line[task.name]) for line in rows]
        return pixels, np.eye(len(task.classes), dtype="float32")[codes]

    # frozen, but run in every epoch, as scripts do
    if row.frozen:
        for layer in trained.layers:
            layer.trainable = row.frozen not in layer.name
    films = keras.layers.Input((height, width, 1))
    augmentation = augmenter(settings["augment"], flip=False, seed=0)
    seen = films if row.frozen or augmentation is None else augmentation(films)
    model = keras.Model(films, trained(seen)[task.name])
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    ticks: list[float] = []
    model.fit(
        *read("train"),
        validation_data=read("val"),
        batch_size=settings["batch_size"],
        epochs=PLAIN_EPOCHS + 1,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=PLAIN_EPOCHS, restore_best_weights=True),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda *_: ticks.append(time.process_time())
            ),
        ],
    )
    return statistics.median(later - earlier for earlier, later in pairwise(ticks))


def table(out: Path) -> str:
    """Rows of Markdown, of what is there."""
    head = (
        "| preset | films | changed | accuracy | majority | balanced accuracy | AUC | "
        "sensitivity | CPU s/epoch | plain Keras / ours |\n" + "|---" * 10 + "|"
    )
    lines = [head]
    for row in ROWS:
        found = _read(out / f"{row.name}.scores.json")
        if not found:
            continue
        e = found["estimates"]
        auc = e.get("auc") or e.get("macro_auc")
        speed = _read(out / f"{row.name}.speed.json")
        ratio = f"{speed['ratio']:.2f}" if speed else ""
        lines.append(
            f"| `{row.preset}` | {row.data}, {found['films']:,} | {row.note} | "
            f"{_interval(e['accuracy'])} | {found['majority']:.2f} | "
            f"{_interval(e['balanced_accuracy'])} | {_interval(auc)} | "
            f"{_interval(e['sensitivity']) if 'sensitivity' in e else ''} | "
            f"{found['cpu_seconds_an_epoch']:.3g} | {ratio} |"
        )
    return "\n".join(lines)


def _interval(found: list[float | None]) -> str:
    value, low, high = found
    ends = "" if low is None or high is None else f" [{low:.2f}–{high:.2f}]"
    return "undefined" if value is None else f"{value:.2f}{ends}"


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _drawn(backbone: str, out: Path) -> Path:
    """A weights file of random weights, drawn once."""
    import keras

    path = out / f"{backbone}.weights.h5"
    if not path.exists():
        keras.utils.set_random_seed(0)
        network = keras.applications.VGG16(include_top=False, weights=None)
        network.save_weights(path)
    return path


if __name__ == "__main__":
    if sys.argv[1].startswith("one-"):
        action, data, out, name = sys.argv[1].removeprefix("one-"), *sys.argv[2:]
        (row,) = (row for row in ROWS if row.name == name)
        Path(out).mkdir(parents=True, exist_ok=True)
        work = {"scores": one_scores, "speed": one_speed}[action]
        found = work(row, Path(data).resolve(), Path(out).resolve())
        Path(out, f"{name}.{action}.json").write_text(json.dumps(found, indent=1))
        print(json.dumps(found), flush=True)
    else:
        main(*sys.argv[1:])
