"""Data sets in the forms that the published projects' come in, small, and training on them."""

from __future__ import annotations

import functools
import io
import json
import threading
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xraybatch.core.tables import read_table

BONE = ("normal", "osteopenia", "osteoporosis")
REGIONS = ("ELBOW", "FINGER", "FOREARM", "HAND", "HUMERUS", "SHOULDER", "WRIST")


def drawn(random: np.random.Generator, coarse: int, dark: int = 0, size: int = 48) -> bytes:
    """A PNG of stripes: `coarse` of seven spacings, `dark` of two levels; no two are alike."""
    rows, columns = np.mgrid[:size, :size]
    angle = random.uniform(-0.2, 0.2)
    across = rows * np.sin(angle) + columns * np.cos(angle)
    wave = np.sin(across * 2 * np.pi / (3.0 * 1.35**coarse) + random.uniform(0, 6))
    grey = 135 - 60 * dark + 45 * wave + random.normal(0, 12, (size, size))
    target = io.BytesIO()
    Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(target, "png")
    return target.getvalue()


def class_folders(folder: Path, counts: dict[str, int], seed: int = 0, size: int = 48) -> Path:
    """Folders of films, which differ by the folder."""
    random = np.random.default_rng(seed)
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i in range(1, count + 1):
            film = drawn(random, 2 * number, size=size)
            (folder / name / f"{name[:2]}{i}.png").write_bytes(film)
    return folder


def nested_zip(target: Path, counts: dict[str, int], seed: int = 0, size: int = 48) -> Path:
    """A ZIP with a ZIP for each class in it, and what a Mac adds."""
    random = np.random.default_rng(seed)
    with zipfile.ZipFile(target, "w") as outer:
        outer.writestr("__MACOSX/._normal.zip", b"junk of a Mac")
        for number, (name, count) in enumerate(counts.items()):
            inner = io.BytesIO()
            with zipfile.ZipFile(inner, "w") as file:
                for i in range(1, count + 1):
                    film = drawn(random, 2 * number, size=size)
                    file.writestr(f"{name}/{name[:2].upper()}{i}.png", film)
            outer.writestr(f"Knee X-rays/{name}.zip", inner.getvalue())
    return target


def fractures(folder: Path, train: int = 12, test: int = 6, seed: int = 0, size: int = 48) -> Path:
    """The folders train and test, with two classes each."""
    for part, count in (("train", train), ("test", test)):
        seed += 1
        class_folders(folder / part, {"fractured": count, "not fractured": count}, seed, size)
    return folder


def mura(
    folder: Path, train: int = 4, valid: int = 2, films: int = 2, seed: int = 0, size: int = 48
) -> Path:
    """The tree MURA-v1.1 with its tables: patients of each region, every other one abnormal."""
    random, number = np.random.default_rng(seed), 10
    for part, patients in (("train", train), ("valid", valid)):
        paths, studies = [], []
        for coarse, region in enumerate(REGIONS):
            for patient in range(patients):
                number += 1
                ill = patient % 2
                study = f"{part}/XR_{region}/patient{number:05}/study1_"
                study += "positive" if ill else "negative"
                (folder / study).mkdir(parents=True)
                studies.append(f"MURA-v1.1/{study}/,{ill}")
                for i in range(1, films + 1):
                    film = drawn(random, coarse, ill, size)
                    (folder / study / f"image{i}.png").write_bytes(film)
                    paths.append(f"MURA-v1.1/{study}/image{i}.png")
        (folder / f"{part}_image_paths.csv").write_text("\n".join(paths) + "\n")
        (folder / f"{part}_labeled_studies.csv").write_text("\n".join(studies) + "\n")
    return folder


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code, its results, and all that it said, unwrapped."""

    code: int
    out: str
    said: str


def xraybatch(*arguments: object) -> Done:
    """Run the command in this process, as a person types it."""
    from xraybatch.cli.app import main

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    said = " ".join((err.getvalue() + out.getvalue()).split())
    return Done(int(left.value.code or 0), out.getvalue(), said)


@dataclass(frozen=True)
class Trained:
    """A finished run of ``xraybatch train --preset``, as a person finds it."""

    folder: Path
    said: str

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    @property
    def split(self) -> pd.DataFrame:
        return read_table(self.folder / "split.csv")

    @property
    def card(self) -> dict[str, Any]:
        done = xraybatch("inspect", self.folder, "--json")
        assert done.code == 0, done.said
        found: dict[str, Any] = json.loads(done.out)
        return found

    @property
    def tasks(self) -> dict[str, dict[str, Any]]:
        return {task["task"]: task for task in json.loads(self.read("score.json"))["tasks"]}

    @property
    def options(self) -> dict[str, Any]:
        return tomllib.loads(self.read("config.toml"))

    def pictures(self) -> set[str]:
        found = {path.name for path in (self.folder / "plots").iterdir()}
        assert all(Image.open(self.folder / "plots" / name).size[0] > 100 for name in found)
        return found


def train(preset: str, folder: Path, *more: object, data: object = None) -> Trained:
    """Train a preset to the end, small only by options that a person has."""
    where = () if data is None else ("--data", data)
    small = ("--epochs", 1, "--image-size", 32, "--batch-size", 8, "--no-leak-check")
    done = xraybatch("train", "--preset", preset, *where, *small, *more, "--out", folder)
    assert done.code == 0, done.said
    return Trained(folder, done.said)


@pytest.fixture(scope="session")
def distributed() -> SimpleNamespace:
    """What draws data sets: ``class_folders``, ``nested_zip``, ``fractures``, ``mura``."""
    return SimpleNamespace(
        class_folders=class_folders, nested_zip=nested_zip, fractures=fractures, mura=mura
    )


@pytest.fixture(scope="session")
def command() -> Callable[..., Done]:
    """``xraybatch`` with these arguments."""
    return xraybatch


@pytest.fixture(scope="session")
def train_preset() -> Callable[..., Trained]:
    """``xraybatch train --preset`` with these arguments; it must succeed."""
    return train


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to train in, which is the current one, with a cache of its own."""
    folder = tmp_path_factory.mktemp("presets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XRAYBATCH_CACHE", str(folder / "cache"))
        patch.setenv("no_proxy", "127.0.0.1")
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def served(work: Path) -> Iterator[str]:
    """The address of a server for the folder ``work``."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(work)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def random_weights(work: Path) -> Callable[[str], Path]:
    """A weights file of a backbone by its name in Keras: what ImageNet's would be, but random."""

    def make(builder: str) -> Path:
        from xraybatch.training.backend import load_keras, set_seed

        path = work / f"{builder}.weights.h5"
        if not path.exists():
            keras = load_keras()
            set_seed(3)
            build = getattr(keras.applications, builder)
            build(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(path)
        return path

    return make
