"""How good probabilities are as probabilities: Brier, log loss, O/E, slope and intercept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation import logistic
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import ONE_PATIENT, normal_quantile, student_quantile
from xraybatch.evaluation.ratio import ratio
from xraybatch.evaluation.smooth import smooth_estimates
from xraybatch.evaluation.sums import patient_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xraybatch.evaluation.bootstrap import Sampling

WALD = "logistic fit, Wald"
SANDWICH = "logistic fit, clustered sandwich"
# log loss clips as scikit-learn does; the largest float32 below 1 has log odds of 16.6
SMALLEST = float(np.finfo(np.float64).eps)
NEAREST_TO_ONE = 1 - 2.0**-24
_OF_TRUTH = f"of its true class below {SMALLEST:.1g}"
_NEAR = f"nearer to 0 or 1 than {1 - NEAREST_TO_ONE:.1g}"
_NO_WIDTH = 1e-9


def calibration(
    positive: NDArray[np.bool_],
    scores: NDArray[Any],
    patients: NDArray[np.int64],
    name: str,
    sampling: Sampling,
) -> dict[str, Estimate]:
    """Calibration of one class against the rest.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
    scores : ndarray of float, shape (n,)
        Probabilities of the class.
    patients : ndarray of int64, shape (n,)
    name : str
        Of the class, for the sentences only.
    sampling : Sampling

    Returns
    -------
    dict of str to Estimate
        ``brier``: mean of (p − y)², from 0 to 1. ``brier_skill``: 1 − Brier / Brier of predicting
        the prevalence; undefined with one side only. ``log_loss``: mean of −ln of the probability
        of the truth, which is clipped at `SMALLEST`. ``observed_expected``: Σy / Σp.
        ``calibration_slope``: b of logit P(y) = a + b logit p, 1 is ideal.
        ``calibration_intercept``: a of logit P(y) = a + logit p (in the large), 0 is ideal. For
        the last two probabilities are clipped to ``[2⁻²⁴, 1 − 2⁻²⁴]``; with several films a
        patient their errors are clustered. How many films were clipped is in the caution.
    """
    truth, p = positive.astype(np.float64), np.clip(scores.astype(np.float64), 0, 1)
    of_truth = np.where(positive, p, 1 - p)
    lost, clipped = _log_loss(of_truth)
    one_side = _one_side(positive, name)
    reasons = {
        "brier": NO_FILMS,
        "brier_skill": one_side,
        "log_loss": NO_FILMS,
        "observed_expected": f"every film has a probability of 0 of '{name}'"
        if len(p)
        else NO_FILMS,
    }
    columns = np.stack([np.ones(len(p)), truth, p, (p - truth) ** 2, lost]).T
    found = smooth_estimates(patient_sums(columns, patients)[0], _binary, reasons, len(p), sampling)
    found["log_loss"] = _cautioned(found["log_loss"], clipped, _OF_TRUTH)
    return found | _line(positive, p, patients, name, sampling.confidence)


def multiclass_calibration(
    y_true: NDArray[np.int64],
    y_prob: NDArray[Any],
    patients: NDArray[np.int64],
    sampling: Sampling,
) -> dict[str, Estimate]:
    """Calibration of all classes together.

    Parameters
    ----------
    y_true : ndarray of int64, shape (n,)
    y_prob : ndarray of float, shape (n, K)
    patients : ndarray of int64, shape (n,)
    sampling : Sampling

    Returns
    -------
    dict of str to Estimate
        ``brier_multiclass``: mean over the films of Σ (p_k − y_k)² over the classes, from 0 to 2:
        for two classes twice the ``brier`` of one. ``brier_skill`` against predicting the
        prevalences; undefined where every film is of one class. ``log_loss`` as of `calibration`.
    """
    n, classes = y_prob.shape
    p = np.clip(y_prob.astype(np.float64), 0, 1)
    of_truth = p[np.arange(n), y_true]
    lost, clipped = _log_loss(of_truth)
    truth = (y_true[:, None] == np.arange(classes)).astype(np.float64)
    squared = np.square(p - truth).sum(axis=1)
    columns = np.concatenate([truth, squared[:, None], lost[:, None]], axis=1)
    reasons = {
        "brier_multiclass": NO_FILMS,
        "brier_skill": "every film is of one class" if n else NO_FILMS,
        "log_loss": NO_FILMS,
    }
    found = smooth_estimates(patient_sums(columns, patients)[0], _multiclass, reasons, n, sampling)
    found["log_loss"] = _cautioned(found["log_loss"], clipped, _OF_TRUTH)
    return found


def distortion(probabilities: Mapping[str, Any]) -> str:
    """Why the probabilities of a model are none, and what to do; empty where nothing is known.

    Parameters
    ----------
    probabilities : mapping
        The card's entry: ``class_weights``, ``oversampled``, ``focal``: bool; ``label_smoothing``:
        float.
    """
    causes = [words for key, words in _CAUSES.items() if probabilities.get(key)]
    if not causes:
        return ""
    listed = " and ".join(causes)
    return (
        f"The model was trained with {listed}, so that its probabilities are not shares of films: "
        "xraybatch calibrate corrects them on films that it was not trained on."
    )


_CAUSES = {
    "class_weights": "class weights",
    "oversampled": "rare classes shown more often",
    "focal": "focal loss",
    "label_smoothing": "label smoothing",
}


# ── functions of sums, (..., C) → (..., S) ─────────────────────────────────────────────────────


def _binary(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    n, truth, p, squared, lost = (sums[..., i] for i in range(5))
    share = ratio(truth, n)
    brier = ratio(squared, n)
    skill = 1 - ratio(brier, share * (1 - share))
    return np.stack([brier, skill, ratio(lost, n), ratio(truth, p)], axis=-1)


def _multiclass(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = sums[..., :-2]
    n = counts.sum(axis=-1)
    brier = ratio(sums[..., -2], n)
    shares = ratio(counts, n[..., None])
    skill = 1 - ratio(brier, (shares * (1 - shares)).sum(axis=-1))
    return np.stack([brier, skill, ratio(sums[..., -1], n)], axis=-1)


def _log_loss(of_truth: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """−ln of the probability of each film's truth ``(n,)``, and how many were clipped."""
    clipped = int(np.count_nonzero(of_truth < SMALLEST))
    return -np.log(np.clip(of_truth, SMALLEST, 1)), clipped


# ── slope and intercept ────────────────────────────────────────────────────────────────────────


def _line(
    positive: NDArray[np.bool_],
    p: NDArray[np.float64],
    patients: NDArray[np.int64],
    name: str,
    confidence: float,
) -> dict[str, Estimate]:
    n, one_side = len(p), _one_side(positive, name)
    if one_side:
        nothing = Estimate.undefined(one_side, n)
        return {"calibration_slope": nothing, "calibration_intercept": nothing}
    inside = np.clip(p, 1 - NEAREST_TO_ONE, NEAREST_TO_ONE)
    clipped = int(np.count_nonzero(inside != p))
    log_odds = np.log(inside) - np.log1p(-inside)

    def estimate(fitted: logistic.LogisticFit | None, k: int) -> Estimate:
        if fitted is None:
            return Estimate.undefined("the logistic fit finds no maximum", n)
        found = _with_interval(fitted, k, patients, confidence)
        return _cautioned(found, clipped, _NEAR)

    ones = np.ones((1, n))
    in_the_large = logistic.fit(positive, ones, log_odds, np.zeros(1))
    unfit = _why_no_slope(positive, log_odds, name)
    if unfit:
        slope = Estimate.undefined(unfit, n)
    else:
        share = positive.mean()
        start = np.array([np.log(share / (1 - share)), 0.0])
        slope = estimate(
            logistic.fit(positive, np.concatenate([ones, log_odds[None]]), 0.0, start), 1
        )
    return {"calibration_slope": slope, "calibration_intercept": estimate(in_the_large, 0)}


def _why_no_slope(positive: NDArray[np.bool_], log_odds: NDArray[np.float64], name: str) -> str:
    of, others = log_odds[positive], log_odds[~positive]
    lowest, highest = min(of.min(), others.min()), max(of.max(), others.max())
    if lowest == highest:
        return "every film has the same probability"
    # Albert and Anderson 1984: without overlap the likelihood grows for ever
    if of.min() >= others.max():
        return f"the probabilities separate '{name}' from the rest without overlap: no finite slope"
    if of.max() <= others.min():
        return f"every film of '{name}' has a lower probability than the rest: no finite slope"
    return ""


def _with_interval(
    fitted: logistic.LogisticFit, k: int, patients: NDArray[np.int64], confidence: float
) -> Estimate:
    value, n = float(fitted.coefficients[k]), len(patients)
    clusters = int(np.count_nonzero(np.bincount(patients)))
    if clusters < 2:
        return Estimate(value, interval_reason=ONE_PATIENT, n=n)
    if clusters == n:
        variance, method = fitted.inverse[k, k], WALD
        quantile = normal_quantile(confidence)
    else:
        variance, method = fitted.clustered(patients)[k, k], SANDWICH
        quantile = student_quantile(confidence, clusters - 1)
    half = quantile * float(variance) ** 0.5
    if not half > _NO_WIDTH:
        return Estimate(value, interval_reason="patients are too few for its error", n=n)
    return Estimate(
        value, low=value - half, high=value + half, method=method, n=n, clusters=clusters
    )


# ── sentences ──────────────────────────────────────────────────────────────────────────────────


def _one_side(positive: NDArray[np.bool_], name: str) -> str:
    if len(positive) == 0:
        return NO_FILMS
    if positive.all():
        return f"every film is of '{name}'"
    return "" if positive.any() else f"no film is of '{name}'"


def _cautioned(estimate: Estimate, clipped: int, where: str) -> Estimate:
    if not clipped or estimate.value is None:
        return estimate
    films, were = ("1 film", "was") if clipped == 1 else (f"{clipped:,} films", "were")
    caution = f"{films} with a probability {where} {were} clipped to it"
    return replace(estimate, caution="; ".join(filter(None, [estimate.caution, caution])))
