"""What a person is told of the parts before anything learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from xraybatch.extension.records import Architecture
from xraybatch.extension.registry import registry
from xraybatch.training.folds import deal, divide_fold
from xraybatch.training.gather import find, gather
from xraybatch.training.options import TrainOptions
from xraybatch.training.prepare import divide
from xraybatch.training.say_parts import say_parts
from xraybatch.training.settings import settle
from xraybatch.training.split import make_split


@pytest.fixture
def table(write_films: Callable[..., Path], tmp_path: Path) -> pd.DataFrame:
    """Labels of 40 films, 20 of either class, as text."""
    write_films(tmp_path / "films")
    return pd.read_csv(tmp_path / "films" / "labels.csv", dtype=str)


def gathered(table: pd.DataFrame, folder: Path, said: Any, **more: Any) -> tuple[Any, ...]:
    table.to_csv(folder / "films" / "labels.csv", index=False)
    options = TrainOptions("cnn", data=folder / "films", image_size="32", **more)
    settings = settle(options, registry().get(Architecture, "cnn").record)
    found = find(options.data, options, said)
    given = gather(found, options, settings, cache=folder / "cache", progress=said)
    return given, options, settings


def told_parts(given: Any, said: Any) -> str:
    parts = list(given.table["split"])
    split = make_split(
        given.strata, given.groups, given=parts, val_split=0.1, test_split=0.2, seed=0
    )
    said.warnings.clear()
    say_parts(divide(given, split, parts), said)
    return "\n".join(sentence for _, sentence in said.warnings)


def test_classes_that_a_part_has_not_are_warned_of(
    table: pd.DataFrame, tmp_path: Path, said: Any
) -> None:
    order = table["label"].sort_values(kind="stable").index  # abnormal first
    table["split"] = "train"
    table.loc[order[-8:], "split"] = "test"  # normal films alone
    table.loc[order[:6], "split"] = "val"  # abnormal ones alone
    given, *_ = gathered(table.drop(columns="patient"), tmp_path, said)
    told = told_parts(given, said)
    assert "no film of 'label' is 'normal', to choose the best epoch by" in told
    assert "no film of 'label' is 'abnormal', held back: part of the score is undefined" in told
    assert "to train on" not in told


def test_a_task_without_a_label_to_train_on_is_warned_of(
    table: pd.DataFrame, tmp_path: Path, said: Any
) -> None:
    table["split"] = ["train"] * 24 + ["val"] * 8 + ["test"] * 8
    table.loc[table["split"] == "train", "view"] = ""
    given, *_ = gathered(
        table, tmp_path, said, task=("label:binary=normal,abnormal", "view:multiclass=ap,pa")
    )
    assert "no film has a label of 'view', to train on" in told_parts(given, said)


def test_parts_with_all_classes_are_no_reason_to_warn(
    table: pd.DataFrame, tmp_path: Path, said: Any
) -> None:
    given, *_ = gathered(table, tmp_path, said)
    assert told_parts(given, said) == ""


def test_films_that_a_fold_leaves_out_are_counted(
    table: pd.DataFrame, tmp_path: Path, said: Any
) -> None:
    table["fold"] = [str(i % 2) for i in range(40)]  # both films of a patient, one in each
    table["fold"] = table["fold"].where(table.index < 8, [str(i // 2 % 2) for i in range(40)])
    given, options, settings = gathered(table, tmp_path, said, folds=2, on_leak="drop")
    prepared = divide_fold(given, settings, deal(given, options, said), 0, options)
    say_parts(prepared, said)
    assert "the same patient or the same pixels stand in a part that judges: 4 films" in said.text
