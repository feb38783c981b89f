"""How often a heat map's brightest place lies in a soft disc that was painted into a phantom.

    python benchmarks/soft_lesions.py

Trains ``narrow`` to tell phantoms with a disc from those without, then asks both kinds of map about
held-back phantoms. `tests/viewing` has the same for clusters of specks, which are easier to place.
"""

from __future__ import annotations

import csv
import os
import tempfile
from importlib.resources import as_file
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

from xraybatch.core.tables import read_table
from xraybatch.images.decode import decode_path
from xraybatch.images.rule import DecodingRule
from xraybatch.models.model import load_model
from xraybatch.models.session import Session
from xraybatch.training.options import TrainOptions
from xraybatch.training.train import train
from xraybatch.viewing.heatmap import ACTIVATION, OCCLUSION, heat_map
from xraybatch_samples import films_folder

SIZE, RADIUS, GREY = 128, 19.0, 70.0


def main() -> None:
    """Print the shares of both kinds of map."""
    with tempfile.TemporaryDirectory() as scratch:
        films = Path(scratch)
        held_back = paint(films)
        asked = TrainOptions(
            "narrow",
            data=films,
            out=films / "run",
            epochs=12,
            batch_size=8,
            group_by="film",
            positive="lesion",
        )
        run = train(asked)
        assert run.model is not None
        assert run.report is not None
        print(f"AUC {run.report.tasks[0].estimates['auc'].value:.3f}")
        model = load_model(run.model)
        session = Session(model, device="cpu")
        for method in (ACTIVATION, OCCLUSION):
            inside = 0
            for path, y, x in held_back:
                film = decode_path(path, model.card.rule).pixels
                task = model.card.tasks[0].task
                values = heat_map(film, session, task, "lesion", method=method).values
                grown = np.asarray(Image.fromarray(values).resize((SIZE, SIZE)))
                row, column = np.unravel_index(grown.argmax(), grown.shape)
                inside += float(np.hypot(row + 0.5 - y, column + 0.5 - x)) < RADIUS
            print(f"{method}: inside in {inside} of {len(held_back)}")


def paint(folder: Path) -> list[tuple[Path, float, float]]:
    """Each phantom with and without a disc; those with one of the held-back part: (file, y, x)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    rows, held_back = [], []
    with as_file(films_folder()) as source:
        for i, row in read_table(source / "labels.csv").iterrows():
            film = decode_path(source / row["path"], DecodingRule(SIZE, SIZE)).pixels
            middle = rng.uniform(0.2 * SIZE, 0.8 * SIZE, 2)
            far = np.hypot(y - middle[0], x - middle[1]) / RADIUS
            part = "test" if int(str(i)) % 5 == 0 else "train"
            for label, grey in (("clear", 0.0), ("lesion", GREY)):
                pixels = film + grey * np.exp(-((far / 0.7) ** 4))
                path = folder / f"{label}{i:03}.png"
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
                rows.append([path.name, label, row["patient"], part])
                if label == "lesion" and part == "test":
                    held_back.append((path, *middle))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "label", "patient", "split"], *rows])
    return held_back


if __name__ == "__main__":
    main()
