"""Changed copies are found and named, and nothing else: films drawn here, and real ones."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter, shift

from xraybatch.auditing import duplicates
from xraybatch.auditing.agreement import AGREES
from xraybatch.auditing.duplicates import find_near_duplicates
from xraybatch.core.status import FilmError
from xraybatch.images.decode import decode_path
from xraybatch.images.rule import DecodingRule

SIDE = 256


def film(seed: int, side: int = SIDE) -> np.ndarray:
    """A bright shape on black, all alike, with details of its own at several scales."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side - 0.5
    bone = 120 * np.exp(-((x / 0.25) ** 4)) * np.exp(-((y / 0.42) ** 8))
    detail = sum(
        gaussian_filter(rng.normal(0, 1, (side, side)), size) * size * 16 for size in (1.5, 3, 6)
    )
    return np.clip(20 + bone * (1 + detail / 120), 0, 255).astype(np.uint8)


FILMS = np.stack([film(seed) for seed in range(8)])
ORIGINAL = FILMS[5]


def picture(change):
    return lambda pixels: np.asarray(change(Image.fromarray(pixels)))


CHANGES = {
    "noise": (
        "near",
        lambda f: (f + np.random.default_rng(1).integers(0, 4, f.shape)).astype("u1"),
    ),
    "brighter": ("contrast", lambda f: np.clip(f * 1.3, 0, 255).astype(np.uint8)),
    "darker on one side": ("contrast", lambda f: (f * np.linspace(0.4, 1, SIDE)).astype(np.uint8)),
    "gamma": ("contrast", lambda f: (255 * (f / 255) ** 0.6).astype(np.uint8)),
    "negative": ("contrast", lambda f: 255 - f),
    "mirrored": ("mirrored", lambda f: f[:, ::-1]),
    "upside down": ("mirrored", lambda f: f[::-1]),
    "transposed": ("mirrored", lambda f: f.T),
    "turned by 90": ("turned", lambda f: np.rot90(f)),
    "turned by 180": ("turned", lambda f: np.rot90(f, 2)),
    "turned by 270": ("turned", lambda f: np.rot90(f, 3)),
    "shifted": ("moved", lambda f: shift(f, (11, -17), order=0)),
    "rotated": ("moved", picture(lambda f: f.rotate(8, Image.Resampling.BICUBIC))),
    "zoomed": ("moved", picture(lambda f: f.crop((8, 8, 248, 248)).resize((SIDE, SIDE)))),
}


def told(films):
    return [(pair.first, pair.second, pair.kind) for pair in find_near_duplicates(films)]


def test_films_that_look_alike_are_no_copies():
    assert told(FILMS) == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_its_kind_named(change):
    kind, work = CHANGES[change]
    pairs = find_near_duplicates(np.stack([*FILMS, work(ORIGINAL)]))
    assert [(p.first, p.second, p.kind) for p in pairs] == [(5, 8, kind)]
    assert AGREES <= pairs[0].similarity <= 1


def test_identical_films_are_paired_with_the_first_and_changed_copies_with_it():
    films = np.stack([ORIGINAL, FILMS[0], ORIGINAL, ORIGINAL[:, ::-1], ORIGINAL])
    assert told(films) == [(0, 2, "identical"), (0, 3, "mirrored"), (0, 4, "identical")]


def test_a_film_that_is_its_own_mirror_image_is_no_pair_with_itself():
    symmetric = ORIGINAL.copy()
    symmetric[:, SIDE // 2 :] = symmetric[:, : SIDE // 2][:, ::-1]
    assert told(np.stack([FILMS[0], symmetric])) == []
    assert told(np.stack([FILMS[0], symmetric, symmetric])) == [(1, 2, "identical")]


def test_constant_films_pair_with_nothing():
    grey = [np.full((SIDE, SIDE), value, np.uint8) for value in (0, 0, 128, 255)]
    assert told(np.stack([*grey, FILMS[0], FILMS[1]])) == []


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_films_have_no_copies(count):
    assert told(FILMS[:count]) == []


@settings(max_examples=8)
@given(order=st.permutations(range(11)))
def test_the_order_of_films_changes_nothing(order):
    changed = [CHANGES[name][1](ORIGINAL) for name in ("mirrored", "brighter", "rotated")]
    films = np.stack([*FILMS, *changed])
    shuffled = find_near_duplicates(films[list(order)])
    found = {frozenset((order[pair.first], order[pair.second])) for pair in shuffled}
    assert found == {frozenset(pair) for pair in combinations((5, 8, 9, 10), 2)}
    assert all(pair.first < pair.second for pair in shuffled)


def test_threads_change_nothing():
    films = np.stack([*FILMS, *(work(ORIGINAL) for _, work in CHANGES.values())])
    assert find_near_duplicates(films, threads=1) == find_near_duplicates(films, threads=3)


def test_copies_far_apart_in_a_large_folder_are_found_by_any_number_of_threads():
    films = np.stack([film(seed, 64) for seed in range(300)])  # several blocks
    films[290] = films[3, :, ::-1]
    films[131] = np.rot90(films[130])
    films[299] = 255 - films[0]
    found = told(films)
    assert found == [(0, 299, "contrast"), (3, 290, "mirrored"), (130, 131, "turned")]
    assert [(p.first, p.second, p.kind) for p in find_near_duplicates(films, threads=3)] == found


class Told:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.stages, self.notes = {}, []

    @contextmanager
    def stage(self, label, total, unit="films"):
        steps = self.stages[label] = [total]
        yield SimpleNamespace(advance=lambda n=1, detail="": steps.append(n))

    def note(self, sentence):
        self.notes.append(sentence)


def test_progress_is_told_to_the_end_and_many_alike_name_the_way_out(monkeypatch):
    monkeypatch.setattr(duplicates, "_MANY", 10)
    rng = np.random.default_rng(3)
    alike = [(ORIGINAL + rng.integers(0, 4, ORIGINAL.shape)).astype(np.uint8) for _ in range(9)]
    many, few = Told(), Told()
    find_near_duplicates(np.stack(alike), progress=many)
    find_near_duplicates(FILMS, progress=few)
    for progress in (many, few):
        for total, *steps in progress.stages.values():
            assert sum(steps) == total
    assert many.stages["looking for copies"][0] == 9
    assert ["--no-near" in note for note in many.notes] == [True]
    assert few.notes == []


def test_other_sizes_than_256_are_taken():
    films = np.stack([film(seed, 240)[:, :200] for seed in range(6)])
    assert told(np.stack([*films, films[2][:, ::-1]])) == [(2, 6, "mirrored")]


def read(folder: Path, wanted=lambda path: True):
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as lines:
        paths = [row["path"] for row in csv.DictReader(lines) if wanted(row["path"])]
    films, names = [], []
    for path in paths:
        try:
            films.append(decode_path(folder / path, DecodingRule(SIDE, SIDE)).pixels)
            names.append(path)
        except FilmError:
            continue
    return np.stack(films), names


def test_equalised_copies_of_knees_are_found_and_other_knees_are_not(shared_data):
    films, names = read(shared_data / "knee_kl")
    pairs = find_near_duplicates(films)
    stems = [Path(name).name for name in names]
    right = [p for p in pairs if stems[p.first] == stems[p.second]]
    assert len(right) >= 0.8 * 50
    assert all(pair.kind == "contrast" for pair in right)
    assert len(pairs) - len(right) <= 0.02 * len(films)


def test_augmented_copies_of_knees_are_found_though_the_split_is_between(shared_data):
    films, names = read(shared_data / "knee_osteoporosis")
    stems = [Path(name).stem.split("_aug")[0] for name in names]
    pairs = find_near_duplicates(films)
    exact = [pair for pair in pairs if pair.kind == "identical"]
    assert len(exact) == 12
    one = {pair.second: pair.first for pair in exact}
    group = {stem: stem for stem in stems}
    for second, first in one.items():
        group = {
            k: group[stems[first]] if v == group[stems[second]] else v for k, v in group.items()
        }
    group["OP2"] = group["OP28"]  # one film under two numbers, which differs by its augmentation
    same = [group[stem] for stem in stems]
    alone = [i for i in range(len(films)) if i not in one]
    wanted = {(i, j) for i, j in combinations(alone, 2) if same[i] == same[j]}
    found = {(pair.first, pair.second) for pair in pairs if pair.kind != "identical"}
    assert len(found & wanted) >= 0.8 * len(wanted)
    assert len(found - wanted) <= 0.02 * len(films)
