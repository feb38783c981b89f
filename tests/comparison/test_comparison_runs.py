"""Runs and results tables as they lie on a disk, through the command."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from xraybatch.cli.compare import command
from xraybatch.comparison.compare import compare_models
from xraybatch.core.errors import InputError, ModelError, UsageError
from xraybatch.evaluation import ScoreOptions
from xraybatch.models.model import load_model
from xraybatch.models.size import count_parameters
from xraybatch.reports.comparison_console import render_comparison

CLASSES = ("normal", "osteopenia", "osteoporosis")
QUICK = ScoreOptions(resamples=100)
TASK = {"name": "label", "kind": "multiclass", "classes": CLASSES, "positive": None}


def write_csv(path: Path, head: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


@pytest.fixture
def make_run(tiny_model: Path, tmp_path: Path) -> Callable[..., Path]:
    """What a training run leaves, as far as it is compared."""

    def make(name: str, skill: float, seed: int, films: range = range(60), **record: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(tiny_model, folder / "model.onnx")
        write_results(folder / "predictions-test.csv", skill, seed, films, **record)
        truth = [[f"{i:02}.png", CLASSES[i % 3], f"p{i // 2}", "test"] for i in films]
        rest = [["train.png", "normal", "p99", "train"]]
        write_csv(folder / "split.csv", ["path", "label", "patient", "split"], [*rest, *truth])
        head = ["epoch", "phase", "loss", "seconds", "kept"]
        rows = [[1, "whole", 0.9, 2.5, 0], [2, "whole", 0.5, 1.25, 1], [3, "whole", 0.4, 1.25, 0]]
        write_csv(folder / "history.csv", head, rows)
        return folder

    return make


def write_results(path: Path, skill: float, seed: int, films: range, **record: Any) -> None:
    rng = np.random.default_rng(seed)
    rows = []
    for i in films:
        logits = rng.normal(size=3)
        logits[i % 3] += skill
        prob = np.exp(logits) / np.exp(logits).sum()
        rows.append([f"{i:02}.png", "ok", CLASSES[prob.argmax()], *map(float, prob), ""])
    write_csv(path, ["path", "status", "label", *(f"prob.{c}" for c in CLASSES), "error"], rows)
    told = {"tasks": [TASK], "films_per_second": 46.8, "processor": "a processor", **record}
    path.with_name(path.name + ".run.json").write_text(json.dumps(told))


def test_runs_stand_side_by_side_with_what_they_cost(make_run: Callable[..., Path]) -> None:
    found = compare_models([make_run("weak", 0.2, 1), make_run("strong", 2.0, 2)], options=QUICK)
    weak, strong = found.models
    assert (weak.name, strong.name) == ("weak", "strong")
    assert strong.tasks[0].films == 60
    assert found.join.patients == 30
    assert found.best["label"]["macro_auc"] == (1,)
    cost = strong.cost
    assert (cost.epochs, cost.best_epoch, cost.training_seconds) == (3, 2, 5.0)
    assert (cost.parameters, cost.films_per_second) == (36, 46.8)
    assert (cost.network_films_per_second, cost.tries) == (None, 0)
    text = render_comparison(found)
    assert max(map(len, text.splitlines())) <= 80
    for words in ("2 of 3", "46.8", "▲ ", "Difference to weak, paired", "Who is right"):
        assert words in text
    assert "By macro AUC, strong is better than weak: by" in " ".join(text.split())


@pytest.mark.parametrize("refitted", [False, True])
def test_cross_validations_stand_side_by_side_by_what_their_folds_said(
    make_run: Callable[..., Path], refitted: bool
) -> None:
    def folds(name: str, skill: float, seed: int) -> Path:
        run = make_run(name, skill, seed)
        (run / "folds").mkdir()
        for k in range(2):
            shutil.move(make_run(f"{name}-{k}", 0.0, k), run / "folds" / str(k))
        for suffix in ("", ".run.json"):
            (run / f"predictions-test.csv{suffix}").rename(run / f"predictions.csv{suffix}")
        truth = [[f"{i:02}.png", CLASSES[i % 3], f"p{i // 2}", i % 2] for i in range(60)]
        write_csv(run / "folds.csv", ["path", "label", "patient", "fold"], truth)
        for of_all_films in () if refitted else ("model.onnx", "split.csv", "history.csv"):
            (run / of_all_films).unlink()
        return run

    found = compare_models([folds("weak", 0.2, 1), folds("strong", 2.0, 2)], options=QUICK)
    assert (found.join.patients, found.models[1].tasks[0].films) == (30, 60)
    assert found.best["label"]["macro_auc"] == (1,)
    cost = found.models[1].cost
    assert (cost.epochs, cost.training_seconds, cost.parameters) == (None, 10.0, 36)
    assert "strong: cross-validation: its seconds are those of 2 folds." in found.sentences
    assert (cost.tries, cost.seconds_of_tries) == (0, None)
    assert sum("another training" in sentence for sentence in found.sentences) == 2


def test_what_the_folds_tried_is_counted(make_run: Callable[..., Path]) -> None:
    run = make_run("run", 1.0, 1)
    (run / "folds").mkdir()
    for k in range(2):
        shutil.move(tried(make_run(f"fold-{k}", 0.0, k), k), run / "folds" / str(k))
    for suffix in ("", ".run.json"):
        (run / f"predictions-test.csv{suffix}").rename(run / f"predictions.csv{suffix}")
    truth = [[f"{i:02}.png", CLASSES[i % 3], f"p{i // 2}", i % 2] for i in range(60)]
    write_csv(run / "folds.csv", ["path", "label", "patient", "fold"], truth)
    other = make_run("other", 1.0, 2)
    found = compare_models([run, other], options=QUICK)
    assert (found.models[0].cost.tries, found.models[0].cost.seconds_of_tries) == (8, 12.0)
    told = "run: cross-validation: its seconds and the settings that it tried are those of 2 folds."
    assert told in found.sentences
    (run / "folds" / "1" / "tries.csv").write_text("a\n")
    found = compare_models([run, other], options=QUICK)
    assert found.models[0].cost.tries == 4
    assert any("cannot be read" in sentence for sentence in found.sentences)


def test_other_films_of_the_same_names_are_told(make_run: Callable[..., Path]) -> None:
    runs = [make_run("one", 1, 1), make_run("same", 1, 2), make_run("other", 1, 3)]
    for folder, content in zip(runs, ("a", "a", "b"), strict=True):
        split = pd.read_csv(folder / "split.csv", dtype=str)
        split["file_sha256"] = [content if i % 2 else "c" for i in range(len(split))]
        split.to_csv(folder / "split.csv", index=False)
    told = [
        sentence
        for sentence in compare_models(runs, options=QUICK).sentences
        if "other files" in sentence
    ]
    assert len(told) == 1
    assert told[0].startswith(
        "other: 30 of the 60 films that it shares by name with one are other files there"
    )


def test_four_models_fit_and_more_go_below(make_run: Callable[..., Path]) -> None:
    runs = [make_run(f"2026-11-21-a-long-name-{i}", 0.3 * i, i) for i in range(6)]
    for count in (2, 3, 4, 6):
        text = render_comparison(compare_models(runs[:count], options=QUICK))
        lines = text.splitlines()
        assert max(map(len, lines)) <= 80
        assert "…" not in text.replace("…+", "").replace("…−", ""), "a cell was cut"
        accuracies = [line for line in lines if line.startswith(" Accuracy")]
        assert len(accuracies) == {2: 2, 3: 2, 4: 2, 6: 4}[count]
        # rich cuts what is too wide without a word: every value has its three digits
        at = next(i for i, line in enumerate(lines) if line.startswith(" Macro AUC"))
        values = " ".join(line[18:] for line in lines[at : at + 30] if "0." in line)
        assert not re.search(r"0\.\d{0,2}(?!\d)", values)
    assert sum(line.count("0.") for line in accuracies[:2]) == 6


def test_other_test_films_are_said_loudly(make_run: Callable[..., Path]) -> None:
    one, other = make_run("one", 1, 1, range(50)), make_run("other", 1, 2, range(20, 60))
    done = CliRunner().invoke(command, [str(one), str(other)], catch_exceptions=False)
    assert "not the same" not in done.stderr  # once is enough
    assert "The films are not the same: one 50, other 40." in " ".join(
        done.stdout.replace("│", " ").split()
    )
    assert "30 films" in done.stdout
    third = make_run("third", 1, 3, range(90, 99))
    with pytest.raises(InputError, match="No film"):
        compare_models([one, third])


def test_runs_of_different_truth_or_tasks_are_refused(make_run: Callable[..., Path]) -> None:
    one, other = make_run("one", 1, 1), make_run("other", 1, 2)
    split = other / "split.csv"
    split.write_text(split.read_text().replace("00.png,normal", "00.png,osteopenia"))
    with pytest.raises(InputError, match="disagree on the truth of 1 film "):
        compare_models([one, other])
    third = make_run("third", 1, 3, tasks=[TASK | {"kind": "ordinal"}])
    with pytest.raises(InputError, match="ordinal"):
        compare_models([one, third])
    with pytest.raises(InputError, match="no task in common"):
        compare_models([one, make_run("fourth", 1, 3, tasks=[TASK | {"name": "view"}])])


def test_what_cannot_be_compared(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run("one", 1, 1)
    for paths, error, said in (
        ([run], UsageError, "One model"),
        ([run, run], UsageError, "named twice"),
        ([run, tmp_path], ModelError, r"no model\.onnx"),
        ([run, run / "split.csv"], InputError, "no results table"),
        ([run, run / "predictions-test.csv"], UsageError, "truth of its films is not known"),
    ):
        with pytest.raises(error, match=said):
            compare_models(paths)
    (run / "predictions-test.csv").unlink()
    with pytest.raises(InputError, match="no predictions of held-back films"):
        compare_models([run, make_run("two", 1, 2)])


def test_results_tables_need_labels(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    for i, name in enumerate(("a.csv", "b.csv")):
        write_results(tmp_path / name, i, i, range(40))
    write_csv(
        tmp_path / "truth.csv", ["file", "class"], [[f"{i:02}.png", i % 3] for i in range(40)]
    )
    run = make_run("run", 1, 1)
    words = [
        *(str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), str(run)),
        *("--labels", str(tmp_path / "truth.csv"), "--path-column", "file"),
        *("--label-column", "class", "--json", "--resamples", "100"),
        *("--label-map", "0=normal,1=osteopenia,2=osteoporosis"),
    ]
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    found = json.loads(done.stdout)
    assert [m["name"] for m in found["models"]] == ["a", "b", "run"]
    assert found["models"][0]["cost"]["parameters"] is None
    assert found["models"][0]["tasks"][0]["films"] == 40


def test_disagreements_are_written_for_whoever_asks(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    runs = [make_run("one", 0.5, 1), make_run("other", 1.5, 2)]
    for run in runs:
        split, results = run / "split.csv", run / "predictions-test.csv"
        split.write_text(split.read_text().replace("00.png,normal", "00.png,"))  # not labelled
        for file in (split, results):
            file.write_text(file.read_text().replace("01.png", "=1.png"))
    table = tmp_path / "apart.csv"
    words = [*map(str, runs), "--disagreements", str(table), "--resamples", "100"]
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert ".png" not in done.stdout
    given = [pd.read_csv(run / "predictions-test.csv").set_index("path")["label"] for run in runs]
    truth = pd.read_csv(runs[0] / "split.csv").set_index("path")["label"]
    expected = [
        [f"./{path}" if path.startswith("=") else path, truth[path], a, b]
        for path, a, b in sorted(zip(given[0].index, *given, strict=True))
        if a != b and path != "00.png"
    ]
    found = pd.read_csv(table)
    assert list(found) == ["path", "truth", "answer.one", "answer.other", "right"]
    assert found.iloc[:, :4].to_numpy().tolist() == expected
    for row in found.fillna("").itertuples():
        right = [
            name
            for name, answer in zip(("one", "other"), row[3:5], strict=True)
            if answer == row[2]
        ]
        assert row.right == "; ".join(right)
    count = compare_models(runs, options=QUICK).tasks[0].pairs[0].disagreement[0]
    assert (count.answered_otherwise, count.films) == (len(expected), 59)
    assert isinstance(CliRunner().invoke(command, words).exception, InputError)
    assert CliRunner().invoke(command, [*words, "--overwrite"]).exit_code == 0
    wrong = CliRunner().invoke(command, [*map(str, runs), "--disagreements", "d.md"])
    assert isinstance(wrong.exception, UsageError)


def test_disagreements_name_task_frame_and_finding(tmp_path: Path) -> None:
    tasks = [
        {"name": "found", "kind": "multilabel", "classes": ["mass", "fluid"], "positive": None},
        {"name": "view", "kind": "binary", "classes": ["ap", "pa"], "positive": "pa"},
    ]
    head = ["path", "frame", "status", "found", "found.prob.mass", "found.prob.fluid"]
    head += ["found.pred.mass", "found.pred.fluid", "view", "view.prob.ap", "view.prob.pa"]
    for name, mass, view in (("one", 1, "ap"), ("other", 0, "pa")):
        pa = 0.9 if view == "pa" else 0.1
        rows = [
            ["a.dcm", 0, "ok", "", 0.9 * mass, 0.2, mass, 0, "ap", 0.9, 0.1],
            ["a.dcm", 1, "ok", "", 0.1, 0.8, 0, 1, view, 1 - pa, pa],
        ]
        write_csv(tmp_path / f"{name}.csv", head, rows)
        (tmp_path / f"{name}.csv.run.json").write_text(json.dumps({"tasks": tasks}))
    truth = [["a.dcm", 0, 1, "", "ap"], ["a.dcm", 1, 0, 1, "pa"]]
    write_csv(tmp_path / "labels.csv", ["path", "frame", "mass", "fluid", "view"], truth)
    compare_models(
        [tmp_path / "one.csv", tmp_path / "other.csv"],
        tmp_path / "labels.csv",
        disagreements=tmp_path / "apart.csv",
        options=QUICK,
    )
    lines = (tmp_path / "apart.csv").read_text().splitlines()
    assert lines == [
        "path,frame,task,finding,truth,answer.one,answer.other,right",
        "a.dcm,0,found,mass,1,1,0,one",
        "a.dcm,1,view,,pa,ap,pa,other",
    ]


def test_margin_and_primary_come_from_the_command_line(make_run: Callable[..., Path]) -> None:
    runs = [str(make_run("weak", 0.2, 1)), str(make_run("strong", 2.0, 2))]
    words = [*runs, "--resamples", "100", "--primary", "accuracy", "--margin", "0.05", "--json"]
    told = json.loads(CliRunner().invoke(command, words, catch_exceptions=False).stdout)
    (task,) = told["tasks"]
    assert task["primary"] == "accuracy"
    assert task["pairs"][0]["non_inferiority"]["margin"] == 0.05
    assert task["verdicts"] == [task["pairs"][0]["verdict"]]
    for bad in (["--primary", "acuracy"], ["--margin", "-1"]):
        assert isinstance(CliRunner().invoke(command, [*runs, *bad]).exception, UsageError)


def test_every_pair_of_three_models_is_shown(make_run: Callable[..., Path], tmp_path: Path) -> None:
    skills = {"a": 0.2, "b": 0.4, "c": 3}
    runs = [make_run(name, skill, i) for i, (name, skill) in enumerate(skills.items())]
    found = compare_models(runs, options=QUICK)
    text = render_comparison(found)
    lines = [line.strip() for line in text.splitlines()]
    at = lines.index("Every pair by macro AUC")
    shown = [line.split()[:3] for line in lines[at : at + 8] if " minus " in line]
    assert shown == [["b", "minus", "a"], ["c", "minus", "a"], ["c", "minus", "b"]]
    assert "p adjusted for 3 pairs" in " ".join(lines)


def test_a_task_that_one_model_lacks_is_left_out(make_run: Callable[..., Path]) -> None:
    one = make_run("one", 1, 1)
    view = TASK | {"name": "view"}
    two = make_run("two", 1, 1, tasks=[TASK, view])
    table = two / "predictions-test.csv"
    text = table.read_text()
    for name in CLASSES:
        text = text.replace(f"prob.{name}", f"label.prob.{name}")
    table.write_text(text)
    found = compare_models([one, two], options=QUICK)
    assert [t.task for t in found.models[1].tasks] == ["label"]
    assert found.models[0].tasks[0].estimates == found.models[1].tasks[0].estimates
    assert any("its task view is not answered by all" in s for s in found.sentences)


def test_reports_overwrite_nothing(make_run: Callable[..., Path], tmp_path: Path) -> None:
    runs = [str(make_run("a|b", 0.2, 1)), str(make_run("b", 2.0, 2))]
    report, data, page = (tmp_path / f"c.{suffix}" for suffix in ("md", "json", "html"))
    words = [w for path in (report, data, page) for w in ("--report", str(path))]
    words = [*runs, *words, "--resamples", "100"]
    assert CliRunner().invoke(command, words).exit_code == 0
    text = report.read_text()
    assert "|  | a\\|b | b |" in text
    assert " | ▲ 0." in text
    for heading in ("Difference to a\\|b, paired", "Who is right", "Patients needed to tell apart"):
        assert f"## {heading}" in text
    found = json.loads(data.read_text())
    assert found["schema_version"] == "2.0"
    assert "<title>Comparison of a|b, b</title>" in page.read_text()
    assert found["tasks"][0]["verdicts"][0] in text.replace("\\", "").replace("&lt;", "<")
    assert isinstance(CliRunner().invoke(command, words).exception, InputError)
    assert CliRunner().invoke(command, [*words, "--overwrite"]).exit_code == 0
    wrong = CliRunner().invoke(command, [*runs, "--report", "c.docx"]).exception
    assert isinstance(wrong, UsageError)


def test_validation_films_are_called_optimistic(make_run: Callable[..., Path]) -> None:
    one, two = make_run("one", 1, 1), make_run("two", 1, 2)
    for run in (one, two):
        for name in ("predictions-test.csv", "predictions-test.csv.run.json"):
            (run / name).rename(run / name.replace("test", "validation"))
        split = run / "split.csv"
        split.write_text(
            split.read_text().replace(",test\n", ",val\n").replace(",test\r", ",val\r")
        )
    assert sum("optimistic" in s for s in compare_models([one, two], options=QUICK).sentences) == 2


def test_parameters_are_the_numbers_in_the_weights(tiny_model: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    content = load_model(tiny_model).content
    graph = onnx.load_from_string(content).graph
    sizes = [onnx.numpy_helper.to_array(t) for t in graph.initializer]
    assert count_parameters(content) == sum(a.size for a in sizes if a.ndim) == 36
    with pytest.raises(ValueError, match="record"):
        count_parameters(b"no graph")


def test_numbers_that_papers_compare_stand_side_by_side(make_run: Callable[..., Path]) -> None:
    from sklearn import metrics

    from xraybatch.core.tables import read_table

    runs = [make_run("weak", 0.2, 1), make_run("strong", 2.0, 2)]
    found = compare_models(runs, options=QUICK)
    for run, model in zip(runs, found.models, strict=True):
        given = read_table(run / "predictions-test.csv")["label"]
        truth = [CLASSES[i % 3] for i in range(60)]
        expected = {"accuracy": metrics.accuracy_score(truth, given)}
        for name in ("precision", "recall", "f1"):
            score = getattr(metrics, f"{name}_score")
            for average in ("macro", "weighted"):
                expected[f"{average}_{name}"] = score(truth, given, average=average)
        values = {name: model.tasks[0].estimates[name].value for name in expected}
        assert values == pytest.approx(expected)
    lines = render_comparison(found).splitlines()
    rows = [line.split("  ")[0].strip() for line in lines]
    for name in ("Accuracy", "Macro precision", "Macro F1"):
        assert rows.count(name) == 2
        line, difference = [line for line in lines if line.startswith(f" {name} ")]
        assert line.count("0.") == 2
        assert line.count("▲") == 1
        assert difference.split()[len(name.split())].startswith("+0.")


def test_speed_is_what_was_measured(make_run: Callable[..., Path]) -> None:
    measured = {
        "films_per_second": 8.6,
        "seconds": {"total": 7.0, "decoding": 4.0, "classifying": 0.25},
        "by_status": {"ok": 50, "corrupt": 10},
    }
    went_on = {**measured, "resumed": {"done": 30}}
    runs = [make_run("whole", 1, 1, **measured), make_run("resumed", 1, 2, **went_on)]
    for run in runs:
        record = run / "predictions-test.csv.run.json"
        record.write_text(json.dumps({**json.loads(record.read_text()), "films": 60}))
    whole, resumed = (model.cost for model in compare_models(runs, options=QUICK).models)
    assert (whole.films_per_second, whole.network_films_per_second) == (8.6, 200.0)
    assert resumed.network_films_per_second is None, "its seconds are not of all its films"
    text = render_comparison(compare_models(runs, options=QUICK))
    (line,) = [line for line in text.splitlines() if line.startswith(" Films/s, network")]
    assert line.split()[-2:] == ["200.0", "–"]
    assert "Of fewer than 500 films" in text


def tried(folder: Path, chosen: int, best: tuple[str, ...] = ("0.61", "0.5", "", "0.7")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    grid = [("1e-3", "8"), ("1e-3", "16"), ("1e-4", "8"), ("1e-4", "16")]
    rows = [
        [i + 1, *point, best[i], 4 + i, 1.5, int(i == chosen), ""] for i, point in enumerate(grid)
    ]
    of_took = ["epochs_trained", "seconds", "chosen", "reason"]
    head = ["try", "learning-rate", "batch-size", "val_loss", *of_took]
    write_csv(folder / "tries.csv", head, rows)
    return folder


def test_one_run_shows_the_settings_that_were_tried(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = tried(make_run("run", 1, 1), 1)
    done = CliRunner().invoke(command, [str(run)], catch_exceptions=False)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    (line,) = [line for line in lines if "*" in line and "•" not in line]
    assert line.split() == ["1e-3", "16", "*", "0.5", "5", "1.5"]
    assert "by val_loss of the best epoch: lower is better" in done.stdout
    assert "22 epochs, 6.0 seconds" in done.stdout
    assert [line.split()[2] for line in lines if line.startswith(" 1e-4")] == ["–", "0.7"]
    told = json.loads(CliRunner().invoke(command, [str(run), "--json"]).stdout)
    assert told["grids"][0]["settings"][1] == {
        "values": {"learning-rate": "1e-3", "batch-size": "16"},
        "best": [0.5],
        "epochs": 5,
        "seconds": 1.5,
        "chosen": [0],
        "reasons": [""],
    }
    report = tmp_path / "tries.md"
    CliRunner().invoke(command, [str(run / "model.onnx"), "--report", str(report)])
    assert "| 1e-3 | 16 | \\* 0.5 | 5 | 1.5 |" in report.read_text()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("positive", "osteopenia"),
        ("primary", "accuracy"),
        ("margin", 0.02),
        ("disagreements", "d.csv"),
        ("path_column", "file"),
        ("label_column", "truth"),
        ("patient_column", "person"),
        ("label_map", "0=normal"),
        ("confidence", 0.9),
        ("resamples", 500),
        ("seed", 1),
    ],
)
def test_one_run_alone_takes_no_option_of_scores(
    tmp_path: Path, option: str, value: str | float
) -> None:
    import xraybatch

    run = tried(tmp_path / "run", 1)
    typed = f"--{option.replace('_', '-')}"
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(command, [str(run), typed, str(value)], catch_exceptions=False)
    assert caught.value.message == f"{typed} changes nothing of what run tried."
    assert "two or more runs" in caught.value.hint
    with pytest.raises(UsageError) as called:
        xraybatch.compare(run, **{option: value})
    assert called.value.message == caught.value.message


def test_each_fold_chose_for_itself(tmp_path: Path) -> None:
    for k, chosen in enumerate((1, 1, 0)):
        tried(tmp_path / "run" / "folds" / str(k), chosen, (f"0.{k + 4}", "0.5", "0.8", "0.7"))
    done = CliRunner().invoke(command, [str(tmp_path / "run")], catch_exceptions=False)
    assert "run: 4 settings tried in each of 3 folds" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(" 1e-")]
    assert rows[0] == ["1e-3", "8", "0.5", "0.4–0.6", "2", "12", "4.5"]
    assert rows[1] == ["1e-3", "16", "0.5", "0.5–0.5", "0,", "1", "15", "4.5"]
    assert rows[2][4] == "–"
    tried(tmp_path / "run", 0)  # of the model of all films
    both = CliRunner().invoke(command, [str(tmp_path / "run")], catch_exceptions=False)
    assert "run: 4 settings tried for the model of all films" in both.stdout
    tried(tmp_path / "run" / "folds" / "1", 0)
    other = tmp_path / "run" / "folds" / "1" / "tries.csv"
    other.write_text(other.read_text().replace("1e-4", "1e-5"))
    with pytest.raises(InputError, match="not what a training run writes"):
        CliRunner().invoke(command, [str(tmp_path / "run")], catch_exceptions=False)


def test_of_several_runs_the_tries_are_counted(make_run: Callable[..., Path]) -> None:
    runs = [tried(make_run("one", 1, 1), 1), make_run("other", 1, 2)]
    found = compare_models(runs, options=QUICK)
    assert [model.cost.tries for model in found.models] == [4, 0]
    text = " ".join(render_comparison(found).split())
    assert "one: the best of 4 settings, whose epochs took 6.0 seconds in all" in text
    assert "1e-4" not in text


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "",
        "try,lr,lr\n1,1,1\n",
        "try,lr,val_loss,epochs_trained,seconds,chosen,reason\n",
        "try,lr,val_loss,epochs_trained,seconds,chosen,reason\n1,0.1,0.5,many,1.0,1,\n",
    ],
)
def test_odd_tries_cost_a_note_and_no_comparison(make_run: Callable[..., Path], text: str) -> None:
    runs = [make_run("one", 1, 1), make_run("other", 1, 2)]
    (runs[1] / "tries.csv").write_text(text)
    found = compare_models(runs, options=QUICK)
    assert [model.cost.tries for model in found.models] == [0, 0]
    assert found.models[1].cost.epochs == 3
    (said,) = [sentence for sentence in found.sentences if "tries.csv" in sentence]
    assert said.startswith("other: its tries.csv cannot be read")
    with pytest.raises(InputError):
        CliRunner().invoke(command, [str(runs[1])], catch_exceptions=False)


def test_one_run_without_tries_says_what_to_name(make_run: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="no settings were tried") as caught:
        CliRunner().invoke(command, [str(make_run("run", 1, 1))], catch_exceptions=False)
    assert "--try" in caught.value.hint


def test_of_two_classes_the_names_of_papers_are_said(tmp_path: Path) -> None:
    from sklearn import metrics

    from xraybatch.core.tables import read_table

    classes = ("normal", "fracture")
    task = {"name": "label", "kind": "binary", "classes": classes, "positive": "fracture"}
    truth = [classes[i % 2] for i in range(40)]
    for name, seed in (("one", 1), ("other", 2)):
        p = np.random.default_rng(seed).uniform(size=40)
        rows = [[f"{i}.png", "ok", classes[int(p[i] >= 0.5)], 1 - p[i], p[i]] for i in range(40)]
        head = ["path", "status", "label", "prob.normal", "prob.fracture"]
        write_csv(tmp_path / f"{name}.csv", head, rows)
        (tmp_path / f"{name}.csv.run.json").write_text(json.dumps({"tasks": [task]}))
    rows = [[f"{i}.png", name] for i, name in enumerate(truth)]
    write_csv(tmp_path / "labels.csv", ["path", "label"], rows)
    paths = [tmp_path / "one.csv", tmp_path / "other.csv"]
    found = compare_models(paths, tmp_path / "labels.csv")
    for path, model in zip(paths, found.models, strict=True):
        given = read_table(path)["label"]
        of = {"pos_label": "fracture"}
        numbers = model.tasks[0].estimates
        assert numbers["ppv"].value == pytest.approx(metrics.precision_score(truth, given, **of))
        recall = metrics.recall_score(truth, given, **of)
        assert numbers["sensitivity"].value == pytest.approx(recall)
        assert numbers["f1"].value == pytest.approx(metrics.f1_score(truth, given, **of))
    text = " ".join(render_comparison(found).split())
    assert "Sensitivity is the recall of 'fracture', PPV its precision." in text
