"""Reports to render: scored from simulated tables, with every curve in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.curves import (
    DecisionCurve,
    PrecisionRecallCurve,
    ReliabilityBin,
    ReliabilityCurve,
    ThresholdCounts,
)
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.report import Report, TaskReport
from xraybatch.evaluation.scoring import score

GRID = np.round(np.linspace(0, 1, 1001), 3)


def simulated(classes, films=400, seed=0, patients=150):
    """A results and a labels table; the truth of each film and its probabilities."""
    rng = np.random.default_rng(seed)
    size = len(classes)
    truth = rng.choice(size, films, p=np.r_[0.6, np.full(size - 1, 0.4 / (size - 1))])
    logits = rng.normal(0, 1, (films, size)) + 1.6 * np.eye(size)[truth]
    prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    prob = prob.astype(np.float32).astype(float)
    guess = prob.argmax(1)
    paths = [f"ward {i % 7}/film{i:05}.png" for i in range(films)]
    status = np.array(["ok"] * films, dtype=object)
    status[::97] = "corrupt"
    ok = status == "ok"
    results = pd.DataFrame({"path": paths, "status": status})
    results["label"] = np.where(ok, np.array(classes, dtype=object)[guess], "")
    for k, name in enumerate(classes):
        results[f"prob.{name}"] = [
            str(p) if o else "" for p, o in zip(prob[:, k].tolist(), ok, strict=True)
        ]
    labels = pd.DataFrame(
        {
            "path": paths[3:],
            "label": np.array(classes, dtype=object)[truth][3:],
            "patient": [f"p{i % patients}" for i in range(films)][3:],
        }
    )
    used = ok & (np.arange(films) >= 3)
    return results, labels, truth[used], prob[used]


def curves(name, positive, scores):
    """Every curve of one class, counted the plain way."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    keep = np.unique(np.linspace(0, len(scores) - 1, 120).round().astype(int))
    n, p = len(scores), int(positive.sum())
    recall = PrecisionRecallCurve(
        name, tuple(hits[keep] / p), tuple(hits[keep] / (keep + 1)), p / n
    )
    bins = []
    for low in np.arange(10) / 10:
        inside = (scores >= low) & (scores < low + 0.1 if low < 0.9 else scores <= 1)
        if inside.any():
            share, size = positive[inside].mean(), int(inside.sum())
            half = 1.96 * float(np.sqrt(share * (1 - share) / size + 1 / (4 * size**2)))
            ends = {"low": max(0.0, float(share) - half), "high": min(1.0, float(share) + half)}
            shown = Estimate(float(share), **ends, method="by hand", n=size)
            mean = float(scores[inside].mean())
            bins.append(ReliabilityBin(float(low), float(low + 0.1), size, mean, shown))
    at = np.round(np.arange(0.03, 0.99, 0.03), 2)
    benefit = [
        ((scores >= t) & positive).sum() / n - ((scores >= t) & ~positive).sum() / n * t / (1 - t)
        for t in at
    ]
    model = tuple(
        Estimate(float(b), low=float(b - 0.02), high=float(b + 0.02), method="by hand", n=n)
        for b in benefit
    )
    everyone = tuple(float(p / n - (n - p) / n * t / (1 - t)) for t in at)
    called = [scores.astype(np.float32) >= np.float32(t) for t in GRID]
    counts = ThresholdCounts(
        name,
        tuple(GRID.tolist()),
        p,
        n - p,
        tuple(int((c & positive).sum()) for c in called),
        tuple(int((c & ~positive).sum()) for c in called),
    )
    return (
        recall,
        ReliabilityCurve(name, tuple(bins)),
        DecisionCurve(name, tuple(at), model, everyone),
        counts,
    )


def with_curves(task: TaskReport, truth, prob, wanted) -> TaskReport:
    found = [curves(task.classes[k], truth == k, prob[:, k]) for k in wanted]
    names = ("precision_recall", "reliability", "decision", "explorer")
    return replace(task, **dict(zip(names, map(tuple, zip(*found, strict=True)), strict=True)))


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    """A report of simulated films; classes, their number and the kind are given."""

    def make(classes=("normal", "fractured"), kind=TaskKind.BINARY, films=400, seed=0) -> Report:
        results, labels, truth, prob = simulated(classes, films, seed)
        binary = kind is TaskKind.BINARY
        task = Task("label", kind, tuple(classes), classes[1] if binary else None)
        report = score(results, labels, tasks=[task], options=ScoreOptions(resamples=100))
        wanted = [1] if binary else range(len(classes))
        return replace(report, tasks=(with_curves(report.tasks[0], truth, prob, wanted),))

    return make
