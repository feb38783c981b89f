"""``xraybatch score`` from files to exit code, and `xraybatch.score` from Python."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from xraybatch import score
from xraybatch.cli.score import command
from xraybatch.comparison.compare import compare_models
from xraybatch.core.errors import BarMissed, InputError, UsageError


@pytest.fixture
def tables(tmp_path):
    """results.csv and labels.csv of a binary task, without a run record."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    score = np.round(np.clip(0.5 * truth + rng.random(60) * 0.5, 0, 1), 4)
    rows = ["path,status,label,prob.normal,prob.fractured,error"]
    for i, p in enumerate(score):
        answer = "fractured" if p >= 0.5 else "normal"
        rows.append(f"films/{i:03}.png,ok,{answer},{1 - p:.4f},{p:.4f},")
    rows.append("films/bad.png,corrupt,,,,broken")
    (tmp_path / "results.csv").write_text("\n".join(rows) + "\n")
    words = ["normal", "fractured"]
    rows = ["path;label;patient", *(f"films/{i:03}.png;{words[t]};{i // 2:03}"
                                    for i, t in enumerate(truth))]  # fmt: skip
    rows += ["films/bad.png;normal;099", "films/none.png;normal;100"]
    # as a hospital's spreadsheet writes it: BOM, semicolons, CRLF
    (tmp_path / "labels.csv").write_bytes(("\ufeff" + "\r\n".join(rows) + "\r\n").encode())
    return tmp_path


def record(folder, **changes):
    content = {
        "tasks": [
            {
                "name": "label",
                "kind": "binary",
                "classes": ["normal", "fractured"],
                "positive": "fractured",
                "thresholds": None,
            }
        ],
        "results_sha256": hashlib.sha256((folder / "results.csv").read_bytes()).hexdigest(),
        "card": {"demonstration": False},
    }
    (folder / "results.csv.run.json").write_text(json.dumps(content | changes))


def run(folder, *arguments):
    files = [str(folder / "results.csv"), str(folder / "labels.csv")]
    result = CliRunner().invoke(command, [*files, *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_report_on_the_console(tables):
    result = run(tables, "--positive", "fractured")
    assert result.exit_code == 0
    assert "60 of 61 (98.4 %)" in result.stdout
    assert "corrupt 1" in result.stdout
    assert "positive class fractured" in result.stdout
    assert "none.png" not in result.output  # a path may name a patient
    assert "Only in labels.csv, for example: row 63 (the header is 1)." in " ".join(
        result.stderr.split()
    )
    assert result.stdout.index("matched") < result.stdout.index("AUC")


def test_binary_without_a_record_asks_for_the_positive_class(tables):
    with pytest.raises(UsageError) as caught:
        run(tables)
    assert "--positive" in caught.value.hint


def test_the_run_record_says_the_tasks(tables):
    record(tables)
    report = score(tables / "results.csv", tables / "labels.csv")
    assert report.tasks[0].positive == "fractured"
    assert report.sentences == ()
    assert [(s.role, s.name) for s in report.sources] == [
        ("results", "results.csv"),
        ("labels", "labels.csv"),
    ]
    assert str(tables) not in json.dumps(report.to_dict())
    other = score(tables / "results.csv", tables / "labels.csv", positive="normal")
    assert other.tasks[0].positive == "normal"
    with pytest.raises(UsageError, match="class 'x'"):
        score(tables / "results.csv", tables / "labels.csv", positive="x")
    asked = score(
        tables / "results.csv",
        tables / "labels.csv",
        task="label:ordinal=normal,fractured",
    )
    assert asked.tasks[0].kind == "ordinal"


def test_changed_results_and_demonstration_models_are_said_above_every_number(tables):
    record(tables, card={"demonstration": True})
    with (tables / "results.csv").open("a") as file:
        file.write("films/more.png,corrupt,,,,\n")
    result = run(tables, "--report", str(tables / "score.md"))
    for text in (result.stdout, (tables / "score.md").read_text()):
        flat = " ".join(text.split())
        assert "trained on synthetic sample films" in flat
        assert "results.csv was changed after prediction" in flat
        assert flat.index("synthetic") < flat.index("matched")


@pytest.mark.parametrize("text", ["{", "[]", '{"tasks": 3}', '{"tasks": [{"name": "x"}]}'])
def test_a_broken_record_is_an_error_that_names_it(tables, text):
    (tables / "results.csv.run.json").write_text(text)
    with pytest.raises(InputError, match=r"results\.csv\.run\.json"):
        run(tables)


def test_json_goes_to_standard_output_alone(tables):
    result = run(tables, "--positive", "fractured", "--json")
    report = json.loads(result.stdout)
    assert report["tasks"][0]["estimates"]["auc"]["n"] == 60
    assert report["join"]["failed"] == {"corrupt": 1}


def test_reports_are_written_and_bars_are_checked_after_them(tables):
    target = tables / "score.json"
    with pytest.raises(BarMissed, match="brier"):
        run(tables, "--positive", "fractured", "--report", str(target), "--fail-under", "brier=0.9")
    assert json.loads(target.read_text())["settings"]["seed"] == 0
    assert run(tables, "--positive", "fractured", "--fail-under", "auc=0.1").exit_code == 0


def test_a_mistyped_bar_is_said_before_anything_is_scored(tables, monkeypatch):
    def never(*_, **__):
        raise AssertionError("it was scored")

    monkeypatch.setattr("xraybatch.reports.asked.score_tables", never)
    with pytest.raises(UsageError, match="--fail-under aux: there is no such number") as raised:
        run(tables, "--positive", "fractured", "--fail-under", "aux=0.9")
    assert raised.value.hint == "Did you mean 'auc'?"
    with pytest.raises(UsageError, match=r"recall\.normal is never above 1"):
        run(tables, "--positive", "fractured", "--fail-under", "recall.normal:low=90")


def test_a_report_is_never_overwritten_unasked(tables):
    target = tables / "labels.json"
    target.write_text("mine")
    with pytest.raises(InputError, match="not overwritten"):
        run(tables, "--positive", "fractured", "--report", str(target))
    assert target.read_text() == "mine"
    run(tables, "--positive", "fractured", "--report", str(target), "--overwrite")
    assert json.loads(target.read_text())["join"]["matched"] == 61


@pytest.mark.parametrize(
    "arguments",
    [
        ("--report", "score.pdf"),
        ("--fail-under", "auc"),
        ("--label-map", "0"),
        ("--task", "label:binry"),
        ("--confidence", "95"),
        ("--task", "other"),
    ],
)
def test_wrong_usage(tables, arguments):
    with pytest.raises(UsageError):
        run(tables, "--positive", "fractured", *arguments)


def test_hospital_tables(tables):
    text = (tables / "labels.csv").read_text(encoding="utf-8-sig")
    text = text.replace("path;label;patient", "file;dx;mrn")
    text = text.replace(";normal;", ";0;").replace(";fractured;", ";1;")
    (tables / "labels.csv").write_text(text)
    result = run(
        tables,
        *("--path-column", "file", "--label-column", "dx", "--patient-column", "mrn"),
        *("--label-map", "0=normal,1=fractured", "--positive", "fractured", "--json"),
    )
    report = json.loads(result.stdout)
    assert report["join"]["patients"] == 31
    assert report["tasks"][0]["label_column"] == "dx"


def test_files_in_the_wrong_order(tables):
    with pytest.raises(InputError, match="wrong order") as caught:
        score(tables / "labels.csv", tables / "results.csv")
    assert "results.csv labels.csv" in caught.value.hint
    with pytest.raises(InputError, match="does not exist"):
        score(tables / "nothing.csv", tables / "labels.csv")


def test_answers_of_a_model_are_no_labels(tables):
    results = tables / "results.csv"
    with pytest.raises(InputError, match="look like a results table") as caught:
        score(results, results, positive="fractured")
    assert "their 'label' holds the answers of a model" in caught.value.message
    other = tables / "other.csv"
    other.write_bytes(results.read_bytes())
    with pytest.raises(InputError, match="look like a results table"):
        compare_models([results, other], other, positive="fractured")
    # one table with both, whose truth is named, is fine
    lines = results.read_text().splitlines()
    both = [f"{line},{'truth' if i == 0 else 'normal'}" for i, line in enumerate(lines)]
    (tables / "both.csv").write_text("\n".join(both) + "\n")
    report = score(results, tables / "both.csv", positive="fractured", label_column="truth")
    assert report.tasks[0].estimates["sensitivity"].value is None


def test_mistyped_names_are_guessed(tables):
    with pytest.raises(UsageError) as caught:
        run(tables, "--positive", "Fractured")
    assert caught.value.hint == "Did you mean 'fractured'?"
    with pytest.raises(InputError) as wrong:
        run(tables, "--positive", "fractured", "--label-column", "lable")
    assert wrong.value.hint == "Did you mean 'label'?"


def test_the_same_from_python(tables):
    report = score(
        str(tables / "results.csv"), str(tables / "labels.csv"), positive="fractured", seed=3,
        resamples=200,
    )  # fmt: skip
    result = run(tables, "--positive", "fractured", "--json", "--seed", "3", "--resamples", "200")
    assert json.loads(result.stdout) == report.to_dict()


def test_help_teaches_and_imports_nothing_heavy():
    result = CliRunner().invoke(command, ["--help"])
    assert "Examples:" in result.output
    assert "--fail-under auc:low=0.9" in result.output
    code = (
        "import sys, xraybatch.cli.score; "
        "print([m for m in ('numpy','pandas','rich','sklearn','altair') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
