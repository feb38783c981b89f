"""Cross-validation: whole runs for each fold, pooled answers that `score` takes as they are."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraybatch.core.errors import InputError, ModelError, UsageError
from xraybatch.core.tables import read_table
from xraybatch.training.split import deal_folds, groups_of

FOLDS = 3


@given(
    patients=st.integers(6, 40),
    films=st.integers(1, 3),
    folds=st.integers(2, 5),
    seed=st.integers(0, 3),
)
def test_folds_keep_patients_whole_and_classes_in_proportion(
    patients: int, films: int, folds: int, seed: int
) -> None:
    names = [f"p{i}" for i in range(patients) for _ in range(films)]
    strata = np.repeat(np.arange(patients) % 2, films)[:, None]
    groups = groups_of(names, [str(i).encode() for i in range(len(names))])
    fold = deal_folds(strata, groups, folds=folds, seed=seed)
    assert set(fold) == set(range(folds))
    for group in np.unique(groups):
        assert len(set(fold[groups == group])) == 1
    sizes = np.bincount(fold) / films
    assert sizes.max() - sizes.min() <= 2
    assert np.array_equal(fold, deal_folds(strata, groups, folds=folds, seed=seed))


def test_too_few_patients_for_the_folds_are_told() -> None:
    with pytest.raises(InputError, match="4 groups"):
        deal_folds(np.arange(8) % 2, np.arange(8) // 2, folds=5, seed=0)


pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from xraybatch.training.options import TrainOptions  # noqa: E402
from xraybatch.training.train import train  # noqa: E402


@pytest.fixture(scope="module")
def with_twins(write_films: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 films, of which one is copied to another patient."""
    folder = write_films(tmp_path_factory.mktemp("twins"))
    (folder / "film039.png").write_bytes((folder / "film002.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def crossed(with_twins: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three folds of ``cnn`` and a model of all films."""
    options = TrainOptions(
        "cnn",
        data=with_twins,
        out=tmp_path_factory.mktemp("crossed") / "run",
        image_size="32",
        epochs=4,
        learning_rate=3e-3,
        batch_size=8,
        folds=FOLDS,
        refit=True,
    )
    return train(options)


@pytest.mark.train
def test_each_fold_is_a_whole_run(crossed: Any) -> None:
    from xraybatch.models.model import load_model

    single = {"model.onnx", "model.keras", "config.toml", "split.csv", "history.csv", "score.json"}
    for k in range(FOLDS):
        folder = crossed.folder / "folds" / str(k)
        assert single | {"predictions-test.csv", "card.md"} <= {p.name for p in folder.iterdir()}
        card = load_model(folder / "model.onnx").card
        assert card.name == f"run-fold-{k}"
        assert f"fold {k} of {FOLDS}" in card.data["split"]
    assert sorted(p.name for p in crossed.folder.iterdir() if p.name.startswith(".")) == []
    assert not {"state", "resume.json", "lock"} & {p.name for p in crossed.folder.iterdir()}


@pytest.mark.train
def test_nobody_is_judged_by_who_learned_from_them(crossed: Any, with_twins: Path) -> None:
    patients = read_table(with_twins / "labels.csv").set_index("path")["patient"]
    judged: list[str] = []
    for k in range(FOLDS):
        split = read_table(crossed.folder / "folds" / str(k) / "split.csv")
        by_part = split.groupby("split")["path"].apply(set)
        assert set(by_part.index) == {"train", "val", "test"}
        sides = [set(patients[list(paths)]) for paths in by_part]
        assert sum(map(len, sides)) == len(set().union(*sides))
        parts = split.set_index("path")["split"]
        assert parts["film039.png"] == parts["film002.png"], "identical films are on one side"
        judged += by_part["test"]
    assert sorted(judged) == sorted(patients.index)


@pytest.mark.train
def test_score_takes_the_pooled_predictions_as_they_are(crossed: Any, with_twins: Path) -> None:
    from click.testing import CliRunner

    from xraybatch.cli.score import command

    pooled = read_table(crossed.folder / "predictions.csv")
    assert list(pooled["path"]) == sorted(pooled["path"])
    assert {"fold", "patient"} <= set(pooled.columns)
    assert list(pooled.columns)[-1] == "error"
    for k in range(FOLDS):
        own = read_table(crossed.folder / "folds" / str(k) / "predictions-test.csv")
        some = pooled[pooled["fold"] == str(k)].reset_index(drop=True)
        assert some[own.columns].equals(own)
    truth = with_twins.parent / "truth-only.csv"  # patients come from the predictions then
    read_table(with_twins / "labels.csv")[["path", "label"]].to_csv(truth, index=False)
    arguments = [str(crossed.folder / "predictions.csv"), str(truth), "--json"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    report = json.loads(done.stdout)
    kept = json.loads((crossed.folder / "score.json").read_text())
    assert report["join"]["patients"] == kept["join"]["patients"] == 20
    for name, estimate in kept["tasks"][0]["estimates"].items():
        assert report["tasks"][0]["estimates"][name]["value"] == estimate["value"]
        assert report["tasks"][0]["estimates"][name]["low"] == estimate["low"]
    assert "training again" in kept["sentences"][0]


@pytest.mark.train
def test_the_command_that_is_named_next_gives_the_score_again(
    crossed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from click.testing import CliRunner

    from xraybatch.cli.score import command
    from xraybatch.cli.train_summary import show_run

    show_run(replace(crossed, model=None))  # as without --refit
    (following,) = re.findall("Next: xraybatch score (.*)", capsys.readouterr().out)
    done = CliRunner().invoke(command, [*following.split(), "--json"], catch_exceptions=False)
    kept = json.loads((crossed.folder / "score.json").read_text())
    found = json.loads(done.stdout)["tasks"][0]["estimates"]["auc"]
    assert found["value"] == kept["tasks"][0]["estimates"]["auc"]["value"]


@pytest.mark.train
def test_each_folds_auc_stands_beside_the_pooled_one(crossed: Any, with_twins: Path) -> None:
    from rich.console import Console
    from sklearn.metrics import roc_auc_score

    from xraybatch.reports.cross_validation import print_folds

    pooled = read_table(crossed.folder / "predictions.csv")
    truth = read_table(with_twins / "labels.csv").set_index("path")["label"] == "abnormal"
    assert [line.fold for line in crossed.folds] == list(range(FOLDS))
    for line in crossed.folds:
        some = pooled[pooled["fold"] == str(line.fold)]
        expected = roc_auc_score(truth[some["path"]], some["prob.abnormal"].astype(float))
        assert line.figure == "auc"
        assert line.estimate.value == pytest.approx(expected)
    console = Console(width=100, record=True, file=io.StringIO())
    print_folds(crossed.report, crossed.folds, console)
    assert "pooled" in console.export_text()
    figures = pd.read_csv(crossed.folder / "scores-by-fold.csv")
    assert list(figures["films"]) == [line.films for line in crossed.folds]
    assert "| pooled |" in (crossed.folder / "folds.md").read_text()


@pytest.mark.train
def test_the_model_of_all_films_says_that_its_score_is_the_folds(crossed: Any) -> None:
    from xraybatch.models.model import load_model

    card = load_model(crossed.model).card
    assert card.data["films_by_split"]["test"] == 0
    assert sum(card.data["films_by_split"].values()) == 40
    assert "that of the folds' models" in card.scores["part"]
    assert card.scores["label"]["auc"]["value"] == crossed.report.tasks[0].estimates["auc"].value
    assert "folds' models" in (crossed.folder / "card.md").read_text()


@pytest.mark.train
def test_folds_of_the_labels_are_honoured_and_films_decoded_once(
    tiny: Any, tiny_weights: Path, write_films: Callable[..., Path], tmp_path: Path, said: Any
) -> None:
    from xraybatch.models.choice import choose_model
    from xraybatch.models.model import load_model, with_card
    from xraybatch.models.runs import newest_run

    folder = write_films(tmp_path / "films")
    table = read_table(folder / "labels.csv")
    table["fold"] = [str(int(patient) % 2) for patient in table["patient"]]
    table.to_csv(folder / "labels.csv", index=False, quoting=csv.QUOTE_ALL)
    options = TrainOptions(
        "tiny",
        data=folder,
        out=tmp_path / "runs" / "run",
        weights=str(tiny_weights),
        epochs=1,
        folds=2,
        no_cache=True,
    )
    run = train(options, said)
    assert (run.model, run.card) == (None, None)
    told = dict(zip(table["path"], table["fold"], strict=True))
    pooled = read_table(run.folder / "predictions.csv")
    assert dict(zip(pooled["path"], pooled["fold"], strict=True)) == told
    decoded = [total for label, total in said.stages if label == "decoding"]
    assert decoded == [40]
    features = [total for label, total in said.stages if label == "features, once"]
    assert sum(total or 0 for total in features) == 40, "and a frozen backbone sees each once"
    # what runs when nobody names a model
    assert newest_run(tmp_path / "runs") is None
    with pytest.raises(ModelError, match="no model of all films") as caught:
        choose_model(run.folder)
    assert "folds/0" in caught.value.hint
    assert choose_model(run.folder / "folds" / "0").model.card.name == "run-fold-0"
    single = train(
        TrainOptions("tiny", data=folder, out=tmp_path / "runs" / "a", weights="none", epochs=1)
    )
    found = newest_run(tmp_path / "runs")
    assert (found.folder, found.passed_over) == (single.folder, None)
    again = train(
        TrainOptions(
            "tiny", data=folder, out=tmp_path / "runs" / "b", weights="none", epochs=1, folds=2
        )
    )
    for file in again.folder.glob("folds/*/model.onnx"):
        model = load_model(file)
        with_card(model, replace(model.card, created="2999-01-01T00:00:00+00:00"), file)
    later = newest_run(tmp_path / "runs")
    assert (later.folder, later.passed_over) == (single.folder, again.folder)
    assert "newer, but a cross-validation" in choose_model(None, runs=tmp_path / "runs").why


@pytest.mark.train
def test_a_figure_that_a_fold_leaves_undefined_is_told_before_training(
    tiny: Any, write_films: Callable[..., Path], tmp_path: Path, said: Any
) -> None:
    folder = write_films(tmp_path / "films")
    table = read_table(folder / "labels.csv")
    table["label"] = ["abnormal" if patient == "000" else "normal" for patient in table["patient"]]
    table.to_csv(folder / "labels.csv", index=False)
    options = TrainOptions(
        "tiny", data=folder, out=tmp_path / "run", weights="none", folds=2, monitor="macro-auc"
    )
    with pytest.raises(UsageError, match="--monitor macro-auc is undefined"):
        train(options, said)
    assert not [s for s in said.stages if s[0] == "training"]
    assert not (tmp_path / ".run.partial").exists()


@pytest.mark.train
@pytest.mark.parametrize(("folds", "text"), [(3, "fewer folds"), (2, "'x'"), (4, "'x'")])
def test_folds_of_the_labels_that_do_not_fit_are_told(
    tiny: Any, striped_films: Path, tmp_path: Path, folds: int, text: str
) -> None:
    table = read_table(striped_films / "labels.csv")
    table["fold"] = [str(i // 2 % 2) for i in range(len(table))]
    if "x" in text:
        table.loc[4, "fold"] = "x"
    table.to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(UsageError, match=text) as caught:
        train(
            TrainOptions(
                "tiny",
                data=striped_films,
                labels=tmp_path / "labels.csv",
                out=tmp_path / "run",
                folds=folds,
                epochs=1,
            )
        )
    assert "0 to" in caught.value.hint
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"refit": True}, {"folds": 2, "val_split": 0.6}])
def test_folds_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        TrainOptions("cnn", **wrong)
    assert caught.value.hint
