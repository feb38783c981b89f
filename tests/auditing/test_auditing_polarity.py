"""Films whose light and dark are exchanged against the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from xraybatch.auditing.polarity import FEWEST, against_the_others
from xraybatch.auditing.survey import survey
from xraybatch.core.progress import SILENT
from xraybatch.sources.films import find_films


def bone(rows: int = 256, columns: int = 200) -> Image.Image:
    image = Image.new("L", (columns, rows), 0)
    ImageDraw.Draw(image).rectangle([columns // 3, 0, 2 * columns // 3, rows], fill=150)
    return image


def folder_of(tmp_path: Path, count: int, negatives: set[int]) -> Path:
    rng = np.random.default_rng(0)
    for i in range(count):
        grey = np.asarray(bone(64, 48), float) + rng.normal(0, 25, (64, 48))
        shown = np.clip(grey, 0, 255).astype(np.uint8)
        Image.fromarray(255 - shown if i in negatives else shown).save(tmp_path / f"{i:03}.png")
    return tmp_path


@pytest.mark.parametrize("negatives", [set(), {3}, set(range(0, 40, 3))])
def test_negatives_are_those_against_the_others(tmp_path: Path, negatives: set[int]) -> None:
    found = survey(find_films([folder_of(tmp_path, 40, negatives)]).items, SILENT, workers=0)
    assert set(against_the_others(found)) == negatives


def test_of_few_films_nothing_is_said(tmp_path: Path) -> None:
    items = find_films([folder_of(tmp_path, FEWEST - 1, {3})]).items
    assert against_the_others(survey(items, SILENT, workers=0)) == {}


def test_of_films_without_likeness_nothing_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(40):
        small = Image.fromarray(rng.integers(0, 255, (6, 6), np.uint8))
        small.resize((60, 60)).save(tmp_path / f"{i}.png")
    assert against_the_others(survey(find_films([tmp_path]).items, SILENT, workers=0)) == {}
