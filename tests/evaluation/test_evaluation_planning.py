"""How many patients a width or a difference needs, against published and simulated values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.delong import Ranked, auc_difference
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.estimate import FEW, Estimate
from xraybatch.evaluation.planning import (
    BOUND,
    LOGIT,
    PLAIN,
    patients_apart,
    plan,
    plan_apart,
    power_apart,
)
from xraybatch.evaluation.proportions import wilson
from xraybatch.evaluation.ranking import Part, auc


@settings(max_examples=50, deadline=None)
@given(st.floats(0.001, 0.3), st.floats(0.005, 0.2), st.integers(5, 500), st.floats(0.5, 0.95))
def test_patients_apart_give_the_power(difference, error, patients, power):
    needed = patients_apart(difference, error, patients, power)
    then = error * (patients / needed) ** 0.5
    assert power_apart(difference, then) == pytest.approx(power, abs=1e-9)
    twice = patients_apart(2 * difference, error, patients, power)
    assert twice == pytest.approx(needed / 4, rel=1e-9)


def test_the_power_planned_for_is_had():
    rng = np.random.default_rng(1)

    def compared(n):
        positive = np.arange(n) % 2 == 0
        scores = rng.normal(size=n) + rng.normal(size=(2, n)) + positive * np.array([[1.0], [1.5]])
        return auc_difference(*(Ranked([Part(positive, s, np.arange(n), "x")]) for s in scores))

    true = norm.cdf(1.5 / 2) - norm.cdf(1 / 2)
    needed = int(np.ceil(patients_apart(true, compared(4000).standard_error, 4000)))
    seen = np.mean([compared(needed).p <= 0.05 for _ in range(400)])
    assert seen == pytest.approx(0.8, abs=3.5 * (0.16 / 400) ** 0.5)


def test_what_the_films_at_hand_could_see():
    found = Difference(
        Estimate(0.02, low=-0.04, high=0.08, method="m"), 0.03, p=0.5, p_adjusted=0.5, test="t"
    )
    planned = plan_apart("auc", found, 100, differences=(0.06,))
    seen, given_one = planned.needed
    assert (planned.patients, planned.rests_on) == (100, 100)
    assert (seen.difference, seen.power_now) == (0.02, None)
    assert seen.patients == int(np.ceil(100 * ((1.959964 + 0.841621) * 0.03 / 0.02) ** 2))
    assert given_one.power_now == pytest.approx(norm.cdf(2 - 1.959964), abs=1e-6)
    assert power_apart(1e-9, 0.03) == pytest.approx(0.05), "no difference is found at the level"
    nothing = Difference.undefined("no film", 0)
    assert plan_apart("auc", nothing, 100) is None


def test_a_plain_width_shrinks_with_the_square_root():
    found = plan("kappa", 0.6, 0.5, 0.7, 80, wanted=(0.1, 0.05, 0.01))
    assert (found.scale, found.half_width) == (PLAIN, pytest.approx(0.1))
    assert [w.patients for w in found.wanted] == [80, 320, 8000]


@settings(max_examples=40, deadline=None)
@given(st.integers(92, 99), st.integers(60, 400), st.sampled_from([0.03, 0.02, 0.01]))
def test_a_width_near_1_shrinks_on_the_logit_scale(percent, patients, wanted):
    value, error = percent / 100, 3 / patients**0.5
    middle = np.log(value / (1 - value))

    def ends(n):
        half = error * (patients / n) ** 0.5
        return [1 / (1 + np.exp(-(middle + sign * half))) for sign in (-1, 1)]

    low, high = ends(patients)
    found = plan("auc", value, low, high, patients, wanted=(wanted,))
    assert found.scale == LOGIT
    needed = found.wanted[0].patients
    assert np.diff(ends(needed))[0] / 2 <= wanted + 1e-9
    assert needed >= FEW
    if needed > FEW:
        assert np.diff(ends(needed - 1))[0] / 2 > wanted - 1e-9


def test_a_bound_moves_with_the_patients():
    low, high = wilson(1.0, 40, 1.96)
    found = plan("sensitivity", 1.0, low, high, 40, wanted=(0.02,))
    assert found.scale == BOUND
    then, _ = wilson(1.0, found.wanted[0].patients, 1.96)
    assert (1 - then) / 2 == pytest.approx(0.02, abs=5e-4)
    mirrored = plan("share", 0.0, 1 - high, 1 - low, 40, wanted=(0.02,))
    assert mirrored.wanted == found.wanted


def test_no_plan_leaves_an_interval_on_too_few():
    # 9 of 35 patients have films of the rarest class: 117 patients like these bring 30 of them
    found = plan("macro_auc", 0.69, 0.62, 0.76, 35, 9, wanted=(0.05, 0.02))
    assert (found.patients, found.rests_on) == (35, 9)
    assert [w.patients for w in found.wanted] == [117, 429]
    estimate = Estimate(0.1, low=0.04, high=0.16, method="m", clusters=9)
    planned = plan_apart("auc", Difference(estimate, 0.03, p=0.001), 35, differences=(0.05,))
    assert planned.rests_on == 9
    assert [one.patients for one in planned.needed] == [117, 117]


def test_nothing_is_planned_without_an_interval():
    found = plan("auc", 0.9, None, None, 1)
    assert (found.wanted, found.reason) == ((), "there is no interval")
    assert plan("auc", None, None, None, 0).value is None
    assert plan("auc", 0.5, 0.5, 0.5, 9).reason


def test_the_planned_width_is_had():
    rng = np.random.default_rng(5)

    def interval(patients):
        owner = np.repeat(np.arange(patients), 2)
        positive = (np.arange(patients) % 2 == 0)[owner]
        scores = rng.normal(size=patients)[owner] + rng.normal(size=2 * patients) + 2.5 * positive
        return auc(positive, scores, owner, "x", Sampling().confidence)

    pilot = interval(100)
    found = plan("auc", pilot.value, pilot.low, pilot.high, 100, wanted=(0.01,))
    halves = [(e.high - e.low) / 2 for e in (interval(found.wanted[0].patients) for _ in range(20))]
    assert np.mean(halves) == pytest.approx(0.01, rel=0.5), "as far as the pilot knows its variance"
