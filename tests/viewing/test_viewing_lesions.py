"""Lesions painted into phantoms, networks trained to see them: the maps find them."""

from __future__ import annotations

import csv
from importlib.resources import as_file
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.tables import read_table
from xraybatch.images.decode import decode_path
from xraybatch.images.rule import DecodingRule
from xraybatch.models.model import load_model
from xraybatch.models.session import Session
from xraybatch.viewing.heatmap import ACTIVATION, OCCLUSION, heat_map
from xraybatch_samples import films_folder

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

RADIUS = 0.15  # of a lesion, as a share of the film's side


def paint(folder: Path, size: int) -> list[tuple[Path, float, float]]:
    """Each phantom twice, plain and with a cluster of bright specks; the clusters held back."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] + 0.5
    rows, held_back = [], []
    with as_file(films_folder()) as source:
        for i, row in read_table(source / "labels.csv").iterrows():
            film = decode_path(source / row["path"], DecodingRule(size, size)).pixels
            middle = rng.uniform(0.2 * size, 0.8 * size, 2)
            inside = np.hypot(y - middle[0], x - middle[1]) < RADIUS * size
            specks = np.kron(rng.random((size // 2, size // 2)) < 0.35, np.ones((2, 2), bool))
            part = "test" if i % 5 == 0 else "train"
            for label, pixels in (("clear", film), ("lesion", film + 110.0 * (inside & specks))):
                path = folder / f"{label}{i:03}.png"
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
                rows.append([path.name, label, row["patient"], part])
            if part == "test":
                held_back.append((path, *middle))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "patient", "split"], *rows])
    return held_back


@pytest.mark.parametrize(
    ("plugin", "size", "epochs", "method"),
    [("narrow", 128, 10, ACTIVATION), ("cnn", 64, 6, OCCLUSION)],
)
def test_the_highest_place_lies_in_the_lesion(
    tmp_path: Path, plugin: str, size: int, epochs: int, method: str
) -> None:
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.train import train

    held_back = paint(tmp_path, size)
    run = train(
        TrainOptions(
            plugin,
            data=tmp_path,
            out=tmp_path / "run",
            image_size=str(size),
            epochs=epochs,
            batch_size=8,
            group_by="film",
            positive="lesion",
        )
    )
    model = load_model(run.model)
    session = Session(model, device="cpu")
    distances = []
    for path, y, x in held_back[:20]:
        film = decode_path(path, model.card.rule).pixels
        found = heat_map(film, session, model.card.tasks[0].task, "lesion")
        assert found.method == method
        distances.append(_beside(found.values, y / size, x / size) / RADIUS)
    assert len(distances) == 20
    assert np.mean(np.array(distances) < 1) >= 0.9, sorted(distances)


def _beside(values: np.ndarray, y: float, x: float) -> float:
    """How far the highest cell of a map is from a point, in sides of the film; 0: it holds it.

    A cell of the last maps is larger than a lesion: how far its middle is off says little.
    """
    height, width = values.shape
    row, column = np.unravel_index(values.argmax(), values.shape)
    down = max(row / height - y, y - (row + 1) / height, 0.0)
    right = max(column / width - x, x - (column + 1) / width, 0.0)
    return float(np.hypot(down, right))
