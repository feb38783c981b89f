"""Training refuses films that contradict each other, and splits that leak, unless told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from xraybatch.core.errors import InputError
from xraybatch.extension.records import Architecture
from xraybatch.extension.registry import registry
from xraybatch.training.conflicts import (
    check_folds,
    check_leak,
    conflicting,
    settle_conflicts,
)
from xraybatch.training.gather import find, gather
from xraybatch.training.options import TrainOptions
from xraybatch.training.settings import settle
from xraybatch.training.split import make_split


@pytest.fixture
def table(write_films: Callable[..., Path], tmp_path: Path) -> pd.DataFrame:
    """Labels of 40 films, 20 of either class, as text; two of them are one film."""
    write_films(tmp_path / "films")
    found = pd.read_csv(tmp_path / "films" / "labels.csv", dtype=str)
    first, other = pair(found)
    shutil.copy(tmp_path / "films" / first, tmp_path / "films" / other)
    return found


def pair(table: pd.DataFrame) -> list[str]:
    return [table[table["label"] == name]["path"].iloc[0] for name in ("normal", "abnormal")]


def gathered(table: pd.DataFrame, folder: Path, said: Any, **more: Any) -> Any:
    table.to_csv(folder / "films" / "labels.csv", index=False)
    options = TrainOptions("cnn", data=folder / "films", image_size="32", **more)
    settings = settle(options, registry().get(Architecture, "cnn").record)
    found = find(options.data, options, said)
    return gather(found, options, settings, cache=folder / "cache", progress=said)


def test_contradicting_films_stop_training(table: pd.DataFrame, tmp_path: Path, said: Any) -> None:
    given = gathered(table, tmp_path, said)
    with pytest.raises(InputError, match="pixels of another film, but another label: 2;") as error:
        settle_conflicts(given, "error", tmp_path, said)
    assert "--on-conflict drop" in error.value.hint
    assert not any(path in str(error.value) for path in pair(table))  # a path may be a name


def test_contradicting_films_are_dropped_and_listed(
    table: pd.DataFrame, tmp_path: Path, said: Any
) -> None:
    given = gathered(table, tmp_path, said)
    kept = settle_conflicts(given, "drop", tmp_path, said)
    assert set(given.table["path"]) - set(kept.table["path"]) == set(pair(table))
    assert len(kept.films) == len(kept.digests) == len(kept.strata) == len(kept.groups) == 38
    assert [reason for _, reason, _ in kept.unused] == ["conflict", "conflict"]
    for i, path in enumerate(kept.table["path"]):  # rows stay together
        was = list(given.table["path"]).index(path)
        assert kept.digests[i] == given.digests[was]
        assert kept.codes["label"][i] == given.codes["label"][was]
        np.testing.assert_array_equal(kept.films[np.array([i])], given.films[np.array([was])])
    listed = pd.read_csv(tmp_path / "contradictions.csv")
    assert dict(zip(listed["path"], listed["label"], strict=True)) == dict(
        zip(pair(table), ("normal", "abnormal"), strict=True)
    )
    assert set(listed["same_pixels"]) == {1}
    assert "contradictions.csv in the run folder lists them" in said.warnings[-1][1]


@pytest.mark.parametrize("label", ["normal", ""])
def test_films_that_agree_or_say_nothing_are_kept(
    table: pd.DataFrame, tmp_path: Path, said: Any, label: str
) -> None:
    table["view"] = ["ap", "pa"] * 20
    table.loc[table["path"].isin(pair(table)), "view"] = "ap"
    table.loc[table["path"] == pair(table)[1], "label"] = label
    given = gathered(table, tmp_path, said, task=("label", "view:multiclass"))
    assert not conflicting(given).any()
    assert settle_conflicts(given, "error", tmp_path, said) is given
    assert not (tmp_path / "contradictions.csv").exists()


def split_of(groups: list[int], parts: list[str]) -> Any:
    strata = np.arange(len(groups))[:, None] % 2
    return make_split(strata, np.array(groups), given=parts, val_split=0.0, test_split=0.2, seed=0)


def test_parts_that_share_a_patient_stop_training() -> None:
    split = split_of([0, 0, 1, 2, 3], ["train", "test", "train", "train", "test"])
    with pytest.raises(
        InputError, match=r"The split leaks\. Films with the patient or .*: 1"
    ) as error:
        check_leak(split, "error", "patient")
    assert "--on-leak drop" in error.value.hint
    check_leak(split, "drop", "patient")
    check_leak(split_of([0, 4, 1, 2, 3], ["train", "test"] * 2 + ["train"]), "error", "patient")


def test_a_split_that_is_drawn_never_leaks() -> None:
    check_leak(split_of([0, 0, 1, 1, 2, 2, 3, 3], [""] * 8), "error", "patient")


def test_folds_that_share_a_patient_stop_training() -> None:
    fold, groups = np.array([0, 1, 0, 1]), np.array([5, 5, 6, 7])
    with pytest.raises(InputError, match=r"The folds leak\. Films with the study or .*: 2"):
        check_folds(fold, groups, "error", "study")
    check_folds(fold, groups, "drop", "study")
    check_folds(fold, np.arange(4), "error", "film")
