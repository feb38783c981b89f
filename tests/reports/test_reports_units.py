"""Studies are called studies, one film is one film, and every number has a name beforehand."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from xraybatch.core.counting import counted, many, verb
from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.bars import check_names, named_estimates
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.scoring import score
from xraybatch.evaluation.studies import Grouping
from xraybatch.reports.console import render
from xraybatch.reports.families import all_numbers
from xraybatch.reports.markdown import to_markdown
from xraybatch.reports.page import to_page
from xraybatch.reports.pictures import pictures
from xraybatch.reports.scoring import score_options

CLASSES = ("mild", "moderate", "severe")
TASKS = [
    Task("label", TaskKind.BINARY, ("normal", "ill"), "ill"),
    Task("label", TaskKind.MULTICLASS, CLASSES),
    Task("label", TaskKind.ORDINAL, CLASSES),
    Task("label", TaskKind.MULTILABEL, ("mass", "effusion")),
]


def tables(task, films=60):
    rng = np.random.default_rng(3)
    size = len(task.classes)
    p = rng.dirichlet(np.ones(size), films).astype(np.float32)
    results = pd.DataFrame({"path": [f"{i}.png" for i in range(films)], "status": "ok"})
    labels = pd.DataFrame(
        {"path": results["path"], "study": [f"s{i // 2}" for i in range(films)],
         "patient": [f"p{i // 4}" for i in range(films)], "site": ["north", "south"] * (films // 2)}
    )  # fmt: skip
    truth = np.repeat(rng.integers(0, size, films // 2), 2)
    for k, name in enumerate(task.classes):
        results[f"prob.{name}"] = [str(x) for x in p[:, k].tolist()]
        if task.kind is TaskKind.MULTILABEL:
            results[f"pred.{name}"] = (p[:, k] >= 0.5).astype(int).astype(str)
            labels[name] = (truth == k).astype(int).astype(str)
    if task.kind is TaskKind.MULTILABEL:
        results["label"] = ""
    else:
        names = np.array(task.classes, dtype=object)
        results["label"] = names[p.argmax(1)]
        labels["label"] = names[truth]
    results.loc[0, "status"] = "corrupt"
    results.loc[0, [c for c in results if c not in ("path", "status")]] = ""
    return results, labels


def report_of(task, **options):
    results, labels = tables(task)
    positive = task.kind in (TaskKind.BINARY, TaskKind.MULTILABEL)
    prevalence = 0.1 if positive else None
    chosen = ScoreOptions(resamples=100, min_slice=5, prevalence=prevalence, **options)
    return score(results, labels, tasks=[task], options=chosen)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind.value)
def test_every_number_of_a_report_has_a_name_beforehand(task):
    report = report_of(task)
    for name in named_estimates(report):
        check_names([f"{name}=0.5", f"{name}:low=0.5"], [task], all_numbers([]))
    check_names(["dice=0.5", "plugin.dice=1"], [task], all_numbers(["dice"]))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("acc", ""), ("accurancy", "'accuracy'"), ("recall.sever", "'recall.severe'"), ("AUC 1", "")],
)
def test_a_mistyped_bar_is_found_before_anything_is_scored(name, hint):
    with pytest.raises(UsageError, match=f"--fail-under {name}: there is no such") as raised:
        check_names([f"{name}=0.9"], [TASKS[1]], all_numbers([]))
    assert raised.value.hint
    assert hint in raised.value.hint


def test_of_several_tasks_a_bar_names_its_task():
    both = [TASKS[0], Task("view", TaskKind.BINARY, ("ap", "lateral"), "ap")]
    check_names(["view.auc=0.9", "label.recall.ill=0.1", "coverage=1"], both, all_numbers([]))
    with pytest.raises(UsageError, match="auc"):
        check_names(["auc=0.9"], both, all_numbers([]))


def test_studies_are_called_studies():
    report = report_of(TASKS[2], grouping=Grouping("study"), slices=("site",))
    text = to_markdown(report)
    assert "| class | studies |" in text
    assert "| site | studies |" in text
    assert re.search(r"\|  \| mild \| moderate \| severe \| studies \|", text)
    console = render(report)
    assert re.search(r"^ *class +studies ", console, re.MULTILINE)
    assert re.search(r"^ +mild +moderate +severe +studies", console, re.MULTILINE)
    for picture in pictures(report.tasks[0], "study"):
        said = " ".join((picture.sentence, *picture.table.head))
        assert not re.search(r"\bfilms?\b", said, re.IGNORECASE), said
    page = to_page(report)
    assert '<th scope="col">studies</th>' in page
    assert '<th scope="col">films</th>' not in page


def test_one_is_not_several():
    assert counted(1, "study") == "1 study"
    assert counted(1203, "study") == "1,203 studies"
    assert (verb("was", 1), verb("was", 2), many("has")) == ("was", "were", "have")


def test_what_is_named_twice_counts_once():
    found = score_options(
        slices=("site", "sex", "site"), readers=("a", "a"), thresholds=("youden", "youden", "0.5")
    )
    assert found.slices == ("site", "sex")
    assert found.readers == ("a",)
    assert [rule.text for rule in found.rules] == ["youden", "0.5"]
