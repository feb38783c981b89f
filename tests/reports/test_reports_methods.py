"""The methods paragraph says what was done, and nothing that was not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.report import AnswerFacts, ModelFacts
from xraybatch.evaluation.scoring import score
from xraybatch.evaluation.studies import Grouping
from xraybatch.evaluation.thresholds import parse_rule
from xraybatch.reports.markdown import to_markdown
from xraybatch.reports.methods import checklist, methods_paragraph, references

TASK = Task("label", TaskKind.BINARY, ("no", "yes"), "yes")
FACTS = ModelFacts("knee", "ab" * 32, "2026-11-20", "0.2 drawn by patients", "tested", 90, 40,
                   (AnswerFacts("label", {"yes": 0.5}, "default: 0.5"),))  # fmt: skip


def report_of(patients=True, probabilities=True, seen=False, **options):
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.random(40) < 0.5, 2)
    p = np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0.01, 0.99).round(3)
    results = pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(80)],
            "status": "ok",
            "label": np.where(p >= 0.5, "yes", "no"),
        },
        dtype=object,
    )
    if probabilities:
        results["prob.no"] = [str(round(1 - v, 3)) for v in p]
        results["prob.yes"] = [str(v) for v in p]
    labels = pd.DataFrame(
        {
            "path": results["path"],
            "label": np.where(truth, "yes", "no"),
            "site": ["a", "b"] * 40,
            "dr_a": ["yes", "no", "no", "yes"] * 20,
        },
        dtype=object,
    )
    results["seen_in_training"] = ["1"] + ["0"] * 79 if seen else ["0"] * 80
    if patients:
        labels["patient"] = [str(i // 2) for i in range(80)]
    chosen = ScoreOptions(resamples=100, **options)
    return score(results, labels, tasks=[TASK], options=chosen)


def test_what_was_done_is_said():
    report = replace(report_of(slices=["site"], rules=[parse_rule("youden")]), model=FACTS)
    said = methods_paragraph(report)
    for words in (
        "the model knee (seal abababababab)",
        "80 films of 40 patients",
        "Threshold of label: 0.5 for yes: default.",
        "one cluster",
        "Obuchowski's clustered variance",
        "Wilson's interval",
        "100 resamples, seed 0",
        "youden: chosen on these very films: optimistic",
        "Holm's correction",
        "Software: python",
    ):
        assert words in said, words
    listed = " ".join(references(report))
    for name in ("Obuchowski", "Wilson", "Efron", "Vickers", "Holm"):
        assert name in listed
    items = {item for item, *_ in checklist(report)}
    assert {"subgroups", "how films were split, disjointness", "origin of thresholds"} <= items
    assert "## Methods, to paste" in to_markdown(report)
    assert "| checklist item |" in to_markdown(report)


def test_readers_prevalence_and_seen_films_are_said():
    said = methods_paragraph(report_of(seen=True, readers=["dr_a"], prevalence=0.05))
    for words in (
        "also computed for a prevalence of 0.05",
        "Cohen's kappa of each pair, not tested",
        "On 1 film of these the model had been trained",
    ):
        assert words in said, words


def test_what_was_not_done_is_not_said():
    report = report_of(patients=False, probabilities=False)
    said = methods_paragraph(report)
    assert "treat films as independent" in said
    assert "cluster." not in said
    for words in ("had been", "a prevalence of", "of each pair"):
        assert words not in said
    for words in ("Obuchowski", "seal", "Holm", "logistic", "Threshold", "cross-validation"):
        assert words not in said
        assert words not in " ".join(references(report))
    items = {item for item, *_ in checklist(report)}
    assert not items & {"subgroups", "discrimination, calibration, utility",
                        "how films were split, disjointness", "variability of readers"}  # fmt: skip


def test_studies_and_folds_are_said():
    report = report_of(grouping=Grouping("patient", "max"))
    said = methods_paragraph(replace(report, model=replace(FACTS, folds=5)))
    assert "80 films were put together to 40 patients" in said
    assert "by the highest of their probabilities" in said
    assert "trained 5 times in a cross-validation" in said
