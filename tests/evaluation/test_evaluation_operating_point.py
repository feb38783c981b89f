"""What a threshold does, against scikit-learn, plain fractions and Bayes."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from xraybatch.core.errors import UsageError
from xraybatch.evaluation.bootstrap import BCA, Sampling
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.operating_point import (
    ESTIMATES,
    at_prevalence,
    likelihood_ratios,
    operating_point,
)
from xraybatch.evaluation.proportions import ONE_PATIENT, proportion
from xraybatch.evaluation.thresholds import choose, parse_rule
from xraybatch.evaluation.utility import ENDLESS, net_benefit

QUICK = Sampling(resamples=20)

rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]), st.integers(0, 6)),
    min_size=1,
    max_size=30,
)


def point(positive, scores, patients, threshold, sampling=QUICK):
    return operating_point(
        "youden", threshold, "found on val.csv", False, positive, scores, patients, "sick", sampling
    )


def fraction(above: int, below: int) -> Fraction | None:
    return Fraction(int(above), int(below)) if below else None


@given(rows, st.sampled_from([0.1, 0.3, 0.5]))
@settings(max_examples=80)
def test_every_number_is_its_fraction_of_films(some, threshold):
    positive, scores, patients = (np.array(column) for column in zip(*some, strict=True))
    called = scores.astype(np.float32) >= np.float32(threshold)
    tp, fp = (called & positive).sum(), (called & ~positive).sum()
    fn, tn = (~called & positive).sum(), (~called & ~positive).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = point(positive, scores, patients, threshold)
    bar = Fraction(float(np.float32(threshold)))
    sens, spec = fraction(tp, tp + fn), fraction(tn, tn + fp)
    both = sens is not None and spec is not None
    expected = {
        "sensitivity": sens,
        "specificity": spec,
        "ppv": fraction(tp, tp + fp),
        "npv": fraction(tn, tn + fn),
        "accuracy": fraction(tp + tn, len(positive)),
        "f1": fraction(2 * tp, 2 * tp + fp + fn),
        "net_benefit": (int(tp) - int(fp) * bar / (1 - bar)) / len(positive),
        "lr_positive": sens / (1 - spec) if both and spec < 1 else None,
        "lr_negative": (1 - sens) / spec if both and spec > 0 else None,
    }
    assert tuple(found.estimates) == ESTIMATES
    for name, value in expected.items():
        estimate = found.estimates[name]
        if value is None:
            assert estimate.value is None
            assert "sick" in estimate.reason
        else:
            assert estimate.value == pytest.approx(float(value), abs=1e-12)
        if len(set(patients)) == 1 and value is not None:
            assert estimate.interval_reason == ONE_PATIENT
    ratios = likelihood_ratios(positive, called, patients, "sick", QUICK)
    assert ratios == {name: found.estimates[name] for name in ratios}


def test_scikit_learn_has_the_same_ratios():
    rng = np.random.default_rng(0)
    positive = rng.random(300) < 0.4
    called = positive ^ (rng.random(300) < 0.2)
    theirs = metrics.class_likelihood_ratios(positive, called)
    ours = likelihood_ratios(positive, called, np.arange(300), "sick", Sampling())
    assert [estimate.value for estimate in ours.values()] == pytest.approx(theirs)
    # the usual interval, on the log scale (Simel 1991), is near for so many independent films
    p, n = positive.sum(), (~positive).sum()
    sens, false = called[positive].mean(), called[~positive].mean()
    error = ((1 - sens) / (sens * p) + (1 - false) / (false * n)) ** 0.5
    low, high = theirs[0] * np.exp([-1.96 * error, 1.96 * error])
    assert ours["lr_positive"].method == BCA
    assert ours["lr_positive"].low == pytest.approx(low, rel=0.05)
    assert ours["lr_positive"].high == pytest.approx(high, rel=0.08)


def test_the_record_says_where_the_threshold_is_from():
    positive, scores = np.array([True, False, True]), np.array([0.9, 0.2, 0.1])
    found = point(positive, scores, np.arange(3), 0.3)
    assert (found.name, found.rule, found.origin) == ("sick", "youden", "found on val.csv")
    assert (found.threshold, found.reason) == (float(np.float32(0.3)), None)
    assert found.optimistic is False
    assert found.estimates["sensitivity"] == proportion(np.array([True, False]), np.arange(2), "")
    called = scores >= 0.3
    assert found.estimates["net_benefit"] == net_benefit(
        positive, called, np.arange(3), found.threshold, QUICK
    )


def test_no_threshold_leaves_every_number_undefined_with_the_reason():
    found = operating_point(
        *("f1", None, "", True, np.zeros(2, bool), np.zeros(2), np.arange(2), "sick", QUICK),
        reason="no film is of 'sick'",
    )
    assert (found.threshold, found.reason) == (None, "no film is of 'sick'")
    assert {estimate.reason for estimate in found.estimates.values()} == {found.reason}
    assert tuple(found.estimates) == ESTIMATES


def test_resamples_without_a_false_call_are_infinite_and_not_left_out():
    positive = np.arange(80) < 40
    called = positive.copy()
    called[78:] = True  # two false calls: none of them in exp(−2), some 13 % of the resamples
    ratios = likelihood_ratios(positive, called, np.arange(80), "sick", Sampling())
    found = ratios["lr_positive"]
    assert found.value == pytest.approx(20)
    assert (found.low, found.high, found.caution) == (None, None, None)
    before, share, *_ = found.interval_reason.partition(" of 2,000 resamples")
    assert share
    assert before.startswith("its upper end is infinite, as in ")
    assert int(before.split()[-1]) / 2000 == pytest.approx((38 / 40) ** 40, abs=0.03)
    # where that is rarer than the interval's tail, the interval stands
    called[68:] = True
    found = likelihood_ratios(positive, called, np.arange(80), "sick", Sampling())["lr_positive"]
    assert found.low < 40 / 12 < found.high < 20


def test_infinite_ratios_say_that_they_are():
    truth = np.array([True, True, False, False])

    def reasons(called):
        ratios = likelihood_ratios(truth, np.array(called), np.arange(4), "sick", QUICK)
        return [estimate.reason for estimate in ratios.values()]

    assert reasons([True, False, False, False]) == [
        "infinite: no film without 'sick' was called so",
        None,
    ]
    assert (
        reasons([True, False, True, True])[1] == "infinite: every film without 'sick' was called so"
    )
    assert reasons([False] * 4) == ["no film was called 'sick'", None]
    assert reasons([True] * 4) == [None, "every film was called 'sick'"]


def test_no_film_at_all_and_a_threshold_of_one():
    none = np.zeros(0, np.int64)
    found = point(none.astype(bool), none * 1.0, none, 0.5)
    assert {estimate.reason for estimate in found.estimates.values()} == {NO_FILMS}
    at_one = point(np.array([True, False]), np.array([1.0, 0.5]), np.arange(2), 1.0)
    assert at_one.estimates["net_benefit"].reason == ENDLESS
    assert at_one.estimates["sensitivity"].value == 1.0


@given(rows, st.sampled_from(["youden", "f1", "cost=5:1", "sensitivity>=0.8", "specificity>=0.8"]))
@settings(max_examples=40)
def test_what_a_rule_promises_is_what_the_point_shows(some, text):
    positive, scores, patients = (np.array(column) for column in zip(*some, strict=True))
    rule = parse_rule(text)
    chosen = choose(rule, positive, scores, "sick")
    if chosen.threshold is None:
        return
    estimates = point(positive, scores, patients, chosen.threshold).estimates
    if rule.kind in ("sensitivity", "specificity"):
        assert estimates[rule.kind].value >= rule.value
    if rule.kind == "f1":
        bars = np.unique(scores)
        best = max(metrics.f1_score(positive, scores >= bar) for bar in bars)
        assert estimates["f1"].value == pytest.approx(best)


# ── at a stated prevalence ─────────────────────────────────────────────────────────────────────


@given(rows, st.sampled_from([0.01, 0.2, 0.5, 0.9]))
@settings(max_examples=60)
def test_predictive_values_are_those_of_a_table_with_that_prevalence(some, prevalence):
    positive, scores, patients = (np.array(column) for column in zip(*some, strict=True))
    called = scores >= 0.3
    found = at_prevalence(prevalence, positive, called, patients, "sick", QUICK)
    assert list(found) == ["ppv_at_prevalence", "npv_at_prevalence"]
    if positive.all() or not positive.any():
        assert all(estimate.value is None for estimate in found.values())
        return
    # weigh the films until the class is as common as stated
    weight = np.where(positive, prevalence / positive.mean(), (1 - prevalence) / (~positive).mean())
    for (name, estimate), (right, among) in zip(
        found.items(), ((positive, called), (~positive, ~called)), strict=True
    ):
        if not among.any():
            assert "called 'sick'" in estimate.reason, name
        else:
            share = np.average(right[among], weights=weight[among])
            assert estimate.value == pytest.approx(share, abs=1e-9)


def test_at_the_prevalence_of_the_table_they_are_the_plain_ones():
    rng = np.random.default_rng(1)
    positive = rng.random(400) < 0.3
    scores = np.where(positive, rng.beta(3, 2, 400), rng.beta(2, 3, 400))
    patients = rng.integers(0, 120, 400)
    found = at_prevalence(positive.mean(), positive, scores >= 0.5, patients, "sick", Sampling())
    plain = point(positive, scores, patients, 0.5, Sampling()).estimates
    for name in ("ppv", "npv"):
        estimate = found[f"{name}_at_prevalence"]
        assert estimate.value == pytest.approx(plain[name].value)
        assert estimate.low < estimate.value < estimate.high


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, 5, float("nan")])
def test_a_prevalence_is_a_share(prevalence):
    with pytest.raises(UsageError, match="prevalence"):
        at_prevalence(prevalence, np.array([True, False]), np.array([True, False]),
                      np.arange(2), "sick", QUICK)  # fmt: skip


def test_a_ratio_rests_on_the_patients_of_the_rarer_side():
    rng = np.random.default_rng(5)
    positive = np.arange(200) < 24
    called = np.where(positive, rng.random(200) < 0.8, rng.random(200) < 0.2)
    found = likelihood_ratios(positive, called, np.arange(200), "sick", QUICK)
    assert {one.clusters for one in found.values()} == {24}
    assert all(one.is_unreliable for one in found.values())
