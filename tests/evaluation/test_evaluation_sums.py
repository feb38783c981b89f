"""Means and other functions of sums, resampled by patient, against the long way round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from xraybatch.evaluation.bootstrap import BCA, Sampling, patient_weights
from xraybatch.evaluation.proportions import ONE_PATIENT
from xraybatch.evaluation.sums import mean_samples, patient_sums, sum_samples

FEW = Sampling(0.95, 100, 5)


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 10_000))
def test_means_are_those_of_the_repeated_films(n, groups, seed):
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, groups, n) * 3  # with gaps
    values = rng.normal(size=(n, 2))
    samples = mean_samples(*patient_sums(values, patients), FEW)
    names, owner = np.unique(patients, return_inverse=True)
    by_hand = [
        np.repeat(values, weights[owner], axis=0).mean(axis=0)
        for weights in patient_weights(len(names), FEW.resamples, FEW.seed)
    ]
    for column, sample in enumerate(samples):
        assert sample.point == pytest.approx(values[:, column].mean(), abs=1e-12)
        if len(names) == 1:
            assert sample.estimate("", n, 0.95).interval_reason == ONE_PATIENT
            continue
        np.testing.assert_allclose(sample.drawn, np.array(by_hand)[:, column], atol=1e-12)
        one_out = [values[owner != g, column].mean() for g in range(len(names))]
        np.testing.assert_allclose(sample.left_out, one_out, atol=1e-12)


def test_threads_change_no_digit():
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 70, 200)
    sums, films = patient_sums(rng.normal(size=200), patients)
    one, two, five = (mean_samples(sums, films, FEW, threads)[0] for threads in (1, 2, 5))
    assert (one.drawn == two.drawn).all()
    assert (one.drawn == five.drawn).all()
    assert len(one.drawn) == FEW.resamples


def test_patients_without_films_are_not_drawn():
    sums, films = np.array([[1.0], [0.0], [5.0]]), np.array([2, 0, 4])
    gaps, plain = (mean_samples(sums[some], films[some], FEW)[0] for some in ([0, 1, 2], [0, 2]))
    assert (gaps.drawn == plain.drawn).all()
    assert gaps.estimate("", 6, 0.95) == plain.estimate("", 6, 0.95)


def test_no_films_have_no_mean():
    found = mean_samples(np.zeros((0, 1)), np.zeros(0, int), FEW)[0].estimate("no films", 0, 0.95)
    assert found.reason == "no films"


def test_interval_of_a_skewed_ratio_is_scipys_bca():
    rng = np.random.default_rng(3)
    films = rng.integers(1, 5, 60)
    above, below = rng.gamma(0.5, films), rng.gamma(2.0, films)

    def ratio(totals):
        return totals[..., :1] / totals[..., 1:]

    ours = sum_samples(np.c_[above, below], ratio, Sampling(0.95, 20_000, 0))[0]
    found = ours.estimate("", 60, 0.95)
    theirs = bootstrap(
        (above, below),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert found.method == BCA
    width = theirs.high - theirs.low
    assert found.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.03 * width)
