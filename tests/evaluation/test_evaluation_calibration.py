"""Brier, log loss, slope and intercept against scikit-learn, statsmodels and published values."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm, t
from sklearn import metrics

from xraybatch.evaluation import logistic, smooth
from xraybatch.evaluation.bootstrap import BCA, NO_VARIATION, Sampling
from xraybatch.evaluation.calibration import (
    NEAREST_TO_ONE,
    SANDWICH,
    SMALLEST,
    WALD,
    calibration,
    distortion,
    multiclass_calibration,
)
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.proportions import ONE_PATIENT
from xraybatch.evaluation.smooth import JACKKNIFE

QUICK = Sampling(resamples=20)
LINE = ("calibration_slope", "calibration_intercept")


def clustered(seed: int, n: int = 300, patients: int = 80) -> tuple[np.ndarray, ...]:
    """Probabilities that are too sure, films of a patient alike."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, patients, n)
    log_odds = rng.normal(size=patients)[owner] + rng.normal(size=n)
    positive = rng.random(n) < expit(0.3 + 0.6 * log_odds)
    return positive, expit(log_odds), owner


def by_statsmodels(positive, p, patients=None):
    family = sm.families.Binomial()
    x = logit(p)
    models = (
        sm.GLM(positive.astype(float), sm.add_constant(x), family=family),
        sm.GLM(positive.astype(float), np.ones((len(p), 1)), family=family, offset=x),
    )
    how = {} if patients is None else {"cov_type": "cluster", "cov_kwds": {"groups": patients}}
    fits = [model.fit(tol=1e-14, maxiter=200, **how) for model in models]
    return {name: (fit.params[-1], fit.bse[-1]) for name, fit in zip(LINE, fits, strict=True)}


# ── one class against the rest ─────────────────────────────────────────────────────────────────

rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 1e-9, 0.1, 0.3, 0.5, 0.5, 0.9, 1.0])),
    min_size=2,
    max_size=30,
).filter(lambda some: len({positive for positive, _ in some}) == 2)


@given(rows)
@settings(max_examples=60)
def test_means_equal_scikit_learn(some):
    positive, p = (np.array(column) for column in zip(*some, strict=True))
    found = calibration(positive, p, np.arange(len(p)), "sick", QUICK)
    brier = metrics.brier_score_loss(positive, p)
    share = positive.mean()
    assert found["brier"].value == pytest.approx(brier, abs=1e-12)
    assert found["brier_skill"].value == pytest.approx(1 - brier / (share * (1 - share)), abs=1e-9)
    assert found["log_loss"].value == pytest.approx(metrics.log_loss(positive, p), rel=1e-12)
    if p.sum():
        expected = positive.sum() / p.sum()
        assert found["observed_expected"].value == pytest.approx(expected, rel=1e-12)
    else:
        assert "probability of 0" in found["observed_expected"].reason


@pytest.mark.parametrize("seed", range(6))
def test_slope_and_intercept_equal_statsmodels(seed):
    positive, p, owner = clustered(seed)
    alone = np.arange(len(p))
    for patients, groups, method in ((alone, None, WALD), (owner, owner, SANDWICH)):
        found = calibration(positive, p, patients, "sick", QUICK)
        clusters = len(np.unique(patients))
        quantile = norm.ppf(0.975) if groups is None else t.ppf(0.975, clusters - 1)
        for name, (value, error) in by_statsmodels(positive, p, groups).items():
            ours = found[name]
            assert ours.value == pytest.approx(value, abs=1e-9)
            assert ours.low == pytest.approx(value - quantile * error, abs=1e-9)
            assert ours.high == pytest.approx(value + quantile * error, abs=1e-9)
            assert (ours.method, ours.n) == (method, len(p))


def test_a_slope_is_found_from_far_away():
    # a first Newton step from here overshoots
    rng = np.random.default_rng(2)
    p = expit(rng.normal(size=400) * 0.02 - 9)
    positive = rng.random(400) < 0.97
    found = calibration(positive, p, np.arange(400), "sick", QUICK)
    for name, (value, _) in by_statsmodels(positive, p).items():
        assert found[name].value == pytest.approx(value, rel=1e-7)


@pytest.mark.parametrize("every", [32, 250])
def test_many_films_have_the_fit_of_all_of_them(monkeypatch, every):
    positive, p, owner = clustered(6, 2000)
    monkeypatch.setattr(logistic, "_MANY", 500)
    monkeypatch.setattr(logistic, "_EVERY", every)  # 250: eight films, mostly separated
    order = np.argsort(positive)  # one side first
    found = calibration(positive[order], p[order], owner[order], "sick", QUICK)
    for name, (value, error) in by_statsmodels(positive, p, owner).items():
        assert found[name].value == pytest.approx(value, abs=1e-9)
        half = t.ppf(0.975, found[name].clusters - 1) * error
        assert found[name].high - value == pytest.approx(half, abs=1e-9)


@given(rows, st.randoms())
@settings(max_examples=25)
def test_the_order_of_films_changes_nothing(some, random):
    patients = [i // 4 for i in range(len(some))]
    mixed = list(zip(some, patients, strict=True))
    random.shuffle(mixed)
    results = []
    for table in (list(zip(some, patients, strict=True)), mixed):
        positive = np.array([row[0] for row, _ in table])
        p = np.array([row[1] for row, _ in table])
        owner = np.array([patient for _, patient in table])
        results.append(calibration(positive, p, owner, "sick", QUICK))
    for name, one in results[0].items():
        other = results[1][name]
        assert (one.reason, one.interval_reason, one.caution) == (
            (other.reason, other.interval_reason, other.caution)
        )
        for a, b in ((one.value, other.value), (one.low, other.low), (one.high, other.high)):
            assert (a is None) == (b is None)
            assert a is None or a == pytest.approx(b, rel=1e-9, abs=1e-9)


def test_the_other_class_has_the_same_slope_and_the_opposite_intercept():
    positive, p, owner = clustered(9)
    p[:3] = 0.0, 1.0, 1.0
    one = calibration(positive, p, owner, "sick", QUICK)
    other = calibration(~positive, 1 - p, owner, "well", QUICK)
    assert one["calibration_slope"].value == pytest.approx(other["calibration_slope"].value)
    assert one["calibration_intercept"].value == pytest.approx(
        -other["calibration_intercept"].value
    )
    assert one["brier"].value == pytest.approx(other["brier"].value)


def test_clipped_probabilities_are_counted():
    positive, p, owner = clustered(9)
    p[:4] = 0.0, 1.0, 1e-12, 1.0
    positive[:4] = True, True, True, False
    found = calibration(positive, p, owner, "sick", QUICK)
    assert found["log_loss"].caution.startswith("2 films with a probability of its true class")
    assert found["calibration_slope"].caution.startswith("4 films with a probability nearer")
    assert found["brier"].caution is None
    inside = np.clip(p, 1 - NEAREST_TO_ONE, NEAREST_TO_ONE)
    value, _ = by_statsmodels(positive, inside, owner)["calibration_slope"]
    assert found["calibration_slope"].value == pytest.approx(value, abs=1e-9)
    assert metrics.log_loss(positive, p) == pytest.approx(found["log_loss"].value, rel=1e-12)
    assert np.finfo(np.float64).eps == SMALLEST


def test_what_has_no_slope_says_why():
    truth, owner = np.array([False, False, True, True]), np.arange(4)

    def reason(p, positive=truth):
        return calibration(positive, np.array(p), owner, "sick", QUICK)["calibration_slope"].reason

    assert "without overlap" in reason([0.1, 0.2, 0.3, 0.4])
    assert "without overlap" in reason([0.1, 0.3, 0.3, 0.4])  # statsmodels: no maximum either
    assert "lower probability" in reason([0.9, 0.8, 0.3, 0.2])
    assert "same probability" in reason([0.3, 0.3, 0.3, 0.3])
    assert reason([0.1, 0.3, 0.2, 0.4]) is None
    assert reason([0.1, 0.3, 0.2, 0.4], truth & False) == "no film is of 'sick'"
    assert reason([0.1, 0.3, 0.2, 0.4], truth | True) == "every film is of 'sick'"
    # the intercept needs neither overlap nor variation
    same = calibration(truth, np.full(4, 0.2), owner, "sick", QUICK)["calibration_intercept"]
    assert same.value == pytest.approx(logit(0.5) - logit(0.2), abs=1e-9)


def test_degenerate_tables_have_reasons_and_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing = calibration(np.zeros(0, bool), np.zeros(0), np.zeros(0, np.int64), "sick", QUICK)
        one_side = calibration(
            np.ones(4, bool), np.full(4, 0.9), np.array([0, 0, 5, 9]), "sick", QUICK
        )
        positive, p, owner = clustered(1)
        one_patient = calibration(positive, p, owner * 0 + 7, "sick", QUICK)
        two = calibration(positive, p, owner % 2 * 3, "sick", QUICK)
    assert {estimate.reason for estimate in nothing.values()} == {NO_FILMS}
    assert one_side["brier_skill"].reason == "every film is of 'sick'"
    assert one_side["brier"].value == pytest.approx(0.01)
    assert one_side["brier"].interval_reason == NO_VARIATION
    assert one_side["observed_expected"].value == pytest.approx(1 / 0.9)
    for estimate in one_patient.values():
        assert estimate.value is not None
        assert estimate.interval_reason == ONE_PATIENT
    assert two["brier"].n == len(p)


def test_intervals_are_resampled_by_patient():
    positive, p, _ = clustered(3)
    copied = [np.repeat(column, 4) for column in (positive, p)]
    whole = calibration(*copied, np.repeat(np.arange(len(p)), 4), "sick", Sampling())
    alone = calibration(positive, p, np.arange(len(p)), "sick", Sampling())
    naive = calibration(*copied, np.arange(4 * len(p)), "sick", Sampling())
    for name in whole:
        width = {key: found[name].high - found[name].low for key, found in
                 (("whole", whole), ("alone", alone), ("naive", naive))}  # fmt: skip
        assert width["whole"] == pytest.approx(width["alone"], rel=0.1)
        assert width["naive"] < 0.65 * width["whole"]
    assert alone["brier"].method == BCA


def test_very_many_patients_have_nearly_the_same_interval_without_resampling(monkeypatch):
    positive, p, owner = clustered(4, 6000, 2000)
    resampled = calibration(positive, p, owner, "sick", Sampling(resamples=2000))
    monkeypatch.setattr(smooth, "MANY_PATIENTS", 1000)
    found = calibration(positive, p, owner, "sick", Sampling(resamples=2000))
    for name in ("brier", "brier_skill", "log_loss", "observed_expected"):
        one, other = resampled[name], found[name]
        assert (one.method, other.method) == (BCA, JACKKNIFE)
        assert one.value == other.value
        width = one.high - one.low
        assert other.low == pytest.approx(one.low, abs=0.08 * width)
        assert other.high == pytest.approx(one.high, abs=0.08 * width)
    # of a mean, the jackknife is the variance of a ratio (Cochran)
    squared = (p - positive) ** 2
    sizes = np.bincount(owner)
    excess = np.bincount(owner, squared) - sizes * squared.mean()
    excess, patients = excess[sizes > 0], np.count_nonzero(sizes)
    error = (patients / (patients - 1) * excess @ excess) ** 0.5 / len(p)
    half = (found["brier"].high - found["brier"].low) / 2
    assert half == pytest.approx(t.ppf(0.975, patients - 1) * error, rel=1e-3)


def test_the_jackknife_of_a_plain_mean_is_its_standard_error(monkeypatch):
    monkeypatch.setattr(smooth, "MANY_PATIENTS", 3)
    positive, p, _ = clustered(8, 12)
    found = calibration(positive, p, np.arange(12), "sick", QUICK)["brier"]
    error = np.std((p - positive) ** 2, ddof=1) / 12**0.5
    assert (found.high - found.low) / 2 == pytest.approx(t.ppf(0.975, 11) * error, rel=1e-9)
    assert found.clusters == 12


def test_one_patient_who_decides_has_no_jackknife(monkeypatch):
    monkeypatch.setattr(smooth, "MANY_PATIENTS", 3)
    positive, p = np.array([True, False, False, False]), np.array([0.5, 0.2, 0.1, 0.3])
    found = calibration(positive, p, np.arange(4), "sick", QUICK)
    assert found["brier_skill"].interval_reason == "it hangs on a single patient"
    assert found["brier"].method == JACKKNIFE
    same = calibration(positive, np.full(4, 0.5), np.arange(4), "sick", QUICK)
    assert same["brier"].interval_reason == NO_VARIATION


# ── all classes together ───────────────────────────────────────────────────────────────────────


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 40))
@settings(max_examples=40)
def test_several_classes_equal_scikit_learn(seed, classes, n):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.5), n)
    y_true = rng.integers(0, classes, n)
    found = multiclass_calibration(y_true, p, np.arange(n), QUICK)
    truth = np.eye(classes)[y_true]
    brier = ((p - truth) ** 2).sum(axis=1).mean()
    assert found["brier_multiclass"].value == pytest.approx(brier, abs=1e-12)
    assert found["log_loss"].value == pytest.approx(
        metrics.log_loss(y_true, p, labels=range(classes)), rel=1e-9
    )
    guess = ((truth.mean(axis=0) - truth) ** 2).sum(axis=1).mean()
    if len(set(y_true)) > 1:
        assert found["brier_skill"].value == pytest.approx(1 - brier / guess, abs=1e-9)
    else:
        assert found["brier_skill"].reason == "every film is of one class"


def test_two_classes_have_twice_the_brier_score_of_one():
    positive, p, owner = clustered(5)
    both = multiclass_calibration(positive.astype(int), np.c_[1 - p, p], owner, QUICK)
    one = calibration(positive, p, owner, "sick", QUICK)
    assert both["brier_multiclass"].value == pytest.approx(2 * one["brier"].value)
    assert both["brier_multiclass"].low == pytest.approx(2 * one["brier"].low)
    for name in ("brier_skill", "log_loss"):
        assert both[name].value == pytest.approx(one[name].value)
        assert (both[name].low, both[name].high) == pytest.approx((one[name].low, one[name].high))


def test_several_classes_without_films_or_with_a_certain_mistake():
    nothing = multiclass_calibration(
        np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0, np.int64), QUICK
    )
    assert {estimate.reason for estimate in nothing.values()} == {NO_FILMS}
    p = np.array([[1.0, 0, 0], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    found = multiclass_calibration(np.array([1, 2, 1]), p, np.arange(3), QUICK)
    assert found["log_loss"].caution.startswith("1 film with")
    assert found["log_loss"].value == pytest.approx(-np.log([SMALLEST, 0.5, 0.8]).mean())


# ── what the card knows ────────────────────────────────────────────────────────────────────────


def test_what_distorts_probabilities_is_said():
    clean = {"class_weights": False, "oversampled": False, "focal": False, "label_smoothing": 0.0}
    assert distortion(clean) == distortion({}) == ""
    for key, words in (
        ("class_weights", "class weights"),
        ("oversampled", "shown more often"),
        ("focal", "focal loss"),
    ):
        said = distortion(clean | {key: True})
        assert words in said
        assert "xraybatch calibrate" in said
    said = distortion({"focal": True, "label_smoothing": 0.1})
    assert "focal loss and label smoothing" in said
