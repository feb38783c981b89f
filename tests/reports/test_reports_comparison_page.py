"""The page of a comparison as text: all that the console says, and no name taken for markup."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from xraybatch.core.tasks import TaskKind
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.schema import comparison_schema
from xraybatch.evaluation.tries import Grid, TriedSetting, Tries
from xraybatch.reports import words
from xraybatch.reports.comparison import cost_rows
from xraybatch.reports.comparison_methods import comparison_methods, comparison_references
from xraybatch.reports.comparison_pictures import curve_pictures, difference_pictures
from xraybatch.reports.families import families, is_said_twice
from xraybatch.reports.files import comparison_markdown, write_comparison
from xraybatch.reports.page import to_comparison_page
from xraybatch.reports.pairs import columns, difference_notes, p_of, pair_tables

HOSTILE = "<script>alert(1)</script>"
ROOT = Path(__file__).parents[2]
TRIED = Tries(
    f"run{HOSTILE}",
    (Grid(0, "val_auc", (TriedSetting({"learning-rate": "0.1"}, (0.9,), 3, 1.5, (0,), ("",)),)),),
)


@pytest.fixture(scope="module")
def two(make_comparison):
    return make_comparison(margin=0.05)


@pytest.fixture(scope="module")
def three(make_comparison):
    classes = ("mild", "moderate", "severe")
    return make_comparison(("a", "b", "c"), classes, TaskKind.ORDINAL, 150)


def said(seen):
    return " ".join("".join(seen.text).split())


def test_nothing_is_fetched_and_only_the_pages_own_scripts_run(three, assert_closed):
    assert_closed(to_comparison_page(three), scripts=2)


def test_verdict_numbers_differences_and_costs_stand_there(two, parse):
    text = said(parse(to_comparison_page(two)))
    (pair,) = two.tasks[0].pairs
    assert pair.verdict in text
    assert "margin of 0.05" in pair.verdict
    for model in two.models:
        shown = [e for f in families(model.tasks[0]) for e in f.estimates.values()]
        for estimate in shown:
            assert words.value(estimate) in text
            assert words.interval(estimate) in text
    close = text.replace(" ", "")  # cells stand side by side
    whole = pair.disagreement[0]
    counts = (whole.films, whole.both_right, whole.only_first, whole.only_other, whole.both_wrong)
    rows = [
        *(
            (words.title(name), *columns(one))
            for name, one in pair.differences.items()
            if not is_said_twice(name, two.models[0].tasks[0])
        ),
        ("all films", *map(str, counts)),
        *cost_rows(two),
    ]
    for row in rows:
        assert "".join(row).replace(" ", "") in close
    for sentence in two.sentences:
        assert sentence in text


def test_of_several_models_every_pair_and_every_curve_is_drawn(three, parse):
    drawn = list(difference_pictures(three, 0))
    assert [(p.kind, p.of) for p in drawn] == [
        ("pairs", ""),
        ("differences", "b"),
        ("differences", "c"),
    ]
    rows = [row[1:] for row in drawn[0].table.rows]
    task = three.tasks[0]
    assert rows == [columns(pair.differences[task.primary]) for pair in task.pairs]
    curves = list(curve_pictures(three, 0))
    kinds = [(p.kind, p.of) for p in curves]
    assert kinds == [
        (k, of) for of in ("mild", "moderate", "severe") for k in ("roc", "precision-recall")
    ]
    roc = curves[0]
    assert {row[0] for row in roc.table.rows} == {"a", "b", "c"}
    corners = sum(
        len(c.true_positive_rate)
        for model in three.models
        for c in model.tasks[0].curves
        if c.name == "mild"
    )
    assert len(roc.table.rows) + roc.left_out == corners
    page = parse(to_comparison_page(three))
    assert len(page.data["charts-data"]) == len(drawn) + len(curves)
    assert "adjusted for the 3 pairs of models (Holm)" in said(page)


def test_a_forest_plot_holds_what_the_table_says(two):
    (picture,) = difference_pictures(two, 0)
    spec = picture.chart.to_dict(validate=False)
    rows = next(d for d in spec["datasets"].values() if "low" in d[0]) if "datasets" in spec else (
        spec["hconcat"][0]["layer"][1]["data"]["values"]
    )  # fmt: skip
    differences = two.tasks[0].pairs[0].differences
    drawn = {row["group"]: row for row in rows}
    for name in ("auc", "accuracy", "sensitivity"):
        row, estimate = drawn[words.title(name)], differences[name].estimate
        assert (row["value"], row["low"], row["high"]) == (
            estimate.value,
            estimate.low,
            estimate.high,
        )
        assert row["text1"] == p_of(differences[name])
    assert "Log loss" not in drawn, "on a scale of its own"
    assert "Log loss" in differences or "log_loss" in differences


def test_without_probabilities_there_are_no_curves(make_comparison, parse):
    found = make_comparison(probabilities=False)
    assert list(curve_pictures(found, 0)) == []
    text = said(parse(to_comparison_page(found)))
    assert "AUC cannot be compared" in text
    assert "ROC curves" not in text


def test_names_of_models_and_classes_are_text_everywhere(make_comparison, parse):
    found = make_comparison((HOSTILE, "b&<i>"), ("normal", HOSTILE), films=120)
    page = to_comparison_page(found)
    assert "<script>alert" not in page
    assert "<i>" not in page
    seen = parse(page)
    assert "".join(seen.text).count(HOSTILE) > 10
    assert any(HOSTILE in json.dumps(c["spec"]) for c in seen.data["charts-data"].values())
    assert len(seen.scripts) == 2
    assert "<script>" not in comparison_markdown(found)


def test_the_methods_say_what_was_done_and_no_more(two, three, make_comparison):
    clustered = comparison_methods(two)
    assert "first and second were compared" in clustered
    assert "DeLong's test and interval for paired curves, with Obuchowski's variance" in clustered
    assert "Obuchowski's test for clustered pairs" in clustered
    assert "exact test" not in clustered
    assert "Holm" not in clustered
    assert "margin of 0.05" in clustered
    assert "100 resamples, seed 0" in clustered
    assert any("Tango" in one for one in comparison_references(two))
    assert not any("McNemar" in one for one in comparison_references(two))
    several = comparison_methods(three)
    assert "a, b and c were compared" in several
    assert "3 pairs of models by Holm's method" in several
    assert "margin" not in several
    assert any("Holm" in one for one in comparison_references(three))
    # as many patients as films
    independent = make_comparison(films=120)
    assert "McNemar's exact test" in comparison_methods(independent)
    assert any("McNemar" in one for one in comparison_references(independent))
    assert comparison_methods(two) in to_comparison_page(two).replace("&#x27;", "'")


def test_an_interval_and_a_p_that_disagree_are_told(two):
    (task,) = two.tasks
    (pair,) = task.pairs

    def notes(low, p):
        estimate = Estimate(0.02, low=low, high=0.05, method="m", clusters=50)
        odd = {**pair.differences, "ppv": Difference(estimate, 0.01, p=p, p_adjusted=p, test="t")}
        alike = replace(pair, differences={n: d for n, d in odd.items() if n in ("auc", "ppv")})
        return " ".join(difference_notes(two, replace(task, pairs=(alike,)), terminal=False))

    said = "PPV: the interval leaves out 0 and p is above 0.05"
    assert said in notes(0.01, 0.2)
    assert said not in notes(0.01, 0.03), "they agree that the models differ"
    assert said not in notes(-0.01, 0.2), "they agree that the models cannot be told apart"


def test_patients_needed_say_what_they_count(two):
    (task,) = two.tasks
    table = next(t for t in pair_tables(two, task, terminal=True) if "Patients" in t.title)
    (pair,) = task.pairs
    assert pair.planning is not None
    least = -(-30 * pair.planning.patients // pair.planning.rests_on)
    needed = [int(cell.replace(",", "")) for cell in table.table.rows[0][1:]]
    assert min(needed) >= least
    notes = " ".join(table.notes)
    assert "Patients in all for 80 % power" in notes
    value = two.models[0].tasks[0].estimates["auc"].value
    assert ("no model can be better by 0.05" in notes) == (value + 0.05 > 1)


def test_tried_settings_are_a_page_without_scripts(assert_closed, tmp_path):
    write_comparison(TRIED, tmp_path / "tries.html")
    seen = assert_closed((tmp_path / "tries.html").read_text(), scripts=0)
    assert "0.1" in said(seen)
    assert f"Settings tried in run{HOSTILE}" in said(seen)


def test_the_schema_is_published_and_holds(two, three):
    published = json.loads((ROOT / "docs" / "comparison.schema.json").read_text())
    # after a change of the dataclasses: json.dumps(comparison_schema(), indent=2) into that file
    assert published == comparison_schema()
    for found in (two, three, TRIED):
        plain = found.to_dict()
        jsonschema.validate(plain, published)
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    plain = two.to_dict()
    del plain["tasks"][0]["pairs"][0]["verdict"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, published)
