"""Every number against an independent implementation, on random and on degenerate input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import binomtest, norm, t
from sklearn import metrics
from statsmodels.stats.inter_rater import cohens_kappa

from xraybatch.evaluation import classification as c
from xraybatch.evaluation.bootstrap import (
    BCA,
    Sample,
    count_samples,
    patient_weights,
    patterns,
    resampled_counts,
)
from xraybatch.evaluation.proportions import (
    ONE_PATIENT,
    WILSON,
    WILSON_CLUSTERED,
    design_effect,
    proportion,
    wilson,
)
from xraybatch.evaluation.ranking import (
    Components,
    Part,
    Ranking,
    auc,
    clustered_variance,
    macro_auc,
)
from xraybatch.evaluation.roc import roc_curve, roc_curves

RNG = np.random.default_rng(4)


def labels(size: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, size, n)
    noisy = np.where(rng.random(n) < 0.4, rng.integers(0, size, n), y_true)
    return y_true, noisy


# ── confusion matrices ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_scikit_learn(size, seed):
    y_true, y_pred = labels(size, 300, seed)
    counts = c.confusion_counts(y_true, y_pred, size)
    assert (counts == metrics.confusion_matrix(y_true, y_pred, labels=range(size))).all()
    each = metrics.precision_recall_fscore_support(y_true, y_pred)
    for ours, theirs in zip((c.precision, c.recall, c.f1), each[:3], strict=True):
        np.testing.assert_allclose(ours(counts), theirs, rtol=1e-15)
    for average, of in (("macro", c.macro), ("weighted", c.weighted)):
        theirs = metrics.precision_recall_fscore_support(y_true, y_pred, average=average)
        ours = [of(part)(counts) for part in (c.precision, c.recall, c.f1)]
        np.testing.assert_allclose(ours, theirs[:3], rtol=1e-14)
    assert c.accuracy(counts) == metrics.accuracy_score(y_true, y_pred)
    for ours, theirs in (
        (c.balanced_accuracy(counts), metrics.balanced_accuracy_score(y_true, y_pred)),
        (c.kappa(counts), metrics.cohen_kappa_score(y_true, y_pred)),
        (
            c.quadratic_kappa(counts),
            metrics.cohen_kappa_score(y_true, y_pred, weights="quadratic"),
        ),
        (c.mcc(counts), metrics.matthews_corrcoef(y_true, y_pred)),
    ):
        assert ours == pytest.approx(theirs, rel=1e-12)
    others = [metrics.recall_score(y_true != k, y_pred != k) for k in range(size)]
    np.testing.assert_allclose(c.specificity(counts), others, rtol=1e-15)


def test_kappa_equals_statsmodels_and_the_published_table():
    table = np.array([[0, 4, 1], [0, 8, 0], [0, 1, 5]])
    assert c.kappa(table) == pytest.approx(0.4842, abs=5e-5)
    assert c.kappa(table, power=1) == pytest.approx(0.4701, abs=5e-5)
    other = np.array([[44, 7, 10], [5, 30, 9], [2, 6, 37]])
    assert c.kappa(other) == pytest.approx(0.6094010816585431, rel=1e-14)
    assert c.quadratic_kappa(other) == pytest.approx(0.6496418561195889, rel=1e-14)
    assert c.mcc(other) == pytest.approx(0.6139544986444393, rel=1e-14)
    assert c.balanced_accuracy(other) == pytest.approx(0.7417839598167467, rel=1e-14)
    assert c.kappa(other) == pytest.approx(cohens_kappa(other).kappa, rel=1e-12)


def test_mcc_of_a_million_films_does_not_overflow():
    counts = np.array([[400_000, 100_000], [50_000, 450_000]])
    truth, guess = np.repeat([0, 0, 1, 1], counts.ravel()), np.repeat([0, 1, 0, 1], counts.ravel())
    assert c.mcc(counts) == pytest.approx(metrics.matthews_corrcoef(truth, guess), rel=1e-12)


def test_undefined_is_nan_and_never_zero():
    one_class = np.array([[5, 0], [0, 0]])
    assert np.isnan(c.recall(one_class)[1])
    assert np.isnan(c.precision(one_class)[1])
    assert np.isnan(c.f1(one_class)[1])
    assert np.isnan(c.specificity(one_class)[0])
    assert np.isnan(c.mcc(one_class))
    assert np.isnan(c.kappa(one_class))
    assert np.isnan(c.macro(c.recall)(one_class))
    assert c.balanced_accuracy(one_class) == 1.0
    nothing = np.zeros((3, 3), int)
    for of in (c.OVERALL | c.ORDINAL_ONLY).values():
        assert np.isnan(of(nothing))
    assert np.isnan(c.accuracy(nothing))


@pytest.mark.parametrize("counts", [[[5, 0], [0, 0]], [[5, 3], [0, 0]], [[5, 0], [3, 0]]])
@pytest.mark.parametrize("name", [*c.OVERALL, *c.ORDINAL_ONLY])
def test_whatever_is_undefined_has_a_reason(counts, name):
    table = np.array(counts)
    if np.isnan((c.OVERALL | c.ORDINAL_ONLY)[name](table)):
        assert len(c.why(name, table, ["a", "b"])) > 10


@given(st.lists(st.integers(0, 40), min_size=9, max_size=9), st.permutations(range(3)))
def test_relabelling_the_classes_permutes_their_numbers(cells, order):
    counts = np.array(cells).reshape(3, 3)
    other = counts[np.ix_(order, order)]
    for of in (c.recall, c.precision, c.f1, c.specificity):
        np.testing.assert_array_equal(of(other), of(counts)[list(order)])
    for name, of in c.OVERALL.items():
        np.testing.assert_allclose(of(other), of(counts), rtol=1e-13, err_msg=name)


def test_a_stack_of_matrices_gives_each_its_own_number():
    stack = RNG.integers(0, 30, (20, 3, 3))
    for of in (c.OVERALL | c.ORDINAL_ONLY | {"accuracy": c.accuracy}).values():
        np.testing.assert_array_equal(of(stack), [of(one) for one in stack])


# ── proportions ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("hits", "n"), [(81, 263), (15, 148), (0, 20), (1, 29), (20, 20), (1, 2)])
def test_independent_films_have_wilsons_interval(hits, n):
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    ours = proportion(np.arange(n) < hits, np.arange(n), "no films")
    assert ours.method == WILSON
    assert (ours.value, ours.n) == (hits / n, n)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_published_wilson_intervals():
    assert wilson(81 / 263, 263, norm.ppf(0.975)) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 20, norm.ppf(0.975)) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(1 / 29, 29, norm.ppf(0.975)) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_design_effect_is_the_ratio_of_variances():
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 6, 80)
    hits = rng.binomial(sizes, rng.beta(1, 1, 80))
    n, p = sizes.sum(), hits.sum() / sizes.sum()
    by_hand = 80 / 79 * sum((h - m * p) ** 2 for h, m in zip(hits, sizes, strict=True)) / n**2
    assert design_effect(hits, sizes) == pytest.approx(by_hand / (p * (1 - p) / n))
    assert design_effect(np.array([1, 0, 1, 0]), np.array([2, 2, 2, 2])) == 1.0  # never below
    assert design_effect(sizes, sizes) == pytest.approx((sizes**2).sum() / n)


def test_copies_of_a_film_make_no_interval_narrower():
    success = RNG.random(60) < 0.7
    alone = proportion(success, np.arange(60), "")
    copied = proportion(np.repeat(success, 5), np.repeat(np.arange(60), 5), "")
    naive = proportion(np.repeat(success, 5), np.arange(300), "")
    assert copied.method == WILSON_CLUSTERED
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.05)
    assert copied.high - copied.low > 1.8 * (naive.high - naive.low)


def test_one_patient_has_a_value_and_no_interval():
    found = proportion(np.array([True, False]), np.array([7, 7]), "")
    assert (found.value, found.low, found.interval_reason) == (0.5, None, ONE_PATIENT)
    assert proportion(np.zeros(0, bool), np.zeros(0, int), "no films").reason == "no films"


# ── ranking ────────────────────────────────────────────────────────────────────────────────────

ties = st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), min_size=2, max_size=60).filter(
    lambda rows: len({positive for positive, _ in rows}) == 2
)


@given(ties)
def test_auc_equals_scikit_learn_with_ties(rows):
    positive, score = (np.array(column) for column in zip(*rows, strict=True))
    assert Ranking(positive, score).auc() == pytest.approx(
        metrics.roc_auc_score(positive, score), abs=1e-14
    )


@given(ties, st.randoms())
def test_auc_knows_neither_order_nor_scale(rows, random):
    positive, score = (np.array(column) for column in zip(*rows, strict=True))
    value = Ranking(positive, score).auc()
    assert Ranking(positive, np.exp(score / 3.0)).auc() == value
    assert Ranking(~positive, score).auc() == pytest.approx(1 - value, abs=1e-15)
    assert Ranking(positive, -score).auc() == pytest.approx(1 - value, abs=1e-15)
    random.shuffle(rows)
    positive, score = (np.array(column) for column in zip(*rows, strict=True))
    assert Ranking(positive, score).auc() == value


@given(ties, st.integers(0, 1000))
def test_weights_are_repetitions(rows, seed):
    positive, score = (np.array(column) for column in zip(*rows, strict=True))
    weights = np.random.default_rng(seed).integers(0, 4, len(rows))
    ranking = Ranking(positive, score)
    assert ranking.auc(np.ones(len(rows), int)) == ranking.auc()
    again_positive, again_score = np.repeat(positive, weights), np.repeat(score, weights)
    if len(set(again_positive.tolist())) < 2:
        assert np.isnan(ranking.auc(weights))
    else:
        assert ranking.auc(weights) == Ranking(again_positive, again_score).auc()


@given(ties)
def test_mean_placement_of_either_side_is_the_auc(rows):
    positive, score = (np.array(column) for column in zip(*rows, strict=True))
    ranking = Ranking(positive, score)
    placed = ranking.placements()
    assert placed[positive].mean() == pytest.approx(ranking.auc(), abs=1e-12)
    assert placed[~positive].mean() == pytest.approx(ranking.auc(), abs=1e-12)


def test_variance_of_a_macro_auc_is_that_of_the_bootstrap():
    rng = np.random.default_rng(8)
    n, groups = 900, 300
    patients = rng.integers(0, groups, n)
    shift = rng.normal(size=groups)[patients]
    y = rng.integers(0, 3, n)
    scores = rng.normal(size=(n, 3)) + (y[:, None] == np.arange(3)) + 0.7 * shift[:, None]
    parts = [Part(y == k, scores[:, k], patients, str(k)) for k in range(3)]
    rankings = [Ranking(p.positive, p.scores) for p in parts]
    analytic = clustered_variance([(r, patients) for r in rankings]) ** 0.5
    drawn = [
        np.mean([r.auc(weights[patients]) for r in rankings])
        for weights in patient_weights(groups, 600, 1)
    ]
    assert analytic == pytest.approx(np.std(drawn), rel=0.1)
    found = macro_auc(parts)
    theirs = np.mean([metrics.roc_auc_score(y == k, scores[:, k]) for k in range(3)])
    assert found.value == pytest.approx(theirs, abs=1e-14)
    assert found.low < np.quantile(drawn, 0.05) < found.value < found.high


def test_parts_of_a_mean_auc_come_one_by_one_and_some_from_fewer_patients():
    rng = np.random.default_rng(2)
    n = 300
    patients, positive = rng.integers(0, 90, n), rng.random(n) < 0.4
    scores = rng.normal(size=(2, n)) + positive
    some = patients < 40
    parts = [
        Part(positive, scores[0], patients, "all"),
        Part(positive[some], scores[1][some], patients[some], "some"),
    ]
    found = macro_auc(part for part in parts)
    assert found == macro_auc(parts)
    both = [Components(Ranking(p.positive, p.scores), p.patients, 90) for p in parts]

    def covariance(a, b):
        def factor(m, n):
            return (m / (m - 1) * n / (n - 1)) ** 0.5

        of_all = factor(a.patients, b.patients)
        return (
            factor(a.with_positive, b.with_positive) * (a.x @ b.x) / (a.positives * b.positives)
            + factor(a.with_negative, b.with_negative) * (a.y @ b.y) / (a.negatives * b.negatives)
            + of_all * (a.x @ b.y) / (a.positives * b.negatives)
            + of_all * (a.y @ b.x) / (a.negatives * b.positives)
        )

    by_hand = sum(covariance(a, b) for a in both for b in both) / 4
    ranked = [(Ranking(p.positive, p.scores), p.patients) for p in parts]
    assert clustered_variance(ranked) == pytest.approx(by_hand, rel=1e-12)
    assert found.clusters == min(part.fewest for part in both)


def test_auc_reasons():
    two = np.array([True, False, True, False])
    score = np.array([0.9, 0.1, 0.8, 0.3])
    assert auc(two | True, score, np.arange(4), "x").reason == "every film is of 'x'"
    assert auc(two & False, score, np.arange(4), "x").reason == "no film is of 'x'"
    alone = auc(two, score, np.array([0, 0, 0, 0]), "x")
    assert (alone.value, alone.low) == (1.0, None)
    assert "2 or more patients" in alone.interval_reason
    perfect = auc(two, score, np.arange(4), "x")
    assert perfect.low < 0.6
    assert perfect.high == 1.0
    assert "heuristic" in perfect.caution
    flat = auc(two, np.zeros(4), np.arange(4), "x")
    assert (flat.value, flat.low) == (0.5, None)


def test_interval_of_copied_films_is_that_of_the_films():
    rng = np.random.default_rng(0)
    positive = rng.random(120) < 0.4
    score = rng.normal(size=120) + positive
    alone = auc(positive, score, np.arange(120), "x")
    copied = auc(np.repeat(positive, 4), np.repeat(score, 4), np.repeat(np.arange(120), 4), "x")
    naive = auc(np.repeat(positive, 4), np.repeat(score, 4), np.arange(480), "x")
    assert copied.value == alone.value
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.03)
    assert copied.high - copied.low > 1.7 * (naive.high - naive.low)


@given(ties)
def test_roc_corners_are_those_of_scikit_learn(rows):
    positive, score = (np.array(column) for column in zip(*rows, strict=True))
    false, true, _ = metrics.roc_curve(positive, score, drop_intermediate=False)
    ours = roc_curve(positive, score, "x")
    corners = set(zip(np.round(false, 12), np.round(true, 12), strict=True))
    x, y = ours.false_positive_rate, ours.true_positive_rate
    assert set(zip(np.round(x, 12), np.round(y, 12), strict=True)) <= corners
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert metrics.auc(x, y) == pytest.approx(metrics.roc_auc_score(positive, score), abs=1e-12)


def test_long_curves_are_thinned_without_a_visible_change():
    rng = np.random.default_rng(2)
    positive = rng.random(20_000) < 0.5
    score = rng.normal(size=20_000) + positive
    curve = roc_curve(positive, score, "x")
    assert len(curve.false_positive_rate) <= 400
    area = metrics.auc(curve.false_positive_rate, curve.true_positive_rate)
    assert area == pytest.approx(metrics.roc_auc_score(positive, score), abs=2e-3)
    assert roc_curves(np.zeros(4, int), np.ones((4, 2)) / 2, ["a", "b"]) == ()


def test_quantiles_are_students_with_the_patients_that_carry_the_number():
    rng = np.random.default_rng(6)
    patients = rng.integers(0, 12, 60)
    positive = rng.random(60) < 0.5
    score = rng.normal(size=60) + positive
    found = auc(positive, score, patients, "x")
    error = clustered_variance([(Ranking(positive, score), patients)]) ** 0.5
    fewest = min(len(set(patients[positive])), len(set(patients[~positive])))
    half = t.ppf(0.975, fewest - 1) * error / (found.value * (1 - found.value))
    ends = expit(logit(found.value) + np.array([-half, half]))
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=1e-12)

    share = proportion(positive, patients, "")
    sizes = np.bincount(patients)
    effect = design_effect(np.bincount(patients[positive], minlength=12), sizes)
    by_hand = wilson(positive.mean(), 60 / effect, t.ppf(0.975, (sizes > 0).sum() - 1))
    assert (share.low, share.high) == pytest.approx(by_hand, abs=1e-12)


# ── bootstrap ──────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 12)), min_size=1, max_size=80),
)
def test_patterns_are_the_patients_different_counts(rows):
    cells, patients = (np.array(column) for column in zip(*rows, strict=True))
    found = patterns(cells, patients, 9)
    by_hand: dict[tuple[int, ...], int] = {}
    for patient in set(patients.tolist()):
        key = tuple(np.bincount(cells[patients == patient], minlength=9).tolist())
        by_hand[key] = by_hand.get(key, 0) + 1
    ours = dict(zip(map(tuple, found.counts.tolist()), found.patients.tolist(), strict=True))
    assert ours == by_hand
    assert (found.total == np.bincount(cells, minlength=9)).all()


@pytest.mark.parametrize("alike", [True, False])
def test_resampled_counts_have_the_law_of_drawing_patients(alike):
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 1 if alike else 6)
    cells = rng.integers(0, 3 if alike else 30, len(patients))
    width = 30
    found = patterns(cells, patients, width)
    assert (len(found.patients) * 4 < 40) == alike
    ours = np.concatenate(list(resampled_counts(found, 6000, 3)))
    assert len(ours) == 6000
    each = np.zeros((40, width), int)
    np.add.at(each, (patients, cells), 1)
    theirs = np.stack([weights @ each for weights in patient_weights(40, 6000, 4)])
    np.testing.assert_allclose(ours.mean(0), theirs.mean(0), atol=0.25)
    np.testing.assert_allclose(np.cov(ours.T), np.cov(theirs.T), atol=0.6)
    assert (ours.sum(1) >= 40).all()


def test_bca_interval_equals_scipy():
    from scipy.stats import bootstrap

    rng = np.random.default_rng(3)
    success = rng.random(80) < 0.85
    found = patterns(success.astype(int), np.arange(80), 2)

    def odds(cells):
        return (cells[..., 1] / (cells[..., 0] + 1.0))[..., None]

    ours = count_samples(found, odds, 20_000, 0)[0].estimate("", 80, 0.95)
    theirs = bootstrap(
        (success,),
        lambda x, axis: x.sum(axis) / ((~x).sum(axis) + 1.0),
        n_resamples=20_000,
        method="BCa",
        rng=1,
    ).confidence_interval
    assert ours.method == BCA
    assert ours.low == pytest.approx(theirs.low, rel=0.03)
    assert ours.high == pytest.approx(theirs.high, rel=0.06)


def test_undefined_resamples_are_counted_and_make_a_caution():
    drawn = np.r_[np.full(30, np.nan), np.linspace(0, 1, 970)]
    found = Sample(0.5, drawn).estimate("", 10, 0.95)
    assert "30 of 1000" in found.caution
    assert found.low == pytest.approx(0.025, abs=1e-3)
    assert Sample(0.5, drawn[25:]).estimate("", 10, 0.95).caution is None
    assert Sample(1.0, np.ones(500)).estimate("", 10, 0.95).low is None
    assert Sample(float("nan"), drawn).estimate("why", 10, 0.95).reason == "why"


def test_streams_of_resamples_depend_on_the_seed_alone():
    first, again = (list(patient_weights(50, 5, 7)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (next(patient_weights(50, 500, 7)) == first[0]).all()
    assert any((a != b).any() for a, b in zip(first, patient_weights(50, 5, 8), strict=True))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(0, 10_000))
def test_no_estimate_is_ever_nan_and_no_warning_escapes(n, seed):
    rng = np.random.default_rng(seed)
    y, guess, patients = rng.integers(0, 3, n), rng.integers(0, 3, n), rng.integers(0, 6, n)

    def all_of(cells):
        counts = cells.reshape(*cells.shape[:-1], 3, 3)
        return np.stack([of(counts) for of in c.OVERALL.values()], axis=-1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sample in count_samples(patterns(y * 3 + guess, patients, 9), all_of, 100, 0):
            estimate = sample.estimate("because", n, 0.95)
            assert estimate.value == estimate.value
        score = rng.integers(0, 4, n) / 4
        macro_auc([Part(y == k, score, patients, str(k)) for k in range(3)])
