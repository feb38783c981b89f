"""What numbers of a closer look are of, and how their intervals were made, stands beside them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.scoring import score
from xraybatch.evaluation.thresholds import parse_rule
from xraybatch.reports.closer import looks
from xraybatch.reports.console import render

TASK = Task("label", TaskKind.BINARY, ("normal", "ill"), "ill")
FILMS = 80


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(1)
    ill = rng.random(FILMS) < 0.4
    p = np.clip(rng.normal(0.35 + 0.3 * ill, 0.2), 0.01, 0.99).round(3)
    both = (p > 0.4) & (p < 0.6)
    names = np.array(["normal", "ill"], dtype=object)
    paths = [f"{i}.png" for i in range(FILMS)]
    answers = names[(p >= 0.5).astype(int)]
    results = pd.DataFrame(
        {"path": paths, "status": "ok", "label": answers,
         "prob.normal": (1 - p).round(3).astype(str), "prob.ill": p.astype(str),
         "set": np.where(both, "normal|ill", answers), "abstain": both.astype(int).astype(str)}
    )  # fmt: skip
    truth = names[ill.astype(int)]
    labels = pd.DataFrame(
        {"path": paths, "label": truth, "patient": paths, "site": ["a", "b"] * (FILMS // 2),
         "ward": ["x"] * 30 + ["y"] * 50, "one": names[(p > 0.6).astype(int)],
         "two": names[(p > 0.4).astype(int)]}
    )  # fmt: skip
    return results, labels


@pytest.fixture(scope="module")
def report(tables):
    options = ScoreOptions(resamples=100, min_slice=5, slices=("site", "ward"),
                           readers=("one", "two"), rules=(parse_rule("youden"),))  # fmt: skip
    return score(*tables, tasks=[TASK], options=options)


def test_every_number_says_what_it_is_of(tables, report):
    results, labels = tables
    ill = labels["label"] == "ill"
    found = {look.title: look for look in looks(report.tasks[0], narrow=False)}
    sets = {row[0]: row[2] for row in found["Sets of classes"].rows}
    referred = int((results["abstain"] == "1").sum())
    assert sets["wrong among those for a person"] == str(referred)
    assert sets["wrong among answered"] == str(FILMS - referred)
    sites = found["By site, worst first"]
    assert sites.head[:3] == ("site", "films", "of these ill")
    counts = {row[0]: row[1:3] for row in sites.rows}
    for site in "ab":
        here = labels["site"] == site
        assert counts[site] == (str(here.sum()), str((here & ill).sum()))
    said = found["At other thresholds"].sentences
    assert f"Sensitivity is of {ill.sum()} films, specificity of {(~ill).sum()}." in said
    (mean,) = found["The model among the readers"].sentences
    assert "without interval" in mean


def test_a_terminal_names_every_number_of_a_way(report):
    text = render(report)
    assert "Interval by Obuchowski" in text
    ways = text[text.index("Interval by") :]
    assert not re.search(r"and \d+ more", ways)
    assert "Brier score" in " ".join(ways.split())
    # two tables of slices are apart
    assert re.search(r"\n\nBy ward", text)
