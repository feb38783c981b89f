"""Reports on the console, in Markdown and in JSON: readable, complete, and deaf to markup."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import score
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import ModelFacts
from xraybatch.reports import words
from xraybatch.reports.console import print_report, render
from xraybatch.reports.families import families
from xraybatch.reports.files import write_report
from xraybatch.reports.json_text import to_json
from xraybatch.reports.markdown import escape, to_markdown
from xraybatch.reports.page import to_page

HOSTILE = ("[red]a|b", "`c`<b>&", "[/]d%e")
WIDTHS = (60, 80, 120)


def report_of(classes=("normal", "osteopenia", "osteoporosis"), n=120, fail=4, truth=None, seed=0,
              kind=TaskKind.MULTICLASS):  # fmt: skip
    rng = np.random.default_rng(seed)
    size = len(classes)
    y = rng.integers(0, size, n) if truth is None else np.full(n, truth)
    prob = rng.dirichlet(np.ones(size), n) * 0.65 + 0.35 * np.eye(size)[y]
    frame = {
        "path": [f"{i}" for i in range(n)],
        "status": ["corrupt"] * fail + ["ok"] * (n - fail),
        "label": [""] * fail + [classes[k] for k in prob.argmax(1)][fail:],
    }
    for k, name in enumerate(classes):
        frame[f"prob.{name}"] = [""] * fail + [repr(float(p)) for p in prob[fail:, k]]
    results = pd.DataFrame(frame, dtype=str)
    labels = pd.DataFrame(
        {
            "path": frame["path"],
            "label": [classes[k] for k in y],
            "patient": [str(i // 2) for i in range(n)],
        },
        dtype=str,
    )
    if size == 2:
        task = Task("label", TaskKind.BINARY, tuple(classes), classes[1])
    else:
        task = Task("label", kind, tuple(classes))
    return score(results, labels, tasks=[task])


@pytest.fixture(scope="module")
def report():
    return report_of()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_console_is_readable_at_every_width(report, width):
    text = render(report, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "…" not in text  # nothing cut off
    assert text.index("matched") < text.index("Accuracy")
    shown = families(report.tasks[0], terminal=True)
    for name, estimate in [pair for family in shown for pair in family.estimates.items()]:
        cells = map(re.escape, (words.title(name), words.value(estimate), words.interval(estimate)))
        assert re.search(" +".join(cells), text), name
    in_files = sum(len(family.estimates) for family in families(report.tasks[0]))
    hidden = in_files - sum(len(family.estimates) for family in shown)
    assert f"{hidden} further numbers stand in files" in " ".join(text.split())
    for row in report.tasks[0].confusion.counts:
        assert re.search(r" +".join(map(str, row)), text)
    for said in ("116 of 120 (96.7 %)", "corrupt 4", "60 patients", "95 % interval", "Obuchowski"):
        assert said in text


def test_colour_says_nothing_that_words_do_not(report):
    coloured = Console(width=80, force_terminal=True, color_system="truecolor", file=io.StringIO())
    print_report(report, coloured)
    painted = coloured.file.getvalue()
    assert "\x1b[" in painted
    bare = re.sub(r"\x1b\[[0-9;]*m", "", painted)
    assert [line.rstrip() for line in bare.splitlines()] == render(report, 80).splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_undefined_is_said_and_never_zero(width):
    bad = report_of(("normal", "fractured"), truth=0, fail=0)
    text = render(bad, width)
    flat = " ".join(text.split())
    assert re.search(r"AUC +– +–", text)
    assert re.search(r"Sensitivity +– +–", text)
    assert "no film is of 'fractured'" in flat
    assert "Undefined: " in flat
    markdown = to_markdown(bad)
    assert "| AUC | – | – |" in markdown
    assert "| Sensitivity | – | – |" in markdown
    plain = json.loads(to_json(bad))
    assert plain["tasks"][0]["estimates"]["auc"]["value"] is None


@pytest.mark.parametrize("width", WIDTHS)
def test_many_classes_do_not_break_the_page(width):
    many = report_of(tuple(f"finding number {i}" for i in range(30)), n=300)
    text = render(many, width)
    assert max(map(len, text.splitlines())) <= width
    assert "too wide here" in text
    some = render(report_of(tuple(f"a rather long name {i}" for i in range(7)), n=300), width)
    assert max(map(len, some.splitlines())) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_names_from_tables_are_text_and_nothing_else(width):
    hostile = report_of(HOSTILE)
    text = render(hostile, width)
    assert "[red]a|b" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    markdown = to_markdown(hostile)
    assert "\\[red\\]a\\|b" in markdown
    assert "<b>" not in markdown
    assert "\x1b" not in markdown
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in tables]
    # one more than a table has columns
    assert set(bars) <= {3, 4, 6, 7, 8, 11}
    assert json.loads(to_json(hostile))["tasks"][0]["classes"] == list(HOSTILE)


def test_markdown_escapes():
    assert escape("a|b`c`<d>&*_e_*#$~") == "a\\|b\\`c\\`&lt;d&gt;&amp;\\*\\_e\\_\\*\\#\\$\\~"
    assert "\n" not in escape("a\nb")


def test_markdown_holds_every_number(report):
    text = to_markdown(replace(report, sentences=("Demonstration model.",)))
    assert text.startswith("# Score\n\n> **Demonstration model.**")
    shown = families(report.tasks[0])
    for estimate in [e for family in shown for e in family.estimates.values()]:
        interval = escape(words.interval(estimate))
        assert f"| {words.value(estimate)} | {interval} | {estimate.n:,} |" in text
    assert "clustered by patient" in text


def test_a_number_stands_under_one_name(report):
    titles = re.findall(r"^\| ([^|]+) \| [\d–]", to_markdown(report), flags=re.M)
    assert {"Accuracy", "Balanced accuracy", "Macro F1", "Weighted F1"} <= set(titles)
    assert not {"Weighted recall", "Macro recall"} & set(titles), "these are those by definition"
    assert {"weighted_recall", "macro_recall"} <= set(report.tasks[0].estimates), "for scripts"
    # of grades that are in no film, the plain mean of recalls is undefined, and said so
    lacking = report_of(("a", "b", "c"), n=80, truth=0)
    assert "| Macro recall | – |" in to_markdown(lacking)


def test_ordered_grades_are_led_by_what_they_are_judged_by():
    found = report_of(kind=TaskKind.ORDINAL)
    (task,) = found.tasks
    assert words.result(task, found).startswith("Quadratic kappa ")
    binary = report_of(("normal", "fractured"))
    assert words.result(binary.tasks[0], binary).startswith("AUC ")


def test_what_probabilities_are_not_stands_with_their_numbers(report):
    facts = ModelFacts("m", "", "", "", "", None, None, distortion="Trained with class weights.")
    text = to_markdown(replace(report, model=facts))
    films, task = text.split("## label")
    assert "class weights" not in films
    assert 0 < task.index("Trained with class weights.") < task.index("Brier")
    page = to_page(replace(report, model=facts))
    assert page.index("Trained with class weights.") < page.index("Brier")


def test_percentages_do_not_lie():
    assert words.percent(0, 0) == "–"
    assert words.percent(0, 10) == "0 %"
    assert words.percent(1, 1000) == "<1 %"
    assert words.percent(999, 1000) == ">99 %"
    assert words.percent(1000, 1000) == "100 %"


def test_the_suffix_decides_and_files_are_whole(report, tmp_path):
    write_report(report, tmp_path / "new" / "score.md")
    write_report(report, tmp_path / "score.JSON")
    assert (tmp_path / "new" / "score.md").read_text(encoding="utf-8") == to_markdown(report)
    assert json.loads((tmp_path / "score.JSON").read_text()) == report.to_dict()
    with pytest.raises(UsageError) as caught:
        write_report(report, tmp_path / "score.pdf")
    assert ".md, .json" in caught.value.hint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "score.JSON"]


def test_columns_of_words_stand_on_the_left_in_markdown(report):
    lines = to_markdown(report).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("| Ranking by probability"))
    assert lines[at + 1] == "| --- | ---: | ---: | ---: | --- |", "the last says how"
    films = lines.index("## Films")
    assert lines[films + 3] == "| --- | --- |"


def test_patients_that_are_scored_are_counted_once(report):
    by_patient = replace(report, settings=replace(report.settings, unit="patient"))
    said = words.task_films(report.tasks[0], by_patient)
    assert said.startswith("116 patients;")
    assert words.task_films(report.tasks[0], report).startswith("116 films of ")


def test_a_negative_number_has_a_minus_sign():
    assert words.interval(Estimate(0.01, low=-0.118, high=0.154, method="m")) == "−0.118 to 0.154"
