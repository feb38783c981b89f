"""Net benefit and decision curves against plain sums and published values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraybatch.evaluation import utility
from xraybatch.evaluation.bootstrap import BCA, Sampling
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.proportions import ONE_PATIENT
from xraybatch.evaluation.utility import ENDLESS, THRESHOLDS, decision_curve, net_benefit

QUICK = Sampling(resamples=20)

rows = st.lists(
    st.tuples(
        st.booleans(), st.sampled_from([0.0, 0.01, 0.1, 0.3, 0.5, 0.97, 1.0]), st.integers(0, 5)
    ),
    min_size=1,
    max_size=30,
)


def by_hand(positive, scores, threshold):
    called = scores.astype(np.float32) >= np.float32(threshold)
    true, false = (called & positive).sum(), (called & ~positive).sum()
    return (true - false * threshold / (1 - threshold)) / len(positive)


@pytest.fixture(params=[20_000, 0], ids=["few patients", "very many patients"])
def _either_way(request, monkeypatch):
    monkeypatch.setattr(utility, "_MANY_PATIENTS", request.param)


@pytest.mark.usefixtures("_either_way")
def test_every_threshold_has_the_benefit_of_its_definition():
    @given(rows)
    @settings(max_examples=30)
    def check(some):
        positive, scores, patients = (np.array(column) for column in zip(*some, strict=True))
        curve = decision_curve(positive, scores, patients, "sick", QUICK)
        assert curve.thresholds == THRESHOLDS
        for threshold, found, everyone in zip(THRESHOLDS, curve.model, curve.everyone, strict=True):
            value = by_hand(positive, scores, threshold)
            assert found.value == pytest.approx(value, abs=1e-12)
            assert found.n == len(positive)
            everybody = by_hand(positive, np.ones(len(positive)), threshold)
            assert everyone == pytest.approx(everybody, abs=1e-12)
            if len(set(patients)) == 1:
                assert found.interval_reason == ONE_PATIENT
        again = decision_curve(positive[::-1], scores[::-1], patients[::-1], "sick", QUICK)
        assert again == curve

    check()


@pytest.mark.parametrize("films", [900, 9000])  # up to 15 films a patient, and about 90
def test_both_ways_of_resampling_give_the_same_intervals(monkeypatch, films):
    rng = np.random.default_rng(3)
    patients = rng.integers(0, 100, films) * 2
    scores = rng.random(films)
    positive = rng.random(films) < scores
    sampling = Sampling(resamples=4000)
    few = decision_curve(positive, scores, patients, "sick", sampling)
    monkeypatch.setattr(utility, "_MANY_PATIENTS", 0)
    many = decision_curve(positive, scores, patients, "sick", sampling)
    for one, other in zip(few.model, many.model, strict=True):
        assert one.value == other.value
        assert one.method == other.method
        if one.low is not None:
            width = one.high - one.low
            assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=0.15 * width)


def test_the_interval_is_that_of_a_mean_over_patients():
    rng = np.random.default_rng(5)
    patients = np.repeat(np.arange(300), 3)
    scores = np.clip(rng.normal(0.5, 0.2, 300)[patients] + rng.normal(0, 0.05, 900), 0, 1)
    positive = rng.random(900) < scores
    called = scores >= 0.3
    found = net_benefit(positive, called, patients, 0.3, Sampling(resamples=4000))
    benefit = np.where(called, np.where(positive, 1, -0.3 / 0.7), 0)
    of_patient = np.bincount(patients, benefit) / 3
    error = of_patient.std(ddof=1) / 300**0.5
    assert found.method == BCA
    assert found.value == pytest.approx(benefit.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_a_probability_at_the_threshold_is_acted_on():
    at = np.float32(0.7)  # less than 0.7
    values = [
        decision_curve(np.array([True]), np.array([score]), np.array([0]), "sick", QUICK)
        .model[THRESHOLDS.index(0.7)]
        .value
        for score in (0.7, float(at), float(np.nextafter(at, np.float32(0))))
    ]
    assert values == [1.0, 1.0, 0.0]


def test_no_film_has_no_curve_and_a_threshold_of_one_no_benefit():
    none = np.zeros(0, np.int64)
    assert decision_curve(none.astype(bool), none * 1.0, none, "sick", QUICK) is None
    assert net_benefit(none.astype(bool), none.astype(bool), none, 0.5, QUICK).reason == NO_FILMS
    some = np.array([True, False])
    assert net_benefit(some, some, np.arange(2), 1.0, QUICK).reason == ENDLESS


def test_the_grid_is_small_and_rises():
    assert list(THRESHOLDS) == sorted(set(THRESHOLDS))
    assert (THRESHOLDS[0], THRESHOLDS[-1], len(THRESHOLDS) <= 33) == (0.01, 0.99, True)
