"""A picture of what augmentation makes of training films: each film, then views of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import UsageError
from xraybatch.core.files import atomic_path
from xraybatch.training.augment import augmenter, views_of
from xraybatch.training.part_names import TRAIN
from xraybatch.training.prepare import Prepared
from xraybatch.training.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREVIEW = "augmented.png"
_FILMS, _VIEWS = 6, 5
_LARGEST = 256  # pixels of a film's longer side
_GAP = 4


def check_preview(path: Path, settings: Settings) -> None:
    """Say what keeps a preview from being drawn, before any film is read.

    Raises
    ------
    UsageError
        If these settings augment nothing, or the name does not end in ``.png``.
    """
    if settings.augment == "none" and not settings.flip:
        raise UsageError(
            "These options augment no film, so there is nothing to show.",
            "Give --augment mild, or --flip.",
        )
    if path.suffix.lower() != ".png":
        raise UsageError(f"A preview cannot be written as '{path.name}'.", "Name it FILE.png.")


def write_preview(path: Path, prepared: Prepared, settings: Settings, seed: int) -> None:
    """Write the picture as PNG; none where films are not augmented."""
    layer = augmenter(settings.augment, flip=settings.flip, seed=seed)
    if layer is None:
        return
    train = prepared.split.where(TRAIN)
    chosen = np.sort(np.random.default_rng(seed).permutation(train)[:_FILMS])
    films = prepared.films[chosen]
    columns = [films, *(views_of(layer, films) for _ in range(_VIEWS))]
    _save(path, np.stack(columns, axis=1)[..., 0])


def _save(path: Path, grid: NDArray[np.uint8]) -> None:
    """Write films ``(rows, columns, height, width)`` side by side."""
    from PIL import Image

    rows, columns, height, width = grid.shape
    step = max(1, -(-max(height, width) // _LARGEST))
    grid = grid[:, :, ::step, ::step]
    height, width = grid.shape[2:]
    canvas = np.full((rows * (height + _GAP), columns * (width + _GAP)), 128, np.uint8)
    for i in range(rows):
        for j in range(columns):
            top, left = i * (height + _GAP), j * (width + _GAP)
            canvas[top : top + height, left : left + width] = grid[i, j]
    written = io.BytesIO()
    Image.fromarray(canvas).save(written, format="PNG")
    with atomic_path(path) as temporary:
        temporary.write_bytes(written.getvalue())
