"""Average precision and operating points, their resamples and their jackknife, the long way."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from xraybatch.evaluation.bootstrap import BCA, PERCENTILE, Sampling, patient_weights
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.proportions import ONE_PATIENT
from xraybatch.evaluation.rank_bootstrap import NAMES, rank_estimates, rank_samples
from xraybatch.evaluation.ranking import Part

FEW = Sampling(0.95, 100, 3)


def by_hand(positive, scores, weights):
    """`NAMES` from the definition: every threshold is tried, and that above all scores."""
    n_true, n_false = int(weights[positive].sum()), int(weights[~positive].sum())
    found = dict.fromkeys(NAMES, np.nan)
    if n_true == 0:
        return found
    found["average_precision"] = average_precision_score(positive, scores, sample_weight=weights)
    if n_false == 0:
        return found
    points = []
    for threshold in [*np.unique(scores), np.inf]:
        called = scores >= threshold
        points.append((weights[called & positive].sum(), weights[~called & ~positive].sum()))
    found["youden_j"] = max(tp / n_true + tn / n_false - 1 for tp, tn in points)
    for level in (90, 95):
        found[f"sensitivity_at_specificity_{level}"] = max(
            tp / n_true for tp, tn in points if 100 * tn >= level * n_false
        )
        found[f"specificity_at_sensitivity_{level}"] = max(
            tn / n_false for tp, tn in points if 100 * tp >= level * n_true
        )
    return found


@st.composite
def films(draw, most=40):
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = draw(st.sampled_from([2, 5, 10**6]))  # from all tied to hardly any tie
    positive = rng.random(n) < draw(st.sampled_from([0.1, 0.5, 0.9]))
    scores = (rng.integers(0, steps, n) + positive * rng.integers(0, steps, n)) / (2 * steps)
    return Part(positive, scores, rng.integers(0, draw(st.integers(1, 12)), n) * 2, "x")


@settings(max_examples=60)
@given(films())
def test_every_resample_is_the_definition(part):
    names, owner = np.unique(part.patients, return_inverse=True)
    samples = rank_samples([part], FEW)[0]
    point = by_hand(part.positive, part.scores, np.ones(len(owner), int))
    draws = list(patient_weights(len(names), FEW.resamples, FEW.seed))[:15]
    drawn = [by_hand(part.positive, part.scores, weights[owner]) for weights in draws]
    for name in NAMES:
        np.testing.assert_allclose(samples[name].point, point[name], atol=1e-12, err_msg=name)
        assert len(samples[name].drawn) == (FEW.resamples if len(names) > 1 else 0)
        if len(names) > 1:
            ours, theirs = samples[name].drawn[:15], [values[name] for values in drawn]
            np.testing.assert_allclose(ours, theirs, atol=1e-12, err_msg=name)


def test_thresholds_of_several_blocks_are_put_together(monkeypatch):
    monkeypatch.setattr("xraybatch.evaluation.rank_bootstrap._BLOCK", 7)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        positive, patients = rng.random(60) < 0.5, rng.integers(0, 20, 60)
        scores = rng.normal(size=60) + positive
        samples = rank_samples([Part(positive, scores, patients, "x")], FEW)[0]
        owner = np.unique(patients, return_inverse=True)[1]
        draws = patient_weights(owner.max() + 1, FEW.resamples, FEW.seed)
        for i, weights in zip(range(5), draws, strict=False):
            theirs = by_hand(positive, scores, weights[owner])
            ours = {name: sample.drawn[i] for name, sample in samples.items()}
            assert ours == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=100)
@given(films())
def test_the_jackknife_of_average_precision_is_exact(part):
    names, owner = np.unique(part.patients, return_inverse=True)
    sample = rank_samples([part], FEW)[0]["average_precision"]
    if not part.positive.any():
        assert sample.left_out is None
        return
    theirs = [
        average_precision_score(part.positive[rest], part.scores[rest])
        if (part.positive & rest).any()
        else np.nan
        for rest in (owner != g for g in range(len(names)))
    ]
    np.testing.assert_allclose(sample.left_out, theirs, atol=1e-12)


@settings(max_examples=30)
@given(films(), st.integers(0, 1000))
def test_no_digit_depends_on_order_scale_or_threads(part, seed):
    order = np.random.default_rng(seed).permutation(len(part.positive))
    shuffled = Part(part.positive[order], np.exp(3 * part.scores[order]), part.patients[order], "x")
    one, other = rank_estimates([part], FEW, 1), rank_estimates([shuffled], FEW, 3)
    for name in set(NAMES) - {"average_precision"}:
        assert one.parts[0][name] == other.parts[0][name]
    mine, theirs = (rank_samples([p], FEW, t)[0] for p, t in ((part, 1), (shuffled, 3)))
    for name in NAMES:
        np.testing.assert_array_equal(mine[name].drawn, theirs[name].drawn)
        np.testing.assert_array_equal(mine[name].point, theirs[name].point)


def test_parts_with_other_films_take_the_same_patients():
    rng = np.random.default_rng(1)
    patients = np.arange(90) % 30
    whole = Part(rng.random(90) < 0.5, rng.random(90), patients, "whole")
    some = patients < 20  # a finding that the others' films are not labelled for
    half = Part(whole.positive[some], whole.scores[some], patients[some], "half")
    found = rank_samples([whole, half], FEW)
    for i, weights in enumerate(patient_weights(30, FEW.resamples, FEW.seed)):
        theirs = by_hand(half.positive, half.scores, weights[half.patients])
        assert found[1]["youden_j"].drawn[i] == pytest.approx(theirs["youden_j"], abs=1e-12)
    mean = rank_estimates([whole, half], FEW).macro_average_precision
    values = [of["average_precision"].point for of in found]
    assert mean.value == pytest.approx(np.mean(values), abs=1e-15)
    assert mean.method == BCA
    drawn = np.mean([of["average_precision"].drawn for of in found], axis=0)
    assert drawn.min() < mean.low < mean.value < mean.high < drawn.max()


def test_interval_of_average_precision_is_scipys_bca():
    from scipy.stats import bootstrap

    rng = np.random.default_rng(0)
    positive = rng.random(120) < 0.3
    scores = rng.normal(size=120) + positive
    found = rank_estimates([Part(positive, scores, np.arange(120), "x")], Sampling(0.95, 8000, 1))
    ours = found.parts[0]["average_precision"]
    theirs = bootstrap(
        (positive, scores),
        average_precision_score,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="BCa",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert ours.method == BCA
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.08 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.08 * width)


def test_undefined_numbers_say_why():
    yes, score, patients = np.ones(4, bool), np.arange(4) / 4, np.arange(4)
    none = rank_estimates([Part(~yes, score, patients, "x"), Part(yes, score, patients, "y")], FEW)
    assert none.parts[0]["average_precision"].reason == "no film is of 'x'"
    assert none.parts[0]["youden_j"].reason == "no film is of 'x'"
    assert none.macro_average_precision.reason == "no film is of x"
    assert none.parts[1]["average_precision"].value == 1.0  # by definition, whatever the scores
    assert none.parts[1]["average_precision"].low is None
    assert none.parts[1]["sensitivity_at_specificity_90"].reason == "every film is of 'y'"
    empty = rank_estimates([Part(yes[:0], score[:0], patients[:0], "x")], FEW)
    assert {e.reason for e in empty.parts[0].values()} == {NO_FILMS}
    assert empty.macro_average_precision.reason == NO_FILMS
    alone = rank_estimates([Part(score > 0.4, score, patients * 0, "x")], FEW)
    for estimate in [*alone.parts[0].values(), alone.macro_average_precision]:
        assert (estimate.value, estimate.interval_reason) == (1.0, ONE_PATIENT)


def test_denominators_and_methods():
    rng = np.random.default_rng(0)
    positive = rng.random(200) < 0.3
    found = rank_estimates([Part(positive, rng.random(200), np.arange(200), "x")], FEW).parts[0]
    positives = int(positive.sum())
    assert found["average_precision"].n == found["youden_j"].n == 200
    assert found["sensitivity_at_specificity_95"].n == positives
    assert found["specificity_at_sensitivity_95"].n == 200 - positives
    assert {e.method for e in found.values()} == {BCA, PERCENTILE}
    assert {e.clusters for e in found.values()} == {positives}
    assert "these very films" in found["youden_j"].caution


def test_a_patient_with_many_films_overflows_nothing_and_warns_nowhere():
    rng = np.random.default_rng(5)
    patients = np.r_[np.zeros(3000, int), np.arange(1, 200)]
    positive = rng.random(3199) < 0.5
    part = Part(positive, np.round(rng.random(3199) + positive, 2), patients, "x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rank_estimates([part], FEW).parts[0]
    assert found["average_precision"].value == pytest.approx(
        average_precision_score(part.positive, part.scores), abs=1e-12
    )
