from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw


def knee(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A bright bone on black that is different for every seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", size[::-1], 0)
    draw = ImageDraw.Draw(image)
    middle = size[1] // 2 + int(rng.integers(-8, 8))
    for half in (28, 22, 16):
        width = half + int(rng.integers(-4, 4))
        draw.rectangle([middle - width, 0, middle + width, size[0]], fill=250 - 5 * half)
    joint = size[0] // 2 + int(rng.integers(-20, 20))
    draw.ellipse([middle - 30, joint - 9, middle + 30, joint + 9], fill=int(rng.integers(60, 120)))
    noise = rng.normal(0, 12, size)
    return Image.fromarray(np.clip(np.asarray(image, float) + noise, 0, 255).astype(np.uint8))


@pytest.fixture
def troubled(tmp_path: Path) -> Path:
    """A folder with one of each trouble, and labels.csv."""
    folder = tmp_path / "films"
    folder.mkdir()
    rows = []

    def put(name: str, label: str, patient: str, part: str, image: Image.Image, **how) -> None:
        image.save(folder / name, **how)
        rows.append([name, label, patient, part])

    for i in range(40):
        label = "normal" if i % 2 else "abnormal"
        put(f"{i:02}.png", label, f"p{i // 2}{label}", "train" if i < 30 else "test", knee(i))
    (folder / "same.png").write_bytes((folder / "00.png").read_bytes())
    rows.append(["same.png", "normal", "q1", "train"])  # a conflict: 00 is abnormal
    put("again.tif", "normal", "q2", "test", Image.open(folder / "01.png"))  # 01 is in train
    put("patient.png", "normal", "p0normal", "test", knee(77))  # of 01's patient
    put("black.png", "normal", "q3", "train", Image.new("L", (50, 60), 3))
    put("other black.png", "abnormal", "q4", "test", Image.new("L", (50, 60), 3))
    negative = Image.fromarray(255 - np.asarray(knee(90)))
    put("negative.png", "normal", "q5", "train", negative)
    put("lie.png", "normal", "q6", "train", knee(91), format="JPEG")
    (folder / "empty.png").write_bytes(b"")
    rows.append(["empty.png", "abnormal", "q7", "train"])
    rows.append(["gone.png", "abnormal", "q8", "train"])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "patient", "split"], *rows])
    return folder
