"""Two models on the same films, number by number, against independent references."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, chi2, norm, rankdata
from sklearn import metrics
from statsmodels.stats.contingency_tables import mcnemar

from xraybatch import Metric, TaskKind, Undefined
from xraybatch.evaluation import classification
from xraybatch.evaluation.bootstrap import Sampling, patient_weights
from xraybatch.evaluation.delong import (
    PERFECT_ONE,
    SAME_RANKING,
    Ranked,
    auc_difference,
)
from xraybatch.evaluation.mcnemar import (
    TANGO,
    mcnemar_exact,
    share_difference,
    tango,
)
from xraybatch.evaluation.paired_bootstrap import (
    EXCHANGE,
    count_differences,
    mean_differences,
    metric_difference,
)
from xraybatch.evaluation.paired_ranks import RankedScores, rank_differences
from xraybatch.evaluation.proportions import ONE_PATIENT
from xraybatch.evaluation.rank_bootstrap import NAMES
from xraybatch.evaluation.ranking import Part

Z = norm.ppf(0.975)


def ranked(positive, scores, patients):
    return Ranked([Part(positive, scores, patients, "x")])


# ── DeLong ─────────────────────────────────────────────────────────────────────────────────────


def naive_auc_difference(positive, scores, patients):
    """Difference and variance from the pairs of films themselves."""
    shares, values = [], []
    for score in scores:
        wins = np.sign(score[positive][:, None] - score[~positive][None, :]) / 2 + 0.5
        values.append(wins.mean())
        shares.append((wins.mean(1) - wins.mean(), wins.mean(0) - wins.mean()))
    p, q = int(positive.sum()), int((~positive).sum())
    s10 = s01 = s11 = 0.0
    on, off = patients[positive], patients[~positive]
    for g in set(patients):
        x = sum(sign * share[0][on == g].sum() for sign, share in zip((-1, 1), shares, strict=True))
        y = sum(
            sign * share[1][off == g].sum() for sign, share in zip((-1, 1), shares, strict=True)
        )
        s10, s01, s11 = s10 + x * x, s01 + y * y, s11 + x * y
    i, j, k = len(set(on)), len(set(off)), len(set(patients))
    variance = i / (i - 1) * s10 / p**2 + j / (j - 1) * s01 / q**2 + 2 * k / (k - 1) * s11 / (p * q)
    return values[1] - values[0], variance


films = st.lists(
    st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 4), st.integers(0, 7)),
    min_size=6,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(films)
def test_clustered_delong_is_that_of_the_pairs_of_films(rows):
    positive, a, b, patients = (np.array(column) for column in zip(*rows, strict=True))
    assume(min(len(set(patients[positive])), len(set(patients[~positive]))) > 1)
    found = auc_difference(ranked(positive, a, patients), ranked(positive, b, patients))
    value, variance = naive_auc_difference(positive, (a, b), patients)
    assert found.estimate.value == pytest.approx(value, abs=1e-9)
    if found.standard_error is None:
        assert variance == pytest.approx(0, abs=1e-9)
        assert found.estimate.interval_reason
    else:
        assert found.standard_error**2 == pytest.approx(variance, abs=1e-9)
        assert found.p == pytest.approx(2 * norm.sf(abs(value) / variance**0.5), abs=1e-9)
    # neither the order of the rows nor a map that keeps the order changes anything
    order = np.random.default_rng(0).permutation(len(a))
    again = auc_difference(
        ranked(positive[order], np.exp(a)[order], patients[order]),
        ranked(positive[order], 3.0 * b[order] - 7, patients[order]),
    )
    assert again.estimate.value == found.estimate.value
    if found.p is not None:
        assert again.p == pytest.approx(found.p, abs=1e-9)


def test_mean_auc_of_both_classes_is_the_auc():
    rng = np.random.default_rng(3)
    patients = rng.integers(0, 40, 120)
    positive = rng.random(120) < 0.4
    scores = rng.random((2, 120)) + 0.3 * positive
    one = auc_difference(*(ranked(positive, s, patients) for s in scores))
    both = auc_difference(
        *(
            Ranked([Part(positive, s, patients, "a"), Part(~positive, 1 - s, patients, "b")])
            for s in scores
        )
    )
    assert both.estimate.value == pytest.approx(one.estimate.value, abs=1e-12)
    # but for factors such as I / (I - 1), which the two sides of one class exchange
    assert both.standard_error == pytest.approx(one.standard_error, rel=0.01)


def test_error_of_a_mean_auc_difference_is_that_of_the_bootstrap():
    rng = np.random.default_rng(8)
    n, groups = 600, 250
    patients = rng.integers(0, groups, n)
    y = rng.integers(0, 3, n)
    signal = (y[:, None] == np.arange(3)) + 0.7 * rng.normal(size=(groups, 1))[patients]
    scores = [rng.normal(size=(n, 3)) + signal for _ in range(2)]
    found = auc_difference(
        *(Ranked([Part(y == k, s[:, k], patients, str(k)) for k in range(3)]) for s in scores)
    )

    def macro(score, weights):
        return np.mean(
            [metrics.roc_auc_score(y == k, score[:, k], sample_weight=weights) for k in range(3)]
        )

    drawn = [
        macro(scores[1], w[patients]) - macro(scores[0], w[patients])
        for w in patient_weights(groups, 100, 1)
    ]
    assert found.standard_error == pytest.approx(np.std(drawn), rel=0.25)


def test_where_two_rankings_cannot_be_compared():
    patients = np.arange(6)
    positive = np.array([0, 0, 0, 1, 1, 1], bool)
    scores = np.array([0.1, 0.4, 0.35, 0.8, 0.3, 0.9])
    same = auc_difference(*(ranked(positive, s, patients) for s in (scores, scores**3)))
    assert (same.estimate.value, same.estimate.interval_reason) == (0.0, SAME_RANKING)
    assert same.p is None
    one_side = auc_difference(
        *(ranked(np.ones(6, bool), s, patients) for s in (scores, scores[::-1]))
    )
    assert one_side.estimate.reason == "every film is of 'x'"
    alone = auc_difference(*(ranked(positive, s, np.zeros(6, int)) for s in (scores, scores[::-1])))
    assert alone.estimate.value is not None
    assert "2 or more patients" in alone.estimate.interval_reason
    perfect = auc_difference(*(ranked(positive, s, patients) for s in (scores, positive * 1.0)))
    assert perfect.estimate.caution == PERFECT_ONE
    assert perfect.estimate.high <= 1


# ── McNemar ────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_that_of_statsmodels(both, b, c, neither):
    assume(both + b + c + neither > 1)
    first = np.repeat([True, True, False, False], [both, b, c, neither])
    other = np.repeat([True, False, True, False], [both, b, c, neither])
    found = share_difference(first, other, np.arange(len(first)), "")
    oracle = mcnemar([[both, b], [c, neither]], exact=True).pvalue if b + c else 1.0
    assert found.p == pytest.approx(oracle, abs=1e-9)
    assert found.estimate.value == pytest.approx((c - b) / len(first), abs=1e-12)
    assert found.estimate.method == TANGO
    # Tango's interval is the inverted score test, which is McNemar's without correction at 0
    if b + c and abs((b - c) ** 2 / (b + c) - Z**2) > 1e-6:
        outside = not found.estimate.low <= 0 <= found.estimate.high
        assert outside == ((b - c) ** 2 / (b + c) > Z**2)
    swapped = share_difference(other, first, np.arange(len(first)), "").estimate
    assert [-swapped.high, -swapped.low] == pytest.approx(
        [found.estimate.low, found.estimate.high], abs=1e-9
    )


@pytest.mark.parametrize(("c", "b", "n"), [(14, 4, 32), (1, 0, 50), (9, 8, 17), (3, 20, 400)])
def test_tango_is_the_inverted_score_test(c, b, n):
    def statistic(delta):
        def unlikely(share):  # `share`: that only the first is right; the other's is delta more
            cells = np.array([share + delta, share, 1 - 2 * share - delta])
            counts = np.array([c, b, n - b - c])
            if (cells < 0).any() or (cells[counts > 0] <= 0).any():
                return 1e9
            return -(counts[counts > 0] * np.log(cells[counts > 0])).sum()

        bounds = (max(0.0, -delta), (1 - delta) / 2)
        share = minimize_scalar(
            unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-13}
        ).x
        return (c - b - n * delta) / (n * (2 * share + delta - delta**2)) ** 0.5

    low, high = tango(c, b, n, quantile=Z)
    assert statistic(low) == pytest.approx(Z, abs=1e-4)
    assert statistic(high) == pytest.approx(-Z, abs=1e-4)


def test_no_film_told_apart_is_no_certainty():
    right = np.ones(50, bool)
    found = share_difference(right, right, np.arange(50), "")
    assert (found.estimate.value, found.p, found.standard_error) == (0.0, 1.0, 0.0)
    bound = Z**2 / (50 + Z**2)  # Tango's with nothing told apart
    assert [found.estimate.low, found.estimate.high] == pytest.approx([-bound, bound], abs=1e-9)
    clustered = share_difference(right, right, np.arange(50) // 5, "")
    bound = Z**2 / (10 + Z**2)  # the five films of a patient count as one
    assert clustered.estimate.high == pytest.approx(bound, abs=1e-9)


def test_shares_that_cannot_be_compared():
    nothing = np.zeros(0, bool)
    found = share_difference(nothing, nothing, np.zeros(0, int), "no film is of 'x'")
    assert found.estimate.reason == "no film is of 'x'"
    right = np.array([True, False, True])
    alone = share_difference(right, ~right, np.zeros(3, int), "")
    assert alone.estimate.value == pytest.approx(-1 / 3)
    assert (alone.estimate.interval_reason, alone.p) == (ONE_PATIENT, None)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=4))
def test_the_clustered_interval_holds_0_where_the_test_sees_nothing(rows):
    first, other, patients = (np.array(column) for column in zip(*rows, strict=True))
    assume(1 < len(set(patients)) < len(rows))
    found = share_difference(first, other, patients, "")
    moved = [sum(int(b) - int(a) for a, b, p in rows if p == patient) for patient in set(patients)]
    k, squares = len(moved), sum(m * m for m in moved)
    oracle = (k - 1) / k * sum(moved) ** 2 / squares if squares else 0.0
    assert found.p == pytest.approx(chi2.sf(oracle, 1), abs=1e-9)
    assert -1 <= found.estimate.low < found.estimate.high <= 1
    if found.p > 0.0501:
        assert found.estimate.low <= 0 <= found.estimate.high


# ── any other number ───────────────────────────────────────────────────────────────────────────


def table(seed, n=60, groups=9):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    guesses = [np.where(rng.random(n) < p, truth, rng.integers(0, 3, n)) for p in (0.3, 0.6)]
    return truth, guesses, rng.integers(0, groups, n)


def kappas(flat):
    return classification.kappa(flat.reshape(*flat.shape[:-1], 3, 3))[..., None]


def kappa_difference(truth, first, other):
    return metrics.cohen_kappa_score(truth, other) - metrics.cohen_kappa_score(truth, first)


def test_exchange_is_that_of_all_exchanges():
    truth, (first, other), patients = table(3)
    (found,) = count_differences(
        truth * 3 + first, truth * 3 + other, patients, 9, kappas, Sampling(0.95, 4000, 1)
    )
    observed = kappa_difference(truth, first, other)
    assert found.estimate.value == pytest.approx(observed, abs=1e-12)
    names = np.unique(patients)
    extreme = []
    for swap in product([False, True], repeat=len(names)):
        swapped = np.array(swap)[np.searchsorted(names, patients)]
        a, b = np.where(swapped, other, first), np.where(swapped, first, other)
        extreme.append(abs(kappa_difference(truth, a, b)) >= abs(observed) - 1e-12)
    exact = np.mean(extreme)
    assert 0.01 < exact < 0.6, "an example that could fail"
    assert found.p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 4000) ** 0.5)
    assert found.test == EXCHANGE


def test_counts_are_drawn_as_patients_are():
    truth, (first, other), patients = table(5, n=150, groups=50)
    (found,) = count_differences(
        truth * 3 + first, truth * 3 + other, patients, 9, kappas, Sampling(0.95, 4000, 1)
    )
    owner = np.unique(patients, return_inverse=True)[1]
    drawn = []
    for weights in patient_weights(owner.max() + 1, 300, 3):
        w = weights[owner]
        a, b = (
            metrics.cohen_kappa_score(truth, guess, sample_weight=w) for guess in (first, other)
        )
        drawn.append(b - a)
    assert found.standard_error == pytest.approx(np.std(drawn), rel=0.15)
    ends = np.quantile(drawn, [0.025, 0.975])
    slack = 0.35 * np.std(drawn)  # BCa and the percentile are not the same interval
    assert [found.estimate.low, found.estimate.high] == pytest.approx(ends, abs=slack)
    assert found.estimate.method.startswith("paired bootstrap")


def accuracy_metric(better=True):
    def compute(y_true, y_pred, weights):
        if not weights.sum():
            return Undefined("nothing")
        return float(weights @ (y_true == y_pred) / weights.sum())

    return Metric("hits", "Hits.", "labels", (TaskKind.MULTICLASS,), better, compute)


def test_metrics_of_plugins_take_the_same_patients_for_both():
    truth, (first, other), patients = table(4)
    sampling = Sampling(0.95, 300, 7)
    found = metric_difference(accuracy_metric(), truth, first, other, patients, sampling)
    gain = (other == truth).astype(int) - (first == truth)
    assert found.estimate.value == pytest.approx(gain.mean(), abs=1e-12)
    owner = np.unique(patients, return_inverse=True)[1]
    drawn = [np.average(gain, weights=w[owner]) for w in patient_weights(owner.max() + 1, 300, 7)]
    ends = np.quantile(drawn, [0.025, 0.975])
    assert [found.estimate.low, found.estimate.high] == pytest.approx(ends, abs=1e-12)
    # of shares, exchanging patients changes signs of what each gained
    moved = np.bincount(owner, gain)
    signs = np.array(list(product([-1, 1], repeat=len(moved))))
    exact = np.mean(np.abs(signs @ moved) >= abs(moved.sum()))
    assert found.p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 300) ** 0.5 + 1 / 300)


def test_a_metric_that_fails_is_no_difference():
    def broken(*_):
        raise KeyError("no such thing")

    metric = Metric("broken", "", "labels", (TaskKind.MULTICLASS,), True, broken)
    truth, (first, other), patients = table(4)
    found = metric_difference(metric, truth, first, other, patients, Sampling(0.95, 100, 0))
    assert found.estimate.value is None
    assert found.p is None


def test_counts_of_one_patient_or_of_none():
    truth, (first, other), _ = table(4)
    sampling = Sampling(0.95, 100, 0)
    one = np.zeros(len(truth), int)
    (alone,) = count_differences(truth * 3 + first, truth * 3 + other, one, 9, kappas, sampling)
    assert alone.estimate.value is not None
    assert (alone.estimate.interval_reason, alone.p) == (ONE_PATIENT, None)
    empty = np.zeros(0, int)
    (nothing,) = count_differences(empty, empty, empty, 9, kappas, sampling)
    assert nothing.estimate.value is None
    (same,) = count_differences(truth * 3 + first, truth * 3 + first, truth, 9, kappas, sampling)
    assert (same.estimate.value, same.estimate.low, same.p) == (0.0, None, 1.0)


def test_losses_are_means_over_films():
    rng = np.random.default_rng(6)
    patients = rng.integers(0, 9, 40)
    first, other = rng.random((2, 40, 2)) ** 2
    sampling = Sampling(0.95, 3000, 4)
    found = mean_differences(first, other, patients, sampling)
    owner = np.unique(patients, return_inverse=True)[1]
    signs = np.array(list(product([-1, 1], repeat=int(owner.max()) + 1)))
    for k, one in enumerate(found):
        gain = other[:, k] - first[:, k]
        assert one.estimate.value == pytest.approx(gain.mean(), abs=1e-12)
        drawn = [
            np.average(gain, weights=w[owner]) for w in patient_weights(owner.max() + 1, 3000, 4)
        ]
        assert one.standard_error == pytest.approx(np.std(drawn, ddof=1), abs=1e-9)
        moved = np.bincount(owner, gain)
        exact = np.mean(np.abs(signs @ moved) >= abs(moved.sum()) - 1e-12)
        slack = 4 * (exact * (1 - exact) / 3000) ** 0.5 + 1 / 3000
        assert one.p == pytest.approx(exact, abs=slack)


@pytest.mark.parametrize("seed", [1, 2])
def test_rank_numbers_are_those_of_two_models_on_the_same_patients(seed):
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, 8, 40)
    positive = rng.random(40) < 0.4
    a, b = np.round(rng.random((2, 40)) + 0.25 * positive, 1)  # with ties
    sampling = Sampling(0.95, 800, 3)

    def side(score):
        return RankedScores([Part(positive, score, patients, "x")], sampling)

    found = rank_differences(side(a), side(b))
    assert set(found) == {*NAMES, "macro_average_precision"}
    one = found["average_precision"]

    def ap(score, weights=None):
        return metrics.average_precision_score(positive, score, sample_weight=weights)

    assert one.estimate.value == pytest.approx(ap(b) - ap(a), abs=1e-12)
    owner = np.unique(patients, return_inverse=True)[1]
    groups = int(owner.max()) + 1
    drawn = [
        ap(b, w[owner]) - ap(a, w[owner])
        for w in patient_weights(groups, 800, 3)
        if w[owner][positive].sum() > 0
    ]
    assert one.standard_error == pytest.approx(np.std(drawn, ddof=1), abs=1e-9)
    x, y = rankdata(a), rankdata(b)
    extreme = []
    for swap in product([False, True], repeat=groups):
        exchanged = np.array(swap)[owner]
        value = ap(np.where(exchanged, x, y)) - ap(np.where(exchanged, y, x))
        extreme.append(abs(value) >= abs(one.estimate.value) - 1e-12)
    exact = np.mean(extreme)
    assert one.p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 800) ** 0.5 + 1 / 800)
    # a map that keeps the order of one model's scores changes nothing
    again = rank_differences(side(np.exp(3 * a)), side(b))
    assert again == found


def test_macro_average_precision_is_the_mean_of_the_classes():
    rng = np.random.default_rng(3)
    patients, y = rng.integers(0, 20, 60), rng.integers(0, 3, 60)
    scores = rng.random((2, 60, 3)) + 0.3 * (y[:, None] == np.arange(3))
    sides = [[Part(y == k, s[:, k], patients, str(k)) for k in range(3)] for s in scores]
    found = rank_differences(*(RankedScores(side, Sampling(0.95, 200, 0)) for side in sides))
    means = [
        np.mean([metrics.average_precision_score(p.positive, p.scores) for p in side])
        for side in sides
    ]
    assert list(found) == ["macro_average_precision"]
    (one,) = found.values()
    assert one.estimate.value == pytest.approx(means[1] - means[0], abs=1e-12)
    assert one.estimate.low < one.estimate.value < one.estimate.high
    assert 0 < one.p <= 1


def test_rankings_of_one_side_or_one_patient():
    patients = np.arange(6)
    nothing = [Part(np.zeros(6, bool), np.arange(6.0), patients, "x")]
    side = RankedScores(nothing, Sampling(0.95, 100, 0))
    for one in rank_differences(side, side).values():
        assert (one.estimate.value, one.p) == (None, None)
    positive = patients < 3
    alone = [Part(positive, s, np.zeros(6, int), "x") for s in (np.arange(6.0), -np.arange(6.0))]
    sides = (RankedScores([part], Sampling(0.95, 100, 0)) for part in alone)
    for one in rank_differences(*sides).values():
        assert one.estimate.value is not None
        assert (one.estimate.interval_reason, one.p) == (ONE_PATIENT, None)


def test_mcnemar_agrees_with_the_binomial():
    assert mcnemar_exact(3, 9) == pytest.approx(binomtest(3, 12, 0.5).pvalue, abs=1e-12)
