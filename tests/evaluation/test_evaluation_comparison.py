"""Models on the same films: whose numbers, which films, and differences in pairs."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from xraybatch.core.errors import InputError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import ScoreOptions, score
from xraybatch.evaluation.bootstrap import patient_weights
from xraybatch.evaluation.comparison import Candidate, compare

BINARY = Task("label", TaskKind.BINARY, ("normal", "fractured"), "fractured")
THREE = Task("label", TaskKind.MULTICLASS, ("a", "b", "c"))
MANY = Task("found", TaskKind.MULTILABEL, ("mass", "fluid"))
QUICK = ScoreOptions(resamples=200, seed=5)


def world(task, n=90, patients=30, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(task.classes), n)
    labels = pd.DataFrame(
        {
            "path": [f"{i:03}" for i in range(n)],
            "label": [task.classes[k] for k in truth],
            "patient": [f"{p:03}" for p in rng.integers(0, patients, n)],
        },
        dtype=str,
    )
    return truth, labels


def results_of(task, truth, skill, seed):
    rng = np.random.default_rng(seed)
    size = len(task.classes)
    logits = rng.normal(size=(len(truth), size)) + skill * (truth[:, None] == np.arange(size))
    prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    frame = {
        "path": [f"{i:03}" for i in range(len(truth))],
        "status": ["ok"] * len(truth),
        "label": [task.classes[k] for k in prob.argmax(axis=1)],
    }
    for k, name in enumerate(task.classes):
        frame[f"prob.{name}"] = [repr(float(p)) for p in prob[:, k]]
    return pd.DataFrame(frame, dtype=str), prob


def auc(task, truth, prob, weights=None):
    if task.kind is TaskKind.BINARY:
        return metrics.roc_auc_score(truth, prob[:, 1], sample_weight=weights)
    return np.mean(
        [metrics.roc_auc_score(truth == k, prob[:, k], sample_weight=weights) for k in range(3)]
    )


@pytest.mark.parametrize("task", [BINARY, THREE], ids=["binary", "multiclass"])
def test_differences_are_drawn_in_pairs_of_the_same_patients(task):
    truth, labels = world(task)
    (a, of_a), (b, of_b) = results_of(task, truth, 0.5, 1), results_of(task, truth, 1.5, 2)
    found = compare([Candidate("a", a), Candidate("b", b)], labels, tasks=[task], options=QUICK)
    first, other = found.models
    assert first.differences == {}
    name = "auc" if task is BINARY else "macro_auc"
    difference = other.differences["label"][name]
    expected = auc(task, truth, of_b) - auc(task, truth, of_a)
    assert difference.value == pytest.approx(expected, abs=1e-12)
    accuracy = other.differences["label"]["accuracy"]
    right = of_b.argmax(1) == truth, of_a.argmax(1) == truth
    assert accuracy.value == pytest.approx(right[0].mean() - right[1].mean(), abs=1e-12)

    of_film = np.unique(labels["patient"], return_inverse=True)[1]
    drawn = [w[of_film] for w in patient_weights(labels["patient"].nunique(), 200, 5)]
    theirs = [auc(task, truth, of_b, w) - auc(task, truth, of_a, w) for w in drawn]
    ends = np.quantile(theirs, [0.025, 0.975])
    assert [difference.low, difference.high] == pytest.approx(ends, abs=1e-12)
    theirs = [np.average(right[0], weights=w) - np.average(right[1], weights=w) for w in drawn]
    ends = np.quantile(theirs, [0.025, 0.975])
    assert [accuracy.low, accuracy.high] == pytest.approx(ends, abs=1e-12)
    assert difference.method.startswith("paired")


def test_numbers_of_a_model_are_those_of_score_and_the_best_is_marked():
    truth, labels = world(THREE)
    tables = [results_of(THREE, truth, skill, i)[0] for i, skill in enumerate((0.3, 2.0, 0.9))]
    given = [Candidate(f"m{i}", t) for i, t in enumerate(tables)]
    found = compare(given, labels, tasks=[THREE], options=QUICK)
    for model, results in zip(found.models, tables, strict=True):
        alone = score(results, labels, tasks=[THREE], options=QUICK).tasks[0]
        assert model.tasks[0].estimates == alone.estimates
        assert model.tasks[0].curves == ()
    assert found.best["label"]["accuracy"] == (1,)
    assert found.same_films
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_model_against_itself_differs_by_nothing():
    truth, labels = world(BINARY)
    results, _ = results_of(BINARY, truth, 1.0, 1)
    found = compare(
        [Candidate("a", results), Candidate("b", results)], labels, tasks=[BINARY], options=QUICK
    )
    difference = found.models[1].differences["label"]["auc"]
    assert (difference.value, difference.low) == (0.0, None)
    assert difference.interval_reason
    assert found.best["label"]["auc"] == (0, 1)


def test_other_films_are_left_out_and_told():
    truth, labels = world(BINARY)
    (a, _), (b, _) = results_of(BINARY, truth, 1.0, 1), results_of(BINARY, truth, 1.0, 2)
    b.loc[60:61, "status"] = "corrupt"
    b["path"] = "./" + b["path"]
    found = compare(
        [Candidate("a", a.iloc[:70]), Candidate("b", b.iloc[10:])],
        labels,
        tasks=[BINARY],
        options=QUICK,
    )
    assert not found.same_films
    assert "The films are not the same: a 70, b 80. All numbers are of the 60" in found.sentences[0]
    assert "2 of 60" in found.sentences[1]
    assert {m.tasks[0].films for m in found.models} == {58}
    assert {e.n for m in found.models for e in (m.tasks[0].estimates["accuracy"],)} == {58}
    with pytest.raises(InputError, match="No film stands in the results of every model"):
        compare([Candidate("a", a[:9]), Candidate("b", b[9:])], labels, tasks=[BINARY])
    c = a.assign(status="corrupt")
    with pytest.raises(InputError, match="No film was answered by every model"):
        compare([Candidate("a", a), Candidate("c", c)], labels, tasks=[BINARY])


def test_findings_have_a_paired_mean_auc_over_what_is_labelled():
    rng = np.random.default_rng(0)
    n = 60
    truth = rng.integers(0, 2, (n, 2))
    cells = np.where(rng.random((n, 2)) < 0.2, "", truth.astype(str))
    labels = pd.DataFrame({"path": [f"{i:02}" for i in range(n)]}, dtype=str)
    labels[["mass", "fluid"]] = cells
    given, probs = [], []
    for skill in (0.2, 1.0):
        prob = 1 / (1 + np.exp(-(rng.normal(size=(n, 2)) + skill * (2 * truth - 1))))
        table = pd.DataFrame({"path": labels["path"], "status": "ok", "found": ""}, dtype=str)
        for k, name in enumerate(MANY.classes):
            table[f"prob.{name}"] = [repr(float(p)) for p in prob[:, k]]
            table[f"pred.{name}"] = (prob[:, k] > 0.5).astype(int).astype(str)
        given.append(Candidate(str(skill), table))
        probs.append(prob)
    found = compare(given, labels, tasks=[MANY], options=QUICK)
    known = cells != ""
    one, other = (
        np.mean([metrics.roc_auc_score(truth[known[:, k], k], p[known[:, k], k]) for k in (0, 1)])
        for p in probs
    )
    assert list(found.models[1].differences["found"]) == ["macro_auc"]
    found_value = found.models[1].differences["found"]["macro_auc"].value
    assert found_value == pytest.approx(other - one, abs=1e-12)
