"""Pictures: they are made without a browser, and show the report's numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xraybatch.evaluation.curves import PrecisionRecallCurve, ThresholdCounts
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import ConfusionMatrix, TaskReport
from xraybatch.evaluation.roc import roc_curves
from xraybatch.reports import plots, probability_plots
from xraybatch.reports.forest_plot import forest


def values_of(chart):
    """Every inline value of a chart's specification."""
    found = []

    def walk(part):
        if isinstance(part, dict):
            if isinstance(part.get("values"), list):
                found.extend(v for v in part["values"] if isinstance(v, dict))
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(chart.to_dict())
    return found


def task(classes=("a", "b\x1b"), counts=((3, 1), (0, 0))):
    return TaskReport("label", "x", classes, None, "label", 4, 4, 0, 0, {}, (),
                      ConfusionMatrix(classes, counts))  # fmt: skip


def png(chart, path):
    plots.save_png(chart, path)
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        return image.size


def test_scores_are_counted_once_each_the_ends_included():
    scores = np.array([0.0, 0.039, 0.04, 0.5, 0.999, 1.0, 1.0])
    positive = np.array([0, 1, 0, 1, 0, 1, 1], bool)
    grid = np.round(np.linspace(0, 1, 1001), 3)
    called = [scores >= at for at in grid]
    counts = ThresholdCounts(
        "a",
        tuple(grid.tolist()),
        4,
        3,
        tuple(int((c & positive).sum()) for c in called),
        tuple(int((c & ~positive).sum()) for c in called),
    )
    rows = probability_plots.score_rows(counts)
    edges = [row["from"] for row in rows] + [1.0]
    assert edges == pytest.approx(np.arange(26) / 25)
    for side, films in (("positives", positive), ("negatives", ~positive)):
        assert [row[side] for row in rows] == np.histogram(scores[films], edges)[0].tolist()


def test_a_forest_keeps_the_row_of_what_is_undefined():
    groups = [("a", Estimate(0.5, low=0.4, high=0.6, n=1200)),
              ("b", Estimate.undefined("no film is of it")),
              ("<b>", Estimate(0.7, interval_reason="one patient", n=3))]  # fmt: skip
    rows = values_of(forest(groups, "AUC by site", "AUC", overall=0.55))
    named = {row["group"]: row for row in rows if "group" in row}
    assert list(named) == ["a", "b", "<b>"]
    assert named["a"]["text0"] == "0.500 (0.400–0.600)"
    assert named["b"]["value"] is None
    assert named["<b>"]["text0"] == "0.700"
    assert {"value": 0.55} in rows


def test_precision_begins_at_recall_zero_and_shows_the_prevalence(tmp_path):
    curve = PrecisionRecallCurve("a", (0.5, 1.0), (1.0, 0.5), 0.25)
    chart = plots.precision_recall_of([curve])
    rows = values_of(chart)
    points = [(r["x"], r["y"]) for r in rows if "x" in r]
    assert points == [(0.0, 1.0), (0.5, 1.0), (1.0, 0.5)]
    assert [r["y"] for r in rows if "x" not in r] == [0.25]
    assert chart.to_dict()["layer"][1]["mark"]["interpolate"] == "step-before"
    png(chart, tmp_path / "pr.png")
    png(plots.precision_recall_of([]), tmp_path / "none.png")


def test_curves_of_a_history_with_text_and_gaps(tmp_path):
    history = pd.DataFrame(
        {
            "epoch": ["1", "2", "3"],
            "loss": ["1.5", "1.0", "inf"],
            "val_loss": ["1.6", "", "1.2"],
            "accuracy": ["0.5", "0.6", "0.7"],
            "note": ["x", "y", "z"],
        }
    )
    chart = plots.curves(history)
    assert [panel.title for panel in chart.hconcat] == ["loss", "accuracy"]
    assert len(values_of(chart)) == 2 + 2 + 3
    width, height = png(chart, tmp_path / "curves.png")
    assert width > 2 * height
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_confusion_shows_counts_and_shares_of_rows(tmp_path):
    chart = plots.confusion(task())
    cells = {(v["truth"], v["guess"]): (v["share"], v["text"]) for v in values_of(chart)}
    assert cells["a", "a"] == (0.75, "3 (75 %)")
    assert cells["b\N{REPLACEMENT CHARACTER}", "a"] == (0.0, "0 (–)")
    png(chart, tmp_path / "confusion.png")
    with pytest.raises(ValueError, match="no confusion matrix"):
        plots.confusion(TaskReport("l", "multilabel", ("a",), None, "l", 0, 0, 0, 0, {}))


def test_roc_draws_the_corners_of_evaluation(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 5000)
    prob = rng.dirichlet([1, 1, 1], 5000)
    chart = plots.roc(y, prob, ["a", "b", "c"])
    corners = roc_curves(y, prob, ["a", "b", "c"])
    drawn = [v for v in values_of(chart) if "class" in v]
    assert len(drawn) == sum(len(c.false_positive_rate) for c in corners)
    png(chart, tmp_path / "roc.png")
    png(plots.roc_of(()), tmp_path / "nothing.png")


def test_names_that_look_alike_stay_two():
    assert plots.different(["a\x1b", "a\x00", "b"]) == ["a� (1)", "a� (2)", "b"]
    assert len(values_of(plots.confusion(task(("a\x1b", "a\x00"))))) == 4
