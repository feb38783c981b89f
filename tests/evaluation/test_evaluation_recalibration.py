"""Fitted temperatures and curves against scipy, scikit-learn and what can be worked out by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, logit, softmax
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.answers import MASKED, Answers
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.calibrating import Asked, calibrate_task
from xraybatch.evaluation.calibration_report import CalibrationReport
from xraybatch.evaluation.recalibration import NotFitted, fit, temperature
from xraybatch.evaluation.schema import _schema
from xraybatch.evaluation.thresholds import parse_rule
from xraybatch.models.calibration import calibrated, sets
from xraybatch.models.card import TaskCard, decide

THREE = Task("label", TaskKind.MULTICLASS, ("a", "b", "c"))
BINARY = Task("label", TaskKind.BINARY, ("no", "yes"), "yes")
FINDINGS = Task("label", TaskKind.MULTILABEL, ("x", "y"))
QUICK = Sampling(resamples=100)


def drawn(n=300, classes=3, too_sure=2.5, seed=0):
    """Probabilities that are sharper than the truth, and the truth."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, classes)) * 2
    true = np.array([rng.choice(classes, p=p) for p in softmax(logits, axis=1)])
    return true, softmax(too_sure * logits, axis=1).astype(np.float32)


def findings(n=400, seed=1):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 2)) * 1.5
    true = (rng.random((n, 2)) < expit(logits)).astype(np.int64)
    true[rng.random((n, 2)) < 0.2] = MASKED
    return true, expit(logits * np.array([0.5, 3.0])).astype(np.float32)


def given_films(true, prob, patients=None):
    patients = np.arange(len(true)) // 2 if patients is None else patients
    no = np.zeros((0, *true.shape[1:]), np.int64)
    return Answers(true, true, prob.astype(float), patients, no, no, 0, np.arange(len(true)))


# ── temperature ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_a_temperature_is_that_of_lowest_log_loss(classes, seed):
    true, prob = drawn(classes=classes, seed=seed)
    names = tuple("abcde"[:classes])
    task = Task("label", TaskKind.MULTICLASS, names)
    (ours,) = fit("temperature", task, true, prob, np.arange(len(true)))["temperature"]
    logs = np.log(prob.astype(float))

    def loss(t):
        return -log_softmax(logs / t, axis=1)[np.arange(len(true)), true].mean()

    theirs = minimize_scalar(loss, bounds=(0.2, 15), method="bounded", options={"xatol": 1e-10})
    assert ours == pytest.approx(theirs.x, rel=1e-6)
    assert loss(ours) <= theirs.fun + 1e-15
    step = 1e-6  # the slope of the loss in ln T vanishes
    slope = (loss(ours * np.exp(step)) - loss(ours * np.exp(-step))) / (2 * step)
    assert abs(slope) < 1e-9


@pytest.mark.parametrize(("right", "films"), [(3, 4), (90, 100), (60, 100)])
def test_a_temperature_in_closed_form(right, films):
    # one certainty for all: the best temperature makes it the share that is right
    logits = np.tile([0.0, 1.3], (films, 1))
    true = (np.arange(films) < right).astype(np.int64)
    assert temperature(logits, true) == pytest.approx(1.3 / logit(right / films), rel=1e-9)


def test_each_finding_by_its_labelled_films():
    true, prob = findings()
    ours = fit("temperature", FINDINGS, true, prob, np.arange(len(true)))["temperature"]
    for k in range(2):
        has = true[:, k] != MASKED
        odds, sign = logit(prob[has, k].astype(float)), 2 * true[has, k] - 1
        best = minimize_scalar(
            lambda t, odds=odds, sign=sign: -log_expit(sign * odds / t).mean(),
            bounds=(0.05, 20),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert ours[k] == pytest.approx(best.x, rel=1e-5)


def test_rows_in_another_order_give_the_same():
    true, prob = drawn()
    order = np.random.default_rng(3).permutation(len(true))
    one, other = (fit("isotonic", THREE, true[o], prob[o], np.arange(300)) for o in (..., order))
    assert one == other
    (one,), (other,) = (
        fit("temperature", THREE, true[o], prob[o], np.arange(300))["temperature"]
        for o in (..., order)
    )
    assert one == pytest.approx(other, rel=1e-12)


@pytest.mark.parametrize(
    ("true", "scores", "why"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], "so well"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9], "no better than chance"),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], "no better than chance"),
    ],
)
def test_films_without_a_best_temperature_say_so(true, scores, why):
    p = np.float32(scores)
    with pytest.raises(NotFitted, match=why):
        fit("temperature", BINARY, np.array(true), np.stack([1 - p, p], 1), np.arange(4))


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_a_finding_that_no_film_has_is_named(method):
    true, prob = findings()
    true[true[:, 1] == 1, 1] = MASKED
    with pytest.raises(NotFitted, match="no film is of 'y'"):
        fit(method, FINDINGS, true, prob, np.arange(len(true)))


# ── Platt ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(4))
def test_a_line_is_that_of_a_glm_on_platts_targets(seed):
    true, prob = drawn(classes=2, seed=seed)
    ours = fit("platt", BINARY, true, prob, np.arange(300))
    odds = np.log(prob[:, 1].astype(float)) - np.log(prob[:, 0].astype(float))
    positives = int(true.sum())
    targets = np.where(true == 1, (positives + 1) / (positives + 2), 1 / (300 - positives + 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # targets are no counts
        theirs = GLM(targets, np.c_[odds, np.ones(300)], family=Binomial()).fit(tol=1e-14)
    assert [*ours["slope"], *ours["intercept"]] == pytest.approx(theirs.params, rel=1e-8)
    scikit = _SigmoidCalibration().fit(odds, true)
    found = calibrated(prob, TaskCard(BINARY, calibration=ours))[:, 1]
    assert found == pytest.approx(scikit.predict(odds), abs=2e-3)  # its search stops early


def test_a_line_exists_where_films_are_separated_and_is_refused_where_it_falls():
    p, films = np.float32([0.1, 0.2, 0.8, 0.9]), np.arange(4)
    prob = np.stack([1 - p, p], axis=1)
    ours = fit("platt", BINARY, np.array([0, 0, 1, 1]), prob, films)
    shown = calibrated(prob, TaskCard(BINARY, calibration=ours))[:, 1]
    assert ((shown > 0.1) & (shown < 0.9)).all()
    with pytest.raises(NotFitted, match="chance"):
        fit("platt", BINARY, np.array([1, 1, 0, 0]), prob, films)
    with pytest.raises(NotFitted, match="chance"):
        fit("platt", BINARY, np.array([0, 1, 1, 0]), np.full((4, 2), 0.5, np.float32), films)


# ── isotonic ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("digits", [1, 2, 7])  # from many ties to none
@pytest.mark.parametrize("seed", range(4))
def test_a_curve_is_scikit_learns(seed, digits):
    true, prob = drawn(classes=2, seed=seed)
    prob = np.stack([1 - (p := prob[:, 1].round(digits)), p], axis=1)
    patients = np.arange(300) // 3
    ours = fit("isotonic", BINARY, true, prob, patients)
    entry = TaskCard(BINARY, calibration=ours)
    theirs = IsotonicRegression(y_min=1 / 102, y_max=101 / 102, out_of_bounds="clip")
    theirs.fit(p.astype(float), true)
    new = np.random.default_rng(9).random(500).astype(np.float32)
    new = np.concatenate([new, p, np.float32([0, 1])])
    found = calibrated(np.stack([1 - new, new], axis=1), entry)[:, 1]
    assert found == pytest.approx(theirs.predict(new.astype(float)), abs=1e-6)
    assert (found.min(), found.max()) >= (1 / 102 - 1e-9, 0)


def test_curves_of_several_classes_are_fitted_each_against_the_rest():
    true, prob = drawn()
    knots = fit("isotonic", THREE, true, prob, np.arange(300))["knots"]
    assert len(knots) == 3
    theirs = IsotonicRegression(y_min=1 / 302, y_max=301 / 302, out_of_bounds="clip")
    theirs.fit(prob[:, 2].astype(float), true == 2)
    at = np.linspace(0, 1, 50)
    assert np.interp(at, knots[2]["x"], knots[2]["y"]) == pytest.approx(
        theirs.predict(at), abs=1e-9
    )


# ── a task as a whole ──────────────────────────────────────────────────────────────────────────


def test_a_task_is_fitted_on_all_films_and_judged_on_those_left_out():
    true, prob = drawn(400)
    patients = np.arange(400) // 2
    entry, report = calibrate_task(
        THREE, given_films(true, prob, patients), Asked("temperature", None, 0.8), QUICK
    )
    assert entry.calibration == fit("temperature", THREE, true, prob, patients)
    assert report.cross_fitted
    assert report.sentences == ()
    brier, loss = report.changes
    assert (brier.measure, loss.measure) == ("brier", "log_loss")
    by_hand = -np.log(prob[np.arange(400), true].astype(float)).mean()
    assert loss.before.value == pytest.approx(by_hand, rel=1e-12)
    # better than before, not better than what all films together gave
    inside = calibrated(prob, entry)[np.arange(400), true].astype(float)
    assert -np.log(inside).mean() < loss.after.value < loss.before.value
    assert loss.difference.value == pytest.approx(loss.after.value - loss.before.value, abs=1e-12)
    assert loss.difference.high < 0
    assert abs(report.sets.coverage.value - 0.8) < 0.06
    assert report.sets.level == 0.8


def test_what_a_patient_answers_never_judges_that_patient():
    # a patient whose films alone make the threshold low: judged by the others' threshold
    rng = np.random.default_rng(0)
    true = np.repeat(rng.integers(0, 2, 60), 2)
    p = np.clip(0.3 + 0.4 * true + rng.normal(size=120) * 0.1, 0.02, 0.98).astype(np.float32)
    true[:2], p[:2] = 1, 0.001
    given = given_films(true, np.stack([1 - p, p], axis=1))
    entry, report = calibrate_task(BINARY, given, Asked(None, parse_rule("sensitivity>=1")), QUICK)
    (chosen,) = report.thresholds
    assert entry.thresholds == (float(np.float32(0.001)),)
    assert chosen.sensitivity.value < 1  # on themselves it would be 1
    assert report.changes == ()


def test_few_patients_are_judged_by_themselves_and_that_is_said():
    true, prob = drawn(40)
    given = given_films(true, prob, np.arange(40) // 8)
    entry, report = calibrate_task(THREE, given, Asked("temperature"), QUICK)
    assert not report.cross_fitted
    assert any("optimistic" in sentence for sentence in report.sentences)
    inside = calibrated(prob, entry)[np.arange(40), true].astype(float)
    assert report.changes[1].after.value == pytest.approx(-np.log(inside).mean(), rel=1e-12)


def test_findings_are_fitted_and_judged_each_by_its_labelled_films():
    true, prob = findings()
    asked = Asked("temperature", parse_rule("youden"))
    entry, report = calibrate_task(FINDINGS, given_films(true, prob), asked, QUICK)
    assert len(entry.thresholds) == len(report.temperature) == 2
    assert [c.of for c in report.changes] == ["x"] * 4 + ["y"] * 4
    labelled = (true != MASKED).sum(axis=0).tolist()
    assert [c.before.n for c in report.changes[::4]] == labelled
    has = true[:, 1] != MASKED
    brier = ((prob[has, 1].astype(float) - true[has, 1]) ** 2).mean()
    assert report.changes[4].before.value == pytest.approx(brier, rel=1e-12)
    both = [t.sensitivity.n + t.specificity.n for t in report.thresholds]
    assert both == labelled


def test_what_a_temperature_cannot_mend_is_said():
    rng = np.random.default_rng(0)
    odds = rng.normal(size=1500)
    true = (rng.random(1500) < expit(odds - 1.5)).astype(np.int64)
    p = expit(odds).astype(np.float32)  # too high, as after class weights
    given = given_films(true, np.stack([1 - p, p], axis=1))
    _, report = calibrate_task(BINARY, given, Asked("temperature"), QUICK)
    assert any("too high on the whole" in sentence for sentence in report.sentences)
    for method in ("platt", "isotonic"):
        _, report = calibrate_task(BINARY, given, Asked(method), QUICK)
        assert report.sentences == ()
        slope, intercept = (c.after for c in report.changes[2:])
        assert slope.low < 1 < slope.high
        assert intercept.low < 0 < intercept.high


def test_a_rule_that_chooses_nothing_says_why():
    true, _ = drawn(classes=2)
    worst = given_films(true, np.stack([true, 1 - true], axis=1).astype(np.float32))
    with pytest.raises(NotFitted, match="specificity>=1 chooses no threshold"):
        calibrate_task(BINARY, worst, Asked(None, parse_rule("specificity>=1")), QUICK)


def test_no_films_are_no_calibration():
    none = given_films(np.zeros(0, np.int64), np.zeros((0, 3), np.float32))
    with pytest.raises(NotFitted):
        calibrate_task(THREE, none, Asked("temperature"), QUICK)


def test_the_entry_says_all_that_prediction_needs():
    true, prob = drawn(300, classes=2)
    asked = Asked("temperature", parse_rule("f1"), 0.9, "aps", True)
    entry, report = calibrate_task(BINARY, given_films(true, prob), asked, QUICK)
    assert len(entry.conformal["levels"]) == 2
    assert sets(prob, entry).shape == (300, 2)
    assert set(decide(calibrated(prob, entry), entry)) <= {0, 1}
    assert [level.of_class for level in report.levels] == ["no", "yes"]
    _schema(CalibrationReport, {})  # of types that a JSON schema can be made of
