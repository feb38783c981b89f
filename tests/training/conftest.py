"""Small films whose classes differ by the direction of stripes, and a small network for them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xraybatch.extension.records import Architecture, Network, TrainingDefaults
from xraybatch.extension.registry import PluginRow, Registry, registry

SIZE = 32


def striped(rng: np.random.Generator, upright: bool, size: int = SIZE) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    wave = np.sin((x if upright else y) * 2 * np.pi / 8 + rng.uniform(0, 6))
    return (115 + 60 * wave + rng.normal(0, 10, (size, size))).clip(0, 255).astype(np.uint8)


@dataclass
class Said:
    """A progress that keeps what it was told."""

    notes: list[str] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    stages: list[tuple[str, int | None]] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def stage(self, label: str, total: int | None, unit: str = "films") -> Any:
        said = self
        said.stages.append((label, total))

        class Stage:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def advance(self, steps: int = 1, detail: str = "") -> None:
                said.details.append(detail)

        return Stage()

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def warn(self, title: str, sentence: str) -> None:
        self.warnings.append((title, sentence))

    @property
    def text(self) -> str:
        return "\n".join(self.notes)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture(scope="session")
def write_films() -> Callable[..., Path]:
    """Write films of two classes, two of each patient, and labels.csv."""

    def write(folder: Path, films: int = 40, seed: int = 0, size: int = SIZE) -> Path:
        rng = np.random.default_rng(seed)
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for i in range(films):
            upright = i // 2 % 2 == 1
            name = f"film{i:03d}.png"
            Image.fromarray(striped(rng, upright, size)).save(folder / name)
            grade = "012"[i // 4 % 3]
            view = "" if i % 5 == 0 else "ap" if upright else "pa"
            row = [name, "abnormal" if upright else "normal", f"{i // 2:03d}", view, grade]
            rows.append([*row, int(upright), "" if i % 3 == 0 else int(not upright)])
        with (folder / "labels.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["path", "label", "patient", "view", "grade", "mass", "fluid"])
            table.writerows(rows)
        return folder

    return write


@pytest.fixture(scope="session")
def striped_films(
    write_films: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """40 films of 20 patients and labels.csv; read only."""
    return write_films(tmp_path_factory.mktemp("striped"))


def build_tiny(options: Any) -> Network:
    from keras import Model, layers

    films = layers.Input((options.height, options.width, 3), name="films")
    x = layers.Rescaling(1 / 64, offset=-1.8)(films)
    x = layers.Conv2D(8, 5, strides=2, padding="same", activation="relu")(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.Conv2D(12, 3, strides=2, padding="same", activation="relu")(x)
    backbone = Model(films, x, name="tiny")
    if options.weights == "imagenet":
        raise Exception("URL fetch failure on http://example.invalid: None")
    if options.weights:
        backbone.load_weights(options.weights)
    maps = layers.Input(x.shape[1:], name="maps")
    neck = Model(maps, layers.GlobalAveragePooling2D()(maps))
    return Network(neck, backbone, pretrained=options.weights is not None)


TINY = Architecture(
    "tiny",
    "For tests.",
    build_tiny,
    TrainingDefaults(SIZE, SIZE, epochs=3, batch_size=8, learning_rate=1e-2),
    pretrained_on="imagenet",
)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Architecture:
    """The architecture ``tiny``, registered: it can take a weights file, and has no net."""
    row = PluginRow("tests:tiny", "ok", "", 0.0, {"architecture": [TINY]})
    more = Registry([*registry().rows, row])
    monkeypatch.setattr("xraybatch.training.train.registry", lambda: more)
    return TINY


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of ``tiny``'s backbone, of large values that no initialiser draws."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from xraybatch.extension.records import BuildOptions
    from xraybatch.training.backend import load_keras

    keras = load_keras()
    keras.utils.set_random_seed(7)
    backbone = build_tiny(BuildOptions(SIZE, SIZE)).backbone
    for variable in backbone.trainable_variables:
        variable.assign(variable * 2)
    path = tmp_path_factory.mktemp("weights") / "tiny.weights.h5"
    backbone.save_weights(path)
    return path


@pytest.fixture(scope="session")
def trained(striped_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of ``cnn`` on the striped films: (run, what was said); read only."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.train import train

    told = Said()
    options = TrainOptions(
        "cnn",
        data=striped_films,
        out=tmp_path_factory.mktemp("run") / "run",
        image_size=str(SIZE),
        epochs=6,
        learning_rate=3e-3,
        batch_size=8,
        val_split=0.2,
    )
    return train(options, told), told, options


@pytest.fixture(scope="session")
def options_of() -> Callable[[Path], Any]:
    """What ``xraybatch train --config`` makes of a file."""
    from xraybatch.cli.train import command
    from xraybatch.training.options import TrainOptions

    def options_of(config: Path) -> TrainOptions:
        found = command.make_context("train", ["--config", str(config)]).params
        of_the_command = ("quiet", "resume", "preview")
        return TrainOptions(**{k: v for k, v in found.items() if k not in of_the_command})

    return options_of
