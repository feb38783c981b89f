from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraybatch.core.errors import InputError, UsageError
from xraybatch.extension.records import Architecture, Network, Option, TrainingDefaults
from xraybatch.training.config import KEYS, check_names, read_config, write_config
from xraybatch.training.options import TrainOptions
from xraybatch.training.settings import parse_values, settle

ARCHITECTURE = Architecture(
    "a",
    "",
    lambda _: Network(None),
    TrainingDefaults(100, 80, epochs=7),
    options=(Option("width", int, 16, "Width."), Option("wide", bool, False, "Wide.")),
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64", (64, 64)),
        ("64x32", (64, 32)),
        ("64X32", (64, 32)),
        (None, (100, 80)),
        (64, (64, 64)),  # of a notebook
    ],
)
def test_sizes_are_height_then_width(text: Any, size: tuple[int, int]) -> None:
    rule = settle(TrainOptions("a", image_size=text), ARCHITECTURE).rule
    assert (rule.height, rule.width) == size


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"test_split": 1.0},
        {"test_split": -0.1},
        {"test_split": 0.6, "val_split": 0.5},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"group_by": "hospital"},
        {"on_leak": "ignore"},
        {"on_conflict": "keep"},
        {"seed": -1},
        {"seed": 2**32},
        {"weight_decay": -1e-4},
        {"weight_decay": float("nan")},
        {"weight_decay": float("inf")},
        {"image_size": "big"},
        {"image_size": "4"},
        {"resize": "squeeze"},
        {"folds": 1},
        {"refit": True},
        {"option": ("width",)},
        {"option": ("widht=3",)},
        {"option": ("width=three",)},
        {"option": ("wide=perhaps",)},
    ],
)
def test_what_makes_no_sense_is_refused_with_a_hint(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        settle(TrainOptions("a", **wrong), ARCHITECTURE)
    assert caught.value.hint


def test_options_of_the_plugin_are_read_by_type() -> None:
    assert parse_values(("width=8", "wide=yes"), ARCHITECTURE.options) == {
        "width": 8,
        "wide": True,
    }


texts = st.text(max_size=20)
options = st.builds(
    TrainOptions,
    plugin=st.just("a"),
    label_column=st.none() | st.text(min_size=1, max_size=20),
    label_map=st.none() | st.text(min_size=1, max_size=20),
    task=st.lists(st.text(min_size=1, max_size=10), max_size=2).map(tuple),
    epochs=st.none() | st.integers(1, 99),
    learning_rate=st.none() | st.floats(1e-9, 10),
    test_split=st.floats(0, 0.8),
    no_cache=st.booleans(),
    source=texts,
    citation=texts,
)


@given(asked=options)
def test_a_written_config_repeats_the_run(
    options_of: Callable[[Path], TrainOptions], asked: TrainOptions
) -> None:
    import tempfile

    settings = settle(asked, ARCHITECTURE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text(write_config(asked, settings, "none"), encoding="utf-8")
        again = options_of(path)
    assert settle(again, ARCHITECTURE) == settings
    for name in ("label_column", "label_map", "task", "test_split", "no_cache", "source"):
        assert getattr(again, name) == getattr(asked, name)
    assert again.weights == "none"


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('plugin = "cnn"\nlearning_rate = 0.1\n')
    with pytest.raises(UsageError, match="learning_rate") as caught:
        read_config(path)
    assert "learning-rate" in caught.value.hint


@pytest.mark.parametrize("content", [b"plugin = ", b"\xff\xfe\x00", b"a"])
def test_what_is_no_toml_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"config\.toml"):
        read_config(path)
    with pytest.raises(InputError):
        read_config(tmp_path / "not there.toml")


def test_the_command_line_has_every_option_and_goes_before_the_config(tmp_path: Path) -> None:
    import click

    from xraybatch.cli.train import command

    names = {
        p.name.replace("_", "-")
        for p in command.params
        if p.name not in ("config", "resume", "preview", "quiet", "log_file")
    }
    assert names == set(KEYS)
    path = tmp_path / "config.toml"
    path.write_text('plugin = "cnn"\nepochs = 3\nbatch-size = 4\ntask = ["a", "b:ordinal"]\n')
    context = command.make_context("train", ["--epochs", "9", "--config", str(path)])
    assert isinstance(context, click.Context)
    found = context.params
    assert (found["plugin"], found["epochs"], found["batch_size"]) == ("cnn", 9, 4)
    assert found["task"] == ("a", "b:ordinal")
    assert (
        TrainOptions(
            **{k: v for k, v in found.items() if k not in ("quiet", "resume", "preview")}
        ).epochs
        == 9
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"data": "d\udcff/films"},
        {"labels": "d\udcff.csv"},
        {"out": "d\udcff"},
        {"source": "\udcff"},
    ],
)
def test_a_name_that_no_file_of_the_run_could_hold_is_refused(
    asked: dict[str, str], empty_folder: Path
) -> None:
    given = {name: Path(at) if name != "source" else at for name, at in asked.items()}
    options = TrainOptions("a", **given)
    with pytest.raises(UsageError, match=rf"--{next(iter(asked))} .*\\udcff") as caught:
        check_names(options, settle(options, ARCHITECTURE))
    assert caught.value.hint


def test_a_link_does_not_hide_such_a_name(empty_folder: Path) -> None:
    Path("d\udcff").mkdir()
    Path("link").symlink_to("d\udcff")
    options = TrainOptions("a", data=Path("link"))
    with pytest.raises(UsageError, match="--data"):
        check_names(options, settle(options, ARCHITECTURE))
    options = TrainOptions("a", data=Path("films"), out=Path("d\udcff/run"))
    check_names(options, settle(options, ARCHITECTURE))  # a run has its last name alone
