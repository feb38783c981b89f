"""Parts of the films and readers, against scikit-learn, statsmodels and the two-sample DeLong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn import metrics
from statsmodels.stats.multitest import multipletests

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.holm import holm
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.proportions import proportion
from xraybatch.evaluation.ranking import Ranking, auc, clustered_variance
from xraybatch.evaluation.readers import mean_kappa
from xraybatch.evaluation.scoring import score
from xraybatch.evaluation.slices import difference

TASK = Task("label", TaskKind.BINARY, ("no", "yes"), "yes")
GRADES = Task("label", TaskKind.ORDINAL, ("0", "1", "2"))


@given(st.lists(st.floats(0, 1), max_size=12))
@settings(max_examples=50, deadline=None)
def test_holm_equals_statsmodels(p_values):
    theirs = multipletests(p_values, method="holm")[1] if p_values else []
    np.testing.assert_allclose(holm(p_values), theirs, atol=1e-12)


def tables(n=400, seed=0, **columns):
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, n // 3, n)
    truth = rng.random(n) < 0.4
    p = np.clip(rng.normal(0.4 + 0.25 * truth, 0.2), 0.001, 0.999).round(3)
    results = pd.DataFrame(
        {
            "path": [f"{i:04}.png" for i in range(n)],
            "status": "ok",
            "label": np.where(p >= 0.5, "yes", "no"),
            "prob.no": [str(round(1 - v, 3)) for v in p],
            "prob.yes": [str(v) for v in p],
        },
        dtype=object,
    )
    labels = pd.DataFrame(
        {
            "path": results["path"],
            "label": np.where(truth, "yes", "no"),
            "patient": [f"p{i}" for i in patients],
            **{name: make(rng, patients) for name, make in columns.items()},
        },
        dtype=object,
    )
    return results, labels, truth, p, patients


def report_of(results, labels, task=TASK, **options):
    report = score(results, labels, tasks=[task], options=ScoreOptions(resamples=200, **options))
    return report.tasks[0]


def by_patient(values):
    return lambda _, patients: [values[p % len(values)] for p in patients]


def test_each_slice_has_the_numbers_of_its_films_and_the_worst_stands_first():
    results, labels, truth, p, _ = tables(site=by_patient(["north", "south", "south"]))
    (found,) = report_of(results, labels, slices=["site"]).slices
    assert found.compared == "auc"
    values = [one.estimates["auc"].value for one in found.slices]
    assert values == sorted(values)
    for one in found.slices:
        mine = (labels["site"] == one.value).to_numpy()
        assert one.films == mine.sum()
        assert one.estimates["auc"].value == pytest.approx(
            metrics.roc_auc_score(truth[mine], p[mine]), abs=1e-12
        )
        right = (p[mine] >= 0.5) == truth[mine]
        assert one.estimates["accuracy"].value == right.mean()
        rest = metrics.roc_auc_score(truth[~mine], p[~mine])
        assert one.difference.value == pytest.approx(one.estimates["auc"].value - rest, abs=1e-12)
    first, second = found.slices
    assert first.p_value == pytest.approx(second.p_value), "two parts are each other's rest"
    assert first.adjusted == pytest.approx(min(1.0, 2 * first.p_value))


def test_the_difference_of_two_groups_of_patients_is_delongs():
    results, labels, truth, p, patients = tables(900, site=by_patient(["a", "b"]))
    (found,) = report_of(results, labels, slices=["site"]).slices
    sides = [(labels["site"] == one.value).to_numpy() for one in found.slices]
    variances = [clustered_variance([(Ranking(truth[m], p[m]), patients[m])]) for m in sides]
    z = found.slices[0].difference.value / np.sqrt(sum(variances))
    # on the logit scale, with Student's quantile: near at a hundred patients, not the same
    assert found.slices[0].p_value == pytest.approx(2 * norm.sf(abs(z)), abs=0.05)


def test_a_small_slice_without_a_fault_is_not_taken_for_a_difference():
    """Truth: both parts are alike; a variance of 0 must not make certainty of 20 films."""
    rng = np.random.default_rng(5)
    wrong = {"auc": 0, "accuracy": 0}
    for _ in range(400):
        sides = []
        for n in (20, 500):
            positive = np.arange(n) % 2 == 0
            scores = rng.normal(2.66 * positive, 1)
            area = auc(positive, scores, np.arange(n), "x")
            share = proportion(rng.random(n) < 0.97, np.arange(n), "")
            sides.append({"auc": area, "accuracy": share})
        for name in wrong:
            _, p_value = difference(sides[0][name], sides[1][name], 0.95)
            wrong[name] += p_value < 0.05
    # 5 % of 400 and three standard errors
    assert max(wrong.values()) <= 33, wrong


def test_a_difference_needs_both_intervals():
    some = Estimate(0.75, low=0.5, high=0.875, n=20)
    alone = Estimate(0.75, interval_reason="one patient", n=3)
    gap, p_value = difference(some, Estimate.undefined("no film"), 0.95)
    assert (gap.value, p_value) == (None, None)
    gap, p_value = difference(some, alone, 0.95)
    assert (gap.value, gap.low, gap.interval_reason, p_value) == (0.0, None, "one patient", None)
    gap, p_value = difference(some, some, 0.95)
    assert (gap.value, p_value) == (0.0, 1.0)


def test_numbers_are_cut_into_quarters_and_small_parts_are_named():
    results, labels, *_ = tables(
        age=lambda rng, p: [str(20 + i % 60) for i in p],
        device=lambda rng, p: ["rare" if i == 5 else "" for i in p],
    )
    by_age, by_device = report_of(results, labels, slices=["age", "device"]).slices
    assert len(by_age.slices) == 4
    assert sum(one.films for one in by_age.slices) == 400
    assert "was cut into quarters" in by_age.sentences[0]
    assert any(one.value.startswith("> ") for one in by_age.slices)
    assert [one.value for one in by_device.slices] == ["(empty)"]
    assert set(by_device.too_small) == {"rare"}
    assert by_device.slices[0].p_value is None, "there is no rest that could be compared"


def test_a_slice_of_one_class_is_undefined_and_said():
    results, labels, *_ = tables()
    with pytest.raises(UsageError, match="--slice label is the column of the truth"):
        report_of(results, labels, slices=["label"])
    labels["found"] = labels["label"]
    (found,) = report_of(results, labels, slices=["found"]).slices
    assert all(one.estimates["auc"].value is None for one in found.slices)
    assert all(one.difference.value is None and one.p_value is None for one in found.slices)


def test_columns_that_are_no_slices():
    results, labels, *_ = tables(site=by_patient(["a", "b"]))
    with pytest.raises(InputError, match="'patient' has 127 different values: too many"):
        report_of(results, labels, slices=["patient"])
    with pytest.raises(InputError, match=r"has a column 'sit'\. Did you mean 'site'"):
        report_of(results, labels, slices=["sit"])


def test_columns_of_the_results_are_slices_too():
    results, labels, *_ = tables()
    results["tag.Modality"] = ["DX", "CR"] * 200
    (found,) = report_of(results, labels, slices=["tag.Modality"]).slices
    assert {one.value: one.films for one in found.slices} == {"DX": 200, "CR": 200}


def test_films_seen_in_training_are_counted_and_numbers_without_them_stand_beside():
    results, labels, truth, p, _ = tables()
    seen = np.arange(400) % 4 == 0
    results["seen_in_training"] = np.where(seen, "1", "0")
    task = report_of(results, labels)
    assert task.seen == 100
    without = metrics.roc_auc_score(truth[~seen], p[~seen])
    assert task.without_seen["auc"].value == pytest.approx(without, abs=1e-12)
    assert task.without_seen["accuracy"].n == 300
    results["seen_in_training"] = "1"
    assert report_of(results, labels).without_seen == {}, "nothing is left to score"


def readers(rng, patients):
    return [str(v) for v in rng.integers(0, 3, len(patients))]


@pytest.mark.parametrize("kind", [TaskKind.ORDINAL, TaskKind.MULTICLASS])
def test_readers_agree_as_scikit_learn_says(kind):
    rng = np.random.default_rng(3)
    n = 200
    truth = rng.integers(0, 3, n)
    answer, first, second = (
        np.where(rng.random(n) < 0.6, truth, rng.integers(0, 3, n)) for _ in range(3)
    )
    unread = np.arange(n) % 10 == 0
    results = pd.DataFrame(
        {"path": [f"{i:03}.png" for i in range(n)], "status": "ok", "label": answer.astype(str)},
        dtype=object,
    )
    labels = pd.DataFrame(
        {
            "path": results["path"],
            "label": truth.astype(str),
            "dr a": first.astype(str),
            "dr b": np.where(unread, "", second.astype(str)),
        },
        dtype=object,
    )
    task = Task("label", kind, ("0", "1", "2"))
    found = report_of(results, labels, task, readers=["dr a", "dr b"]).readers
    weights = "quadratic" if kind is TaskKind.ORDINAL else None
    assert found.weights == (weights or "none")
    kappas = {(p.one, p.other): p.kappa.value for p in found.pairs}
    assert list(kappas) == [
        ("truth", "model"), ("truth", "dr a"), ("truth", "dr b"),
        ("model", "dr a"), ("model", "dr b"), ("dr a", "dr b"),
    ]  # fmt: skip
    theirs = metrics.cohen_kappa_score(answer[~unread], second[~unread], weights=weights)
    assert kappas["model", "dr b"] == pytest.approx(theirs, abs=1e-12)
    pair = next(p for p in found.pairs if p.other == "dr b" and p.one == "dr a")
    assert pair.films == (~unread).sum()
    assert pair.agreement.value == (first == second)[~unread].mean()
    assert pair.kappa.low < pair.kappa.value < pair.kappa.high
    mean = (kappas["model", "dr a"] + kappas["model", "dr b"]) / 2
    assert mean_kappa(found.pairs, "model") == pytest.approx(mean)


def test_readers_of_classes_that_are_none_are_refused():
    results, labels, *_ = tables(reader=lambda rng, p: ["maybe"] * len(p))
    with pytest.raises(InputError, match="Column 'reader' of the labels has 'maybe'"):
        report_of(results, labels, readers=["reader"])
    with pytest.raises(InputError, match=r"no column 'readr'\. Did you mean 'reader'"):
        report_of(results, labels, readers=["readr"])
    findings = Task("found", TaskKind.MULTILABEL, ("mass",))
    results["pred.mass"], labels["mass"] = "1", "1"
    with pytest.raises(UsageError, match="is multilabel"):
        report_of(results, labels, findings, readers=["reader"])


def test_readers_of_several_tasks_are_asked_which_they_answered():
    results, labels, *_ = tables(dr=lambda rng, p: ["yes"] * len(p))
    other = Task("view", TaskKind.BINARY, ("ap", "pa"), "pa")
    results = results.rename(columns={c: f"label.{c}" for c in ("prob.no", "prob.yes")})
    results["view"], labels["view"] = "pa", "pa"
    with pytest.raises(UsageError, match="compares answers to one task"):
        score(results, labels, tasks=[TASK, other], options=ScoreOptions(readers=["dr"]))
