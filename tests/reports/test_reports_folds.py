"""The folds of a cross-validation: whatever has no interval says why."""

from __future__ import annotations

import io
from dataclasses import replace
from html import unescape

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import score
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import Report
from xraybatch.reports.cross_validation import (
    folds_html,
    folds_markdown,
    lines_of,
    print_folds,
)

TASK = Task("label", TaskKind.BINARY, ("no", "yes"), "yes")


def scored(probabilities: np.ndarray, codes: np.ndarray) -> Report:
    paths = [str(i) for i in range(len(codes))]
    results = {"path": paths, "status": ["ok"] * len(codes)}
    results["label"] = ["yes" if p >= 0.5 else "no" for p in probabilities]
    results["prob.no"] = [repr(float(1 - p)) for p in probabilities]
    results["prob.yes"] = [repr(float(p)) for p in probabilities]
    truth = {"path": paths, "label": [TASK.classes[k] for k in codes], "patient": paths}
    return score(pd.DataFrame(results, dtype=str), pd.DataFrame(truth, dtype=str), tasks=[TASK])


@pytest.fixture
def report() -> Report:
    random = np.random.default_rng(0)
    return scored(random.random(40), np.arange(40) % 2)


def test_a_fold_without_interval_or_value_says_why(report: Report) -> None:
    alike = lines_of(scored(np.full(20, 0.5), np.arange(20) % 2), 0, epochs=1)[0]
    of_one_class = lines_of(scored(np.linspace(0.1, 0.9, 20), np.zeros(20, int)), 1, epochs=1)[0]
    whole = lines_of(report, 2, epochs=1)[0]
    assert alike.figure == of_one_class.figure == "auc"
    assert alike.estimate.interval_reason
    assert of_one_class.estimate.reason
    whole = replace(whole, estimate=replace(whole.estimate, caution="few patients"))
    rows = [line.to_dict() for line in (alike, of_one_class, whole)]
    assert (rows[0]["value"], rows[0]["low"]) == (0.5, None)
    assert rows[0]["reason"] == alike.estimate.interval_reason
    assert (rows[1]["value"], rows[1]["reason"]) == (None, of_one_class.estimate.reason)
    assert (rows[2]["reason"], rows[2]["caution"]) == ("", "few patients")

    lines = (alike, of_one_class, whole)
    told = (
        f"Undefined: fold 1: {of_one_class.estimate.reason}.",
        f"No interval: fold 0: {alike.estimate.interval_reason}.",
        "Caution: fold 2: few patients.",
    )
    console = Console(width=200, record=True, file=io.StringIO())
    print_folds(report, lines, console)
    shown = console.export_text()
    for sentence in told:
        assert sentence in shown
        assert sentence in folds_markdown("run", report, lines)
        assert sentence in unescape(folds_html("run", report, lines))


def test_what_has_an_interval_needs_no_sentence(report: Report) -> None:
    (line,) = lines_of(report, 0, epochs=1)
    whole = replace(line, estimate=Estimate(0.7, low=0.6, high=0.8, method="m", n=40))
    folds = folds_markdown("run", report, [whole]).split("# Score")[0]
    assert "| 0 | 40 | 1 | 0.700 | 0.600–0.800 |" in folds
    assert "No interval" not in folds
