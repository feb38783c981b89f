"""Thresholds from other films, studies and options that would change nothing: told or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from xraybatch.cli.score import command
from xraybatch.comparison.compare import compare_models
from xraybatch.core.errors import InputError, UsageError
from xraybatch.images.rule import RULE_VERSION

FILMS = 60


def write(folder: Path, name: str, seed: int, *, probabilities: bool = True,
          record: dict[str, Any] | None = None, **columns: Any) -> Path:  # fmt: skip
    """Results of films ``<name><i>.png``, and their labels beside."""
    rng = np.random.default_rng(seed)
    truth = rng.random(FILMS) < 0.4
    p = np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0.01, 0.99).round(3)
    paths = [f"{name}{i:02}.png" for i in range(FILMS)]
    answers = np.where(p >= 0.2, "yes", "no")
    results = pd.DataFrame({"path": paths, "status": "ok", "label": answers, **columns})
    if probabilities:
        results["prob.no"], results["prob.yes"] = (1 - p).round(3), p
    labels = {
        "path": paths,
        "label": np.where(truth, "yes", "no"),
        "patient": [f"{name}{i}" for i in range(FILMS)],
        "study": [f"=cmd|{name}{i}" for i in range(FILMS)],
    }
    pd.DataFrame(labels).to_csv(folder / f"{name}-labels.csv", index=False)
    path = folder / f"{name}.csv"
    results.to_csv(path, index=False)
    if record is not None:
        (folder / f"{name}.csv.run.json").write_text(json.dumps(record))
    return path


def record(seal: str, positive: str = "yes") -> dict[str, Any]:
    task = {"name": "label", "kind": "binary", "classes": ["no", "yes"], "positive": positive,
            "thresholds": [0.2]}  # fmt: skip
    return {"tasks": [task], "model": {"name": "m", "seal": seal * 64}, "card": {}}


def run(*words: object) -> Result:
    return CliRunner().invoke(command, [*map(str, words), "--resamples", "100"])


def labels(path: Path) -> Path:
    return path.with_name(f"{path.stem}-labels.csv")


POSITIVE = ("--task", "label:binary=no,yes", "--positive", "yes")


def test_thresholds_of_another_model_and_of_seen_films_are_told(tmp_path: Path) -> None:
    mine = write(tmp_path, "a", 1, record=record("a"))
    theirs = write(tmp_path, "b", 2, record=record("f"), seen_in_training="1")
    result = run(mine, labels(mine), "--threshold-from", theirs, "--threshold-labels",
                 labels(theirs))  # fmt: skip
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.replace("│", " ").split())
    assert "b.csv is of another model (seal ffffffffffff)" in said
    assert "60 of the films that thresholds were chosen on were seen in training" in said
    same = write(tmp_path, "c", 3, record=record("a"))
    result = run(mine, labels(mine), "--threshold-from", same, "--threshold-labels", labels(same))
    assert "another model" not in result.output


def test_mistakes_in_the_films_to_choose_on_are_said_to_be_theirs(tmp_path: Path) -> None:
    mine, other = write(tmp_path, "a", 1, record=record("a")), write(tmp_path, "b", 2)
    wrong = labels(other)
    wrong.write_text(wrong.read_text().replace(",yes,", ",1,"))
    result = run(mine, labels(mine), "--threshold-from", other, "--threshold-labels", wrong)
    assert isinstance(result.exception, InputError)
    assert "films to choose thresholds on (b.csv, b-labels.csv): Column 'label'" in str(
        result.exception
    )
    task = {"name": "label", "kind": "multiclass", "classes": ["0", "1", "2"], "positive": None}
    (tmp_path / "b.csv.run.json").write_text(json.dumps({"tasks": [task]}))
    result = run(mine, labels(mine), "--threshold-from", other, "--threshold-labels", wrong)
    assert "b.csv, to choose thresholds on, answers other classes" in str(result.exception)


def test_films_in_both_tables_are_told(tmp_path: Path) -> None:
    mine = write(tmp_path, "a", 1)
    result = run(mine, labels(mine), *POSITIVE, "--threshold-from", mine)
    assert "60 of the scored films were also used to choose thresholds" in " ".join(
        result.output.replace("│", " ").split()
    )


@pytest.mark.parametrize("which", ["scored", "chosen on"])
def test_a_threshold_without_probabilities_is_refused(tmp_path: Path, which: str) -> None:
    bare, whole = write(tmp_path, "a", 1, probabilities=False), write(tmp_path, "b", 2)
    mine, other = (bare, whole) if which == "scored" else (whole, bare)
    result = run(mine, labels(mine), *POSITIVE, "--threshold-from", other, "--threshold-labels",
                 labels(other))  # fmt: skip
    assert isinstance(result.exception, InputError)
    assert "--threshold needs probabilities of task 'label'" in str(result.exception)


def test_a_study_of_one_film_is_answered_as_the_film(tmp_path: Path) -> None:
    mine = write(tmp_path, "a", 1, record=record("a"))
    films = json.loads(run(mine, labels(mine), "--json").stdout)["tasks"][0]["confusion"]
    studies = json.loads(run(mine, labels(mine), "--by", "study", "--json").stdout)
    assert studies["tasks"][0]["confusion"] == films, "by the threshold of the record"
    # its threshold is of the other class: it is not applied to this one, which is told
    turned = run(mine, labels(mine), "--by", "study", "--positive", "no")
    assert "was decided at 0.5: the threshold" in " ".join(turned.output.split())


def test_names_of_studies_are_no_formulas(tmp_path: Path) -> None:
    mine = write(tmp_path, "a", 1, record=record("a"))
    out = tmp_path / "studies.csv"
    assert run(mine, labels(mine), "--by", "study", "--save-aggregated", out).exit_code == 0
    assert pd.read_csv(out)["study"].str.startswith("./=cmd|").all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--by-column", "study"), "--by-column and --aggregate"),
        (("--aggregate", "max"), "--by-column and --aggregate"),
        (("--save-aggregated", "x.csv"), "needs something put together"),
        (("--threshold-labels", "x.csv"), "is for --threshold-from"),
    ],
)
def test_options_that_would_change_nothing_are_refused(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    mine = write(tmp_path, "a", 1)
    result = run(mine, labels(mine), *POSITIVE, *words)
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)


def test_a_prevalence_without_a_positive_class_is_refused(tmp_path: Path) -> None:
    mine = write(tmp_path, "a", 1)
    result = run(mine, labels(mine), "--task", "label:ordinal=no,yes", "--prevalence", "0.1")
    assert isinstance(result.exception, UsageError)
    assert "--prevalence needs a task with a positive class" in str(result.exception)


def test_a_row_a_film_and_a_row_a_frame_are_not_compared(tmp_path: Path) -> None:
    one, other = write(tmp_path, "a", 1), write(tmp_path, "b", 2, frame="0")
    with pytest.raises(InputError, match="a row a frame and some a row a film"):
        compare_models([one, other], labels(one), positive="yes")


def test_a_frame_that_is_no_number_is_an_input_error(tmp_path: Path) -> None:
    rule = {"version": RULE_VERSION, "height": 32, "width": 32, "resize": "stretch"}
    mine = write(tmp_path, "a", 1, record={**record("a"), "rule": rule}, frame="first")
    result = run(mine, labels(mine), "--report", tmp_path / "r.html", "--images", tmp_path)
    assert isinstance(result.exception, InputError), result.exception
    assert "'first' is no number of a frame" in str(result.exception)
