"""docs/metrics.md explains every number that a report can have, and none that it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import ScoreOptions, score
from xraybatch.evaluation.bars import named_estimates
from xraybatch.reports.families import FAMILIES

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
TASKS = (
    Task("label", TaskKind.BINARY, ("well", "ill"), "ill"),
    Task("label", TaskKind.MULTICLASS, ("a", "b", "c", "d")),
    Task("label", TaskKind.ORDINAL, ("0", "1", "2", "3")),
    Task("label", TaskKind.MULTILABEL, ("mass", "effusion")),
)


def tables(task: Task) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers to 40 films, of which the first failed, and their truth."""
    rng = np.random.default_rng(0)
    n, size = 40, len(task.classes)
    paths, status = [f"{i}" for i in range(n)], ["corrupt"] + ["ok"] * (n - 1)
    results = pd.DataFrame({"path": paths, "status": status}, dtype=str)
    labels = pd.DataFrame({"path": paths, "patient": [f"{i // 2}" for i in range(n)]}, dtype=str)
    p = rng.dirichlet(np.ones(size), n)
    for k, name in enumerate(task.classes):
        results[f"prob.{name}"] = ["", *(repr(float(x)) for x in p[1:, k])]
    if task.kind is TaskKind.MULTILABEL:
        results[task.name] = ""
        for k, name in enumerate(task.classes):
            results[f"pred.{name}"] = ["", *(str(int(x > 0.5)) for x in p[1:, k])]
            labels[name] = rng.integers(0, 2, n).astype(str)
    else:
        results[task.name] = ["", *(task.classes[k] for k in p[1:].argmax(axis=1))]
        labels[task.name] = [task.classes[k] for k in rng.integers(0, size, n)]
    return results, labels


def numbers(task: Task) -> set[str]:
    """Names of a task's numbers, without the class."""
    has_positive = task.kind in (TaskKind.BINARY, TaskKind.MULTILABEL)
    options = ScoreOptions(resamples=100, prevalence=0.05 if has_positive else None)
    report = score(*tables(task), tasks=[task], options=options)
    own = f"{task.name}."
    return {name.removeprefix(own).split(".")[0] for name in named_estimates(report)}


@pytest.fixture(scope="module")
def known() -> set[str]:
    return set().union(*map(numbers, TASKS))


def test_every_number_is_explained(known: set[str]) -> None:
    explained = set(re.findall(r"`([a-z0-9_]+)`", TEXT))
    assert len(known) > 50
    assert known - explained == set()


def test_every_number_explained_is_one(known: set[str]) -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", TEXT.split("## At a threshold")[0], re.M)
    told = {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)}
    assert len(told) > 40
    assert told - known == set()


def test_families_are_sections_in_their_order() -> None:
    sections = re.findall(r"^## (.+)$", TEXT, re.M)
    assert [name for name in sections if name in FAMILIES] == list(FAMILIES)


def test_it_stays_short() -> None:
    assert TEXT.count("\n") < 400
