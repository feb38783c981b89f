"""Calibration errors and the reliability curve against plain loops and published values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.proportions import ONE_PATIENT, proportion
from xraybatch.evaluation.reliability import (
    NO_INTERVAL,
    calibration_errors,
    reliability_curve,
    top_label,
)

# the edges of the bins are among them: 0.3 and 0.7 are where sums of 0.1 go wrong
rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([i / 20 for i in range(21)] + [0.049, 1e-9])),
    min_size=1,
    max_size=60,
)


def errors_by_loop(positive, scores, bin_of):
    bins: dict[int, list[tuple[bool, float]]] = {}
    for truth, score in zip(positive, scores, strict=True):
        bins.setdefault(bin_of(score), []).append((bool(truth), float(score)))
    plain, squared, largest = 0.0, 0.0, 0.0
    for films in bins.values():
        n = len(films)
        observed, predicted = (sum(column) / n for column in zip(*films, strict=True))
        chance = observed * (1 - observed) / (n - 1) if n > 1 else 0.0
        plain += n * abs(observed - predicted)
        squared += n * ((observed - predicted) ** 2 - chance)
        largest = max(largest, abs(observed - predicted))
    return plain / len(scores), squared / len(scores), largest


@given(rows)
@settings(max_examples=80)
def test_errors_equal_a_loop_over_bins(some):
    positive, scores = (np.array(column) for column in zip(*some, strict=True))
    found = {
        name: estimate.value for name, estimate in calibration_errors(positive, scores).items()
    }
    # exact fractions of the decimals that were meant
    width = errors_by_loop(positive, scores, lambda p: min(9, Fraction(str(p)) * 10 // 1))
    ordered = sorted(scores)
    mass = errors_by_loop(positive, scores, lambda p: 10 * ordered.index(p) // len(ordered))
    assert found["ece"] == pytest.approx(width[0], abs=1e-12)
    assert found["mce"] == pytest.approx(width[2], abs=1e-12)
    assert found["ece_equal_mass"] == pytest.approx(mass[0], abs=1e-12)
    assert found["ece_squared_debiased"] == pytest.approx(mass[1], abs=1e-12)
    again = calibration_errors(positive[::-1], scores[::-1])
    assert {name: estimate.value for name, estimate in again.items()} == pytest.approx(
        found, abs=1e-12
    )


def test_errors_have_no_interval_and_say_why():
    found = calibration_errors(np.array([True, False]), np.array([0.9, 0.2]))
    for estimate in found.values():
        assert (estimate.low, estimate.interval_reason, estimate.n) == (None, NO_INTERVAL, 2)
    assert found["ece_squared_debiased"].caution.startswith("2 bins have a single film")
    assert found["ece"].caution is None
    nothing = calibration_errors(np.zeros(0, bool), np.zeros(0))
    assert {estimate.reason for estimate in nothing.values()} == {NO_FILMS}
    assert nothing.keys() == found.keys()


def test_perfect_probabilities_have_a_debiased_error_near_zero():
    rng = np.random.default_rng(0)
    values = []
    for _ in range(300):
        p = rng.random(200)
        values.append(calibration_errors(rng.random(200) < p, p))
    debiased = [found["ece_squared_debiased"].value for found in values]
    error = np.std(debiased) / len(debiased) ** 0.5
    # within a bin probabilities differ too: a spread of 0.1 leaves 0.1² / 12 / 20 of chance
    assert abs(np.mean(debiased) + 0.01 / 12 / 20) < 3 * error
    assert np.mean([found["ece"].value for found in values]) > 0.05  # what is corrected


# ── several classes ────────────────────────────────────────────────────────────────────────────


def test_the_top_label_is_the_first_of_the_most_probable():
    p = np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    right, confidence = top_label(np.array([1, 2, 1]), p)
    assert right.tolist() == [False, True, True]
    assert confidence.tolist() == [0.4, 0.7, 0.5]
    found = calibration_errors(right, confidence)["ece"].value
    assert found == pytest.approx((0.4 + 0.3 + 0.5) / 3)


# ── the curve ──────────────────────────────────────────────────────────────────────────────────


@given(rows)
@settings(max_examples=40)
def test_the_curve_holds_every_film_once(some):
    positive, scores = (np.array(column) for column in zip(*some, strict=True))
    curve = reliability_curve(positive, scores, np.arange(len(scores)), "sick", Sampling())
    assert sum(entry.films for entry in curve.bins) == len(scores)
    total = sum(entry.films * entry.observed.value for entry in curve.bins)
    assert total == pytest.approx(positive.sum())
    for entry in curve.bins:
        assert entry.low <= entry.predicted <= entry.high
        assert entry.observed.n == entry.films


def test_the_curve_equals_scikit_learn_and_its_intervals_are_clustered():
    rng = np.random.default_rng(1)
    p = rng.random(400).astype(np.float32).astype(float)
    positive, patients = rng.random(400) < p**2, rng.integers(0, 50, 400) * 3
    curve = reliability_curve(positive, p, patients, "sick", Sampling(confidence=0.9))
    observed, predicted = calibration_curve(positive, p, n_bins=10)
    np.testing.assert_allclose([entry.observed.value for entry in curve.bins], observed)
    np.testing.assert_allclose([entry.predicted for entry in curve.bins], predicted)
    assert [(entry.low, entry.high) for entry in curve.bins][2] == (0.2, 0.3)
    inside = (p >= 0.5) & (p < 0.6)
    assert curve.bins[5].observed == proportion(positive[inside], patients[inside], "", 0.9)


def test_a_curve_of_one_patient_or_of_no_film():
    none = np.zeros(0, np.int64)
    assert reliability_curve(none.astype(bool), none * 0.5, none, "a", Sampling()).bins == ()
    one = reliability_curve(
        np.array([True, False]), np.array([1.0, 1.0]), np.array([4, 4]), "a", Sampling()
    )
    assert (one.name, one.bins[0].low, one.bins[0].high) == ("a", 0.9, 1.0)
    assert one.bins[0].observed.interval_reason == ONE_PATIENT
