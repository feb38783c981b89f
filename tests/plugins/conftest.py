"""Small data sets in the forms that the published projects' data are distributed in."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

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
