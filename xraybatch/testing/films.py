"""What suites feed to plugins: synthetic films, one task of every kind, labels, a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.models.card import TaskCard
from xraybatch.models.selftest import synthetic_films
from xraybatch.training.fit import Material
from xraybatch.training.heads import Head

if TYPE_CHECKING:
    import pandas as pd

FILMS = 24

# one task of every kind, all at once in one network
TASKS = (
    Task("finding", TaskKind.BINARY, ("absent", "present"), "present"),
    Task("view", TaskKind.MULTICLASS, ("ap", "pa", "lateral")),
    Task("grade", TaskKind.ORDINAL, ("none", "mild", "moderate", "severe")),
    Task("signs", TaskKind.MULTILABEL, ("effusion", "mass", "device")),
)
TASK_CARDS = tuple(TaskCard(task) for task in TASKS)


def many_films(height: int, width: int) -> NDArray[np.uint8]:
    """Films that differ in shape, in brightness and in contrast, uint8 ``(24, h, w, 1)``."""
    shapes = synthetic_films(7, FILMS, height, width).astype(np.int64)
    steps = np.random.default_rng(7).permutation(FILMS)[:, None, None, None]
    contrast = 40 + 20 * (steps % 4)
    level = 255 * steps // (FILMS - 1)
    return ((shapes * contrast + level * (100 - contrast)) // 100).astype(np.uint8)


def some_labels() -> dict[str, NDArray[np.int64]]:
    """Class indices by task for `many_films`, every class among them, some films unlabelled."""
    found = {}
    for number, task in enumerate(TASKS):
        random = np.random.default_rng(number)
        if task.kind is TaskKind.MULTILABEL:
            codes = random.integers(0, 2, (FILMS, len(task.classes)))
        else:
            codes = random.permutation(np.arange(FILMS) % len(task.classes))
        codes[number * 2 : number * 2 + 2] = -1
        found[task.name] = codes.astype(np.int64)
    return found


def material_of(films: NDArray[np.uint8], heads: Sequence[Head]) -> Material:
    """What a network of these heads is trained on; no validation, which would be traced anew."""
    codes = some_labels()
    train = np.arange(FILMS)
    return Material(
        films=films,
        targets={h.task.name: h.targets(codes[h.task.name]) for h in heads},
        weights={h.task.name: h.weights(codes[h.task.name], train, balanced=True) for h in heads},
        train=train,
        val=np.arange(0),
        codes=codes,
        rows=np.arange(FILMS),
    )


def write_films(folder: Path, films: NDArray[np.uint8]) -> list[str]:
    """Write films as PNG, and beside them one without bytes and one cut short; their names."""
    from PIL import Image

    folder.mkdir()
    names = [f"film{number:02d}.png" for number in range(len(films))]
    for name, film in zip(names, films, strict=True):
        Image.fromarray(film[:, :, 0]).save(folder / name)
    (folder / "cut.png").write_bytes((folder / names[0]).read_bytes()[:60])
    (folder / "empty.png").write_bytes(b"")
    return names


def labels_table(names: Sequence[str], codes: dict[str, NDArray[np.int64]]) -> pd.DataFrame:
    """A labels table of text, two films a patient, as a person would hand it to ``score``."""
    import pandas as pd

    table: dict[str, list[str]] = {
        "path": list(names),
        "patient": [f"{number // 2:03d}" for number in range(len(names))],
    }
    for task in TASKS:
        values = codes[task.name]
        if task.kind is TaskKind.MULTILABEL:
            for i, finding in enumerate(task.classes):
                table[finding] = [str(value) for value in values[:, i]]
        else:
            table[task.name] = [task.classes[value] for value in values]
    return pd.DataFrame(table)
