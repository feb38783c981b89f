"""Models on the same films: whose numbers, which films, and differences in pairs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from statsmodels.stats.multitest import multipletests

from xraybatch import Metric
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import ScoreOptions, score
from xraybatch.evaluation.candidates import Candidate
from xraybatch.evaluation.comparison import compare
from xraybatch.evaluation.pairs import Wish

BINARY = Task("label", TaskKind.BINARY, ("normal", "fractured"), "fractured")
THREE = Task("label", TaskKind.MULTICLASS, ("a", "b", "c"))
MANY = Task("found", TaskKind.MULTILABEL, ("mass", "fluid"))
QUICK = ScoreOptions(resamples=200, seed=5)
# without a direction, or told by another number
NOT_COMPARED = {"brier_skill", "ece", "ece_equal_mass", "ece_squared_debiased", "mce"}
OF_BINARY = {"lr_positive", "lr_negative", "observed_expected", "calibration_slope"}
OF_BINARY |= {"calibration_intercept"}
SKILLS = (("weak", 0.5), ("strong", 1.5))


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
def test_differences_are_those_of_the_same_films(task):
    truth, labels = world(task)
    (a, of_a), (b, of_b) = results_of(task, truth, 0.5, 1), results_of(task, truth, 1.5, 2)
    found = compare([Candidate("a", a), Candidate("b", b)], labels, tasks=[task], options=QUICK)
    (pair,) = found.tasks[0].pairs
    name = "auc" if task is BINARY else "macro_auc"
    assert (found.tasks[0].primary, found.tasks[0].tests) == (name, 1)
    assert (pair.first, pair.other) == (0, 1)
    difference = pair.differences[name].estimate
    expected = auc(task, truth, of_b) - auc(task, truth, of_a)
    assert difference.value == pytest.approx(expected, abs=1e-12)
    assert difference.method.startswith("paired")
    for number, one in pair.differences.items():
        values = [m.tasks[0].estimates[number].value for m in found.models]
        assert one.estimate.value == pytest.approx(values[1] - values[0], abs=1e-12), number
        assert one.p_adjusted == one.p, number
    without = set(found.models[0].tasks[0].estimates) - set(pair.differences)
    assert without == NOT_COMPARED | (OF_BINARY if task is BINARY else set())


def test_p_values_are_adjusted_for_the_pairs_of_models():
    truth, labels = world(THREE)
    given = [
        Candidate(f"m{i}", results_of(THREE, truth, skill, i)[0])
        for i, skill in enumerate((0.6, 0.8, 1.0))
    ]
    task = compare(given, labels, tasks=[THREE], options=QUICK).tasks[0]
    assert [(p.first, p.other) for p in task.pairs] == [(0, 1), (0, 2), (1, 2)]
    assert task.tests == 3
    for name in ("macro_auc", "accuracy", "kappa"):
        p_values = [pair.differences[name].p for pair in task.pairs]
        adjusted = [pair.differences[name].p_adjusted for pair in task.pairs]
        assert adjusted == pytest.approx(list(multipletests(p_values, method="holm")[1]), abs=1e-12)
    said = " ".join(task.verdicts)
    assert "p adjusted for 3 pairs" in said
    for one, other in (("m0", "m1"), ("m0", "m2"), ("m1", "m2")):
        assert f"{one} and {other}" in said or f"{other} than {one}" in said


@pytest.mark.parametrize(
    ("kind", "primary"),
    [(TaskKind.MULTICLASS, "macro_auc"), (TaskKind.ORDINAL, "quadratic_kappa")],
)
def test_what_models_are_told_apart_by(kind, primary):
    task = Task("label", kind, THREE.classes)
    truth, labels = world(task)
    given = [Candidate(n, results_of(task, truth, s, i)[0]) for i, (n, s) in enumerate(SKILLS)]
    found = compare(given, labels, tasks=[task], options=QUICK).tasks[0]
    assert found.primary == primary
    assert found.verdicts[0].startswith(f"By {primary.replace('auc', 'AUC').replace('_', ' ')}, ")
    asked = compare(given, labels, tasks=[task], options=QUICK, wish=Wish("auc")).tasks[0]
    assert asked.primary == "macro_auc"
    assert (
        compare(given, labels, tasks=[task], options=QUICK, wish=Wish("kappa")).tasks[0].primary
        == "kappa"
    )
    with pytest.raises(UsageError, match="acuracy") as caught:
        compare(given, labels, tasks=[task], options=QUICK, wish=Wish("acuracy"))
    assert "'accuracy'" in caught.value.hint
    bare = [
        Candidate(c.name, c.results[[x for x in c.results if not x.startswith("prob.")]])
        for c in given
    ]
    without = compare(bare, labels, tasks=[task], options=QUICK).tasks[0]
    if kind is TaskKind.MULTICLASS:
        assert without.primary == "accuracy"
        assert "the results have no probabilities" in without.sentences[0]
    else:
        assert without.primary == primary


def test_a_margin_is_held_against_the_lower_bound():
    truth, labels = world(BINARY, n=400, patients=150)
    a, b = (Candidate(n, results_of(BINARY, truth, s, i)[0]) for i, (n, s) in enumerate(SKILLS))
    for options in (QUICK, replace(QUICK, confidence=0.8)):
        found = {}
        for one, other in ((a, b), (b, a)):
            task = compare(
                [one, other], labels, tasks=[BINARY], options=options, wish=Wish(margin=0.01)
            ).tasks[0]
            found[other.name] = task.pairs[0].non_inferiority, task.verdicts[0]
        better, said = found["strong"]
        assert (better.margin, better.is_shown) == (0.01, True)
        assert "is not worse than weak by more than the margin of 0.01" in said
        worse, said = found["weak"]
        assert not worse.is_shown
        assert "is not shown" in said
        sides = compare([a, b], labels, tasks=[BINARY], options=QUICK).tasks[0].pairs[0]
        assert better.bound == pytest.approx(sides.differences["auc"].estimate.low, abs=1e-12)
        assert worse.bound == pytest.approx(-sides.differences["auc"].estimate.high, abs=1e-12)
    for margin in (0, -0.1, float("nan"), float("inf"), 5.0):
        with pytest.raises(UsageError, match="margin"):
            Wish(margin=margin)
    assert Wish("log_loss", 1.5).margin == 1.5


def test_metrics_of_plugins_are_compared_in_their_direction():
    def brier(y_true, y_prob, weights):
        off = ((y_prob - np.eye(2)[y_true]) ** 2).sum(axis=1)
        return float(np.average(off, weights=weights))

    metric = Metric("brier_of_mine", "", "probabilities", (TaskKind.BINARY,), False, brier)
    truth, labels = world(BINARY, n=400, patients=150)
    given = [Candidate(n, results_of(BINARY, truth, s, i)[0]) for i, (n, s) in enumerate(SKILLS)]
    found = compare(
        given,
        labels,
        tasks=[BINARY],
        options=replace(QUICK, metrics=(metric,)),
        wish=Wish("brier_of_mine", 0.01),
    )
    (pair,) = found.tasks[0].pairs
    assert pair.differences["brier_of_mine"].estimate.value < 0
    assert "strong is better than weak" in pair.verdict
    assert pair.non_inferiority.is_shown
    assert found.best["label"]["brier_of_mine"] == (1,)


def test_few_patients_are_said():
    truth, labels = world(BINARY, patients=20)
    given = [Candidate(n, results_of(BINARY, truth, s, i)[0]) for i, (n, s) in enumerate(SKILLS)]
    found = compare(given, labels, tasks=[BINARY], options=QUICK).tasks[0]
    assert any("tests of fewer than 30 are unreliable" in s for s in found.sentences)


def test_numbers_of_a_model_are_those_of_score_and_the_best_is_marked():
    truth, labels = world(THREE)
    tables = [results_of(THREE, truth, skill, i)[0] for i, skill in enumerate((0.3, 2.0, 0.9))]
    given = [Candidate(f"m{i}", t) for i, t in enumerate(tables)]
    found = compare(given, labels, tasks=[THREE], options=QUICK)
    for model, results in zip(found.models, tables, strict=True):
        alone = score(results, labels, tasks=[THREE], options=QUICK).tasks[0]
        assert model.tasks[0].estimates == alone.estimates
        assert model.tasks[0].curves == alone.curves
        assert model.tasks[0].reliability == ()
    assert found.best["label"]["accuracy"] == (1,)
    assert found.same_films
    json.dumps(found.to_dict(), allow_nan=False)
    plain = found.to_dict()
    assert plain["schema_version"] == "2.0"
    assert not any(model["tasks"][0]["curves"] for model in plain["models"])


def test_a_model_against_itself_differs_by_nothing():
    truth, labels = world(BINARY)
    results, _ = results_of(BINARY, truth, 1.0, 1)
    found = compare(
        [Candidate("a", results), Candidate("b", results)], labels, tasks=[BINARY], options=QUICK
    )
    task = found.tasks[0]
    difference = task.pairs[0].differences["auc"].estimate
    assert (difference.value, difference.low) == (0.0, None)
    assert difference.interval_reason
    assert "a and b cannot be told apart on this test set: both rank" in task.verdicts[0]
    assert task.pairs[0].disagreement[0].answered_otherwise == 0
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
    (pair,) = found.tasks[0].pairs
    assert pair.differences["macro_auc"].estimate.value == pytest.approx(other - one, abs=1e-12)
    for name, difference in pair.differences.items():
        values = [m.tasks[0].estimates[name].value for m in found.models]
        assert difference.estimate.value == pytest.approx(values[1] - values[0], abs=1e-12)
        assert difference.estimate.n == found.models[0].tasks[0].estimates[name].n
    assert set(pair.differences) == set(found.models[0].tasks[0].estimates)
    assert [one.films for one in pair.disagreement] == [known.sum(), *known.sum(axis=0)]
    alone = Task("found", TaskKind.MULTILABEL, ("mass",))
    (pair,) = compare(given, labels, tasks=[alone], options=QUICK).tasks[0].pairs
    assert all(one.estimate.value is not None for one in pair.differences.values())
