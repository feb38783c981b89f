"""Nearly constant films, writing near borders, and films whose light and dark are exchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from xraybatch.auditing.looks import look_at
from xraybatch.auditing.polarity import FEWEST, against_the_others
from xraybatch.auditing.survey import survey
from xraybatch.core.progress import SILENT
from xraybatch.sources.films import find_films


def bone(rows: int = 256, columns: int = 200) -> Image.Image:
    image = Image.new("L", (columns, rows), 0)
    ImageDraw.Draw(image).rectangle([columns // 3, 0, 2 * columns // 3, rows], fill=150)
    return image


def seen(image: Image.Image):
    return look_at(np.asarray(image))


@pytest.mark.parametrize(("spread", "constant"), [(0, True), (5, True), (8, False), (40, False)])
def test_a_film_without_grey_is_nearly_constant(spread: int, constant: bool) -> None:
    ramp = np.linspace(100, 100 + spread, 256).round().astype(np.uint8)
    assert look_at(np.tile(ramp, (64, 1))).nearly_constant is constant


@pytest.mark.parametrize("top", [True, False])
@pytest.mark.parametrize("negative", [True, False])
def test_a_line_of_writing_is_seen(top: bool, negative: bool) -> None:
    image = bone()
    where = (8, 8 if top else 236)
    font = ImageFont.load_default(12)
    ImageDraw.Draw(image).text(where, "DOE JANE 1950", fill=255, font=font)
    shown = Image.fromarray(255 - np.asarray(image)) if negative else image
    assert seen(shown).glyphs >= 4


def test_a_side_marker_is_no_writing() -> None:
    image = bone()
    ImageDraw.Draw(image).text((8, 8), "R", fill=255, font=ImageFont.load_default(14))
    assert seen(image).glyphs == 0
    assert seen(bone()).glyphs == 0


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
