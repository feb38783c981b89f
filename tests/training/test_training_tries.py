"""A grid of settings: chosen by the validation films, while the held-back ones wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from xraybatch.comparison.tries import read_tries
from xraybatch.core.errors import ModelError, UsageError
from xraybatch.extension.records import Architecture, Network, Option, TrainingDefaults
from xraybatch.reports.tries import tries_sections
from xraybatch.training.options import TrainOptions
from xraybatch.training.tries import TryLine, grid, write_tries

ARCHITECTURE = Architecture(
    "a",
    "",
    lambda _: Network(None),
    TrainingDefaults(32, 32),
    options=(Option("width", int, 16, "Width."),),
)


def test_every_combination_is_tried() -> None:
    options = TrainOptions("a", tries=("learning-rate=1e-3, 1e-4", "batch-size=16,32", "width=4,8"))
    tries = grid(options, ARCHITECTURE)
    assert (
        len(
            {
                (t.settings.learning_rate, t.settings.batch_size, t.settings.values["width"])
                for t in tries
            }
        )
        == 8
    )
    assert all(t.options.tries == () for t in tries)
    assert grid(TrainOptions("a"), ARCHITECTURE) == []


@pytest.mark.parametrize(
    "wrong",
    [
        ("learning-rate",),
        ("learning-rate=",),
        ("learning-rate=fast",),
        ("learning-rate=-1",),
        ("batch-size=1.5",),
        ("learning-rat=1",),
        ("seed=1,2",),
        ("optimizer=adam", "optimizer=sgd"),
        ("batch-size=4,8", "batch_size=16"),
        ("imbalance=focal,none",),
        ("augment=wild",),
    ],
)
def test_what_cannot_be_tried_is_refused_with_a_hint(wrong: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        grid(TrainOptions("a", tries=wrong), ARCHITECTURE)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["epochs", "try", "seconds", "chosen", "val_loss"])
def test_what_was_tried_and_what_it_took_stand_apart(tmp_path: Path, name: str) -> None:
    lines = (
        TryLine({name: "5", "learning-rate": "1e-3"}, "val_loss", 0.5, 4, 1.0, True),
        TryLine({name: "10", "learning-rate": "1e-3"}, "val_loss", 0.6, 7, 2.0),
    )
    write_tries(tmp_path, lines)
    (shown,) = read_tries(tmp_path).grids
    assert shown.monitor == "val_loss"
    tried = "epochs" if name == "epochs" else f"{name} tried"
    assert [one.values for one in shown.settings] == [
        {tried: value, "learning-rate": "1e-3"} for value in ("5", "10")
    ]
    assert [(one.best, one.epochs, one.seconds, one.chosen) for one in shown.settings] == [
        ((0.5,), 4, 1.0, (0,)),
        ((0.6,), 7, 2.0, ()),
    ]


def test_why_a_setting_has_no_figure_is_kept_and_shown(tmp_path: Path) -> None:
    write_tries(
        tmp_path,
        (
            TryLine({"learning-rate": "1e-3"}, "val_loss", 0.5, 4, 1.0, True),
            TryLine({"learning-rate": "9"}, "val_loss", None, 1, 2.0, reason="It ran away."),
        ),
    )
    found = read_tries(tmp_path)
    assert [(one.best, one.reasons) for one in found.grids[0].settings] == [
        ((0.5,), ("",)),
        ((None,), ("It ran away.",)),
    ]
    (section,) = tries_sections(found)
    assert "learning-rate 9: It ran away." in str(section)


pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from xraybatch.training.train import train  # noqa: E402


@pytest.mark.train
@pytest.mark.parametrize("monitor", ["loss", "macro-auc"])
def test_one_that_runs_away_does_not_cost_the_others(
    tiny: Any,
    striped_films: Path,
    tmp_path: Path,
    said: Any,
    capfd: pytest.CaptureFixture[str],
    monitor: str,
) -> None:
    options = TrainOptions(
        "tiny",
        data=striped_films,
        out=tmp_path / "run",
        weights="none",
        epochs=2,
        val_split=0.2,
        monitor=monitor,
        tries=("learning-rate=1e30,1e-2",),
    )
    run = train(options, said)
    assert [(line.best is None, line.chosen) for line in run.tries] == [
        (True, False),
        (False, True),
    ]
    assert "run away" in run.tries[0].reason
    assert run.card.settings["learning_rate"] == 1e-2
    assert "Invalid loss" not in "".join(capfd.readouterr())


@pytest.mark.train
def test_where_all_run_away_one_sentence_says_so(
    tiny: Any, striped_films: Path, tmp_path: Path
) -> None:
    options = TrainOptions(
        "tiny",
        data=striped_films,
        out=tmp_path / "run",
        weights="none",
        val_split=0.2,
        tries=("learning-rate=1e30,1e31",),
    )
    with pytest.raises(ModelError, match="None of the 2 settings can be chosen"):
        train(options)
    assert list(tmp_path.iterdir()) == [], "nothing was learned, so nothing is kept"


@pytest.mark.train
def test_the_winner_alone_meets_the_held_back_films(
    tiny: Any, tiny_weights: Path, striped_films: Path, tmp_path: Path, said: Any, monkeypatch: Any
) -> None:
    import xraybatch.training.one_run as one_run

    scored: list[str] = []
    score_part = one_run.score_part

    def counted(model: Any, prepared: Any, part: str, *rest: Any) -> Any:
        scored.append(part)
        return score_part(model, prepared, part, *rest)

    monkeypatch.setattr(one_run, "score_part", counted)
    options = TrainOptions(
        "tiny",
        data=striped_films,
        out=tmp_path / "run",
        weights=str(tiny_weights),
        epochs=4,
        val_split=0.2,
        tries=("learning-rate=1e-6,1e-1", "batch-size=8,16"),
    )
    run = train(options, said)
    assert scored == ["test"]
    assert [s for s in said.stages if s[0] == "features, once"] == [("features, once", 32)]
    table = pd.read_csv(run.folder / "tries.csv")
    assert len(table) == 4
    assert list(table["learning-rate"]) == [1e-6, 1e-6, 1e-1, 1e-1]
    best = table.loc[table["val_loss"].idxmin()]
    assert list(table["chosen"]) == [int(i == best.name) for i in range(4)]
    assert best["learning-rate"] == 0.1
    # the model is the winner's: its history is the try's, and it was not trained once more
    history = pd.read_csv(run.folder / "history.csv")
    assert history["val_loss"].min() == pytest.approx(best["val_loss"])
    assert [s for s in said.stages if s[0] == "training"] == [("training", 4)] * 4
    assert run.card.settings["learning_rate"] == 0.1
    assert "4 settings were tried" in run.card.settings["chosen"]
    assert "val_loss" in run.card.settings["chosen"]
    assert "4 settings were tried" in (run.folder / "card.md").read_text()
    assert "learning-rate = 0.1" in (run.folder / "config.toml").read_text()
    assert "try" not in (run.folder / "config.toml").read_text().replace("retry", "")
    assert [line.chosen for line in run.tries].count(True) == 1
    (shown,) = read_tries(run.folder).grids
    assert [one.chosen == (0,) for one in shown.settings] == [line.chosen for line in run.tries]
    assert [one.best for one in shown.settings] == [
        (pytest.approx(line.best),) for line in run.tries
    ]
    assert shown.monitor == "val_loss"


@pytest.mark.train
def test_the_exported_model_has_the_winners_weights(
    striped_films: Path, tmp_path: Path, said: Any
) -> None:
    from xraybatch.core.tables import read_table

    options = TrainOptions(
        "cnn",
        data=striped_films,
        out=tmp_path / "run",
        image_size="32",
        epochs=4,
        batch_size=8,
        val_split=0.2,
        monitor="macro-auc",
        tries=("learning-rate=3e-3,1e-7",),
    )
    run = train(options, said)
    table = pd.read_csv(run.folder / "tries.csv")
    assert list(table["chosen"]) == [1, 0]
    answers = read_table(run.folder / "predictions-test.csv")["prob.abnormal"].astype(float)
    assert np.ptp(answers) > 0.2, "a network that has learned answers films differently"


@pytest.mark.train
def test_without_validation_films_nothing_can_be_chosen(
    tiny: Any, striped_films: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="there are none"):
        train(
            TrainOptions(
                "tiny",
                data=striped_films,
                out=tmp_path / "run",
                val_split=0,
                tries=("epochs=1,2",),
            )
        )


def test_the_config_may_call_it_try(
    tmp_path: Path, options_of: Callable[[Path], TrainOptions]
) -> None:
    (tmp_path / "c.toml").write_text('plugin = "cnn"\ntry = ["epochs=1,2"]\n')
    assert options_of(tmp_path / "c.toml").tries == ("epochs=1,2",)
