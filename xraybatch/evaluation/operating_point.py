"""What a threshold does on one table: shares of films, predictive values, likelihood ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import UsageError
from xraybatch.evaluation.bootstrap import Patterns, Sampling, count_samples, patterns
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import proportion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Statistics = Callable[[NDArray[np.int64]], NDArray[np.float64]]

_CELLS = 4  # of one class against the rest: true negatives, false alarms, missed, found
ESTIMATES = (
    *("sensitivity", "specificity", "ppv", "npv", "accuracy"),
    *("f1", "net_benefit", "lr_positive", "lr_negative"),
)


@dataclass(frozen=True)
class OperatingPoint:
    """One class cut at one threshold.

    Attributes
    ----------
    name : str
        The class.
    rule : str
        How the threshold was chosen.
    threshold : float or None
        As float32; films that reach it are called positive.
    reason : str or None
        Why there is none.
    origin : str
        Where it comes from, in words.
    optimistic : bool
        Chosen on the very films that the estimates are of.
    estimates : mapping of str to Estimate
        `ESTIMATES`, on the table at hand.
    """

    name: str
    rule: str
    threshold: float | None
    reason: str | None
    origin: str
    optimistic: bool
    estimates: Mapping[str, Estimate]


def operating_point(
    rule: str,
    threshold: float | None,
    origin: str,
    optimistic: bool,
    positive: NDArray[np.bool_],
    scores: NDArray[Any],
    patients: NDArray[np.int64],
    name: str,
    sampling: Sampling,
    *,
    reason: str = "there is no threshold",
) -> OperatingPoint:
    """Apply a threshold to one table.

    Parameters
    ----------
    rule : str
    threshold : float or None
        None: every estimate is undefined, for `reason`.
    origin : str
    optimistic : bool
    positive : ndarray of bool, shape (n,)
    scores : ndarray of float, shape (n,)
        Probabilities of the class; compared as float32, as the card decides.
    patients : ndarray of int64, shape (n,)
    name : str
        Of the class.
    sampling : Sampling
    reason : str, optional
        Why there is no threshold; of no matter where there is one.

    Returns
    -------
    OperatingPoint
        Proportions with Wilson's interval; F1, net benefit and likelihood ratios by bootstrap.
    """
    if threshold is None:
        nothing = Estimate.undefined(reason, len(positive))
        estimates = dict.fromkeys(ESTIMATES, nothing)
        return OperatingPoint(name, rule, None, reason, origin, optimistic, estimates)
    bar = np.float32(threshold)
    called = scores.astype(np.float32) >= bar
    return OperatingPoint(
        name,
        rule,
        float(bar),
        None,
        origin,
        optimistic,
        {
            **_shares(positive, called, patients, name, sampling.confidence),
            **_from_counts(positive, called, patients, name, float(bar), sampling),
        },
    )


def likelihood_ratios(
    positive: NDArray[np.bool_],
    called: NDArray[np.bool_],
    patients: NDArray[np.int64],
    name: str,
    sampling: Sampling,
) -> dict[str, Estimate]:
    """``lr_positive`` = sens / (1 − spec) and ``lr_negative`` = (1 − sens) / spec.

    Parameters
    ----------
    positive, called : ndarray of bool, shape (n,)
        Of the class, and called so.
    patients : ndarray of int64, shape (n,)
    name : str
        Of the class, for the sentences only.
    sampling : Sampling

    Returns
    -------
    dict of str to Estimate
        Intervals by bootstrap of whole patients. An infinite ratio is undefined, with its reason.
    """
    return _resampled(
        _patterns(positive, called, patients),
        _ratios,
        {
            "lr_positive": _why_no_ratio(positive, called, name, infinite=True),
            "lr_negative": _why_no_ratio(positive, called, name, infinite=False),
        },
        len(positive),
        sampling,
    )


def at_prevalence(
    prevalence: float,
    positive: NDArray[np.bool_],
    called: NDArray[np.bool_],
    patients: NDArray[np.int64],
    name: str,
    sampling: Sampling,
) -> dict[str, Estimate]:
    """Predictive values where the class is as common as stated (Bayes).

    Parameters
    ----------
    prevalence : float
        Share of films of the class where the model is to be used; above 0 and below 1.
    positive, called : ndarray of bool, shape (n,)
        Of the class, and called so. Only sensitivity and specificity are taken from them.
    patients : ndarray of int64, shape (n,)
    name : str
        Of the class, for the sentences only.
    sampling : Sampling

    Returns
    -------
    dict of str to Estimate
        ``ppv_at_prevalence`` and ``npv_at_prevalence``; intervals by bootstrap of whole patients.
        The stated prevalence is taken as known.

    Raises
    ------
    UsageError
        If the prevalence is not between 0 and 1.
    """
    if not 0 < prevalence < 1:
        raise UsageError(
            f"A prevalence of {prevalence:g} is none.", "It is a share above 0 and below 1: 0.05."
        )

    def statistics(cells: NDArray[np.int64]) -> NDArray[np.float64]:
        _, false, missed, found = _sides(cells)
        ppv = _ratio(found * prevalence, found * prevalence + false * (1 - prevalence))
        right = (1 - false) * (1 - prevalence)
        npv = _ratio(right, right + missed * prevalence)
        return np.stack([ppv, npv], axis=-1)

    one_side = _one_side(positive, name)
    return _resampled(
        _patterns(positive, called, patients),
        statistics,
        {
            "ppv_at_prevalence": one_side or f"no film was called '{name}'",
            "npv_at_prevalence": one_side or f"every film was called '{name}'",
        },
        len(positive),
        sampling,
    )


def _shares(
    positive: NDArray[np.bool_],
    called: NDArray[np.bool_],
    patients: NDArray[np.int64],
    name: str,
    confidence: float,
) -> dict[str, Estimate]:
    def share(
        success: NDArray[np.bool_], among: NDArray[np.bool_] | None, undefined: str
    ) -> Estimate:
        if among is None:
            return proportion(success, patients, undefined, confidence)
        reason = undefined if len(positive) else NO_FILMS
        return proportion(success[among], patients[among], reason, confidence)

    return {
        "sensitivity": share(called, positive, f"no film is of '{name}'"),
        "specificity": share(~called, ~positive, f"every film is of '{name}'"),
        "ppv": share(positive, called, f"no film was called '{name}'"),
        "npv": share(~positive, ~called, f"every film was called '{name}'"),
        "accuracy": share(called == positive, None, NO_FILMS),
    }


def _from_counts(
    positive: NDArray[np.bool_],
    called: NDArray[np.bool_],
    patients: NDArray[np.int64],
    name: str,
    threshold: float,
    sampling: Sampling,
) -> dict[str, Estimate]:
    odds = threshold / (1 - threshold) if threshold < 1 else float("nan")

    def statistics(cells: NDArray[np.int64]) -> NDArray[np.float64]:
        false, missed, found = cells[..., 1], cells[..., 2], cells[..., 3]
        f1 = _ratio(2 * found, 2 * found + false + missed)
        benefit = _ratio(found - false * odds, cells.sum(-1))
        return np.concatenate([np.stack([f1, benefit], axis=-1), _ratios(cells)], axis=-1)

    nobody = NO_FILMS if len(positive) == 0 else ""
    return _resampled(
        _patterns(positive, called, patients),
        statistics,
        {
            "f1": nobody or f"no film is of '{name}', and none was called so",
            "net_benefit": nobody or "at a threshold of 1 a false alarm costs endlessly",
            "lr_positive": _why_no_ratio(positive, called, name, infinite=True),
            "lr_negative": _why_no_ratio(positive, called, name, infinite=False),
        },
        len(positive),
        sampling,
    )


def _patterns(
    positive: NDArray[np.bool_], called: NDArray[np.bool_], patients: NDArray[np.int64]
) -> Patterns:
    return patterns(positive * np.int64(2) + called, patients, _CELLS)


def _resampled(
    found: Patterns,
    statistics: Statistics,
    reasons: Mapping[str, str],
    n: int,
    sampling: Sampling,
) -> dict[str, Estimate]:
    samples = count_samples(found, statistics, sampling.resamples, sampling.seed)
    return {
        key: sample.estimate(reason, n, sampling.confidence)
        for (key, reason), sample in zip(reasons.items(), samples, strict=True)
    }


def _sides(cells: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    # shares of the negatives that are right and false, of the positives missed and found
    right, false, missed, found = (cells[..., i] for i in range(_CELLS))
    negatives, positives = right + false, missed + found
    return (
        _ratio(right, negatives),
        _ratio(false, negatives),
        _ratio(missed, positives),
        _ratio(found, positives),
    )


def _ratios(cells: NDArray[np.int64]) -> NDArray[np.float64]:
    right, false, missed, found = _sides(cells)
    return np.stack([_ratio(found, false), _ratio(missed, right)], axis=-1)


def _why_no_ratio(
    positive: NDArray[np.bool_], called: NDArray[np.bool_], name: str, *, infinite: bool
) -> str:
    one_side = _one_side(positive, name)
    if one_side:
        return one_side
    if infinite:
        if not called.any():
            return f"no film was called '{name}'"
        return f"infinite: no film without '{name}' was called so"
    if called.all():
        return f"every film was called '{name}'"
    return f"infinite: every film without '{name}' was called so"


def _one_side(positive: NDArray[np.bool_], name: str) -> str:
    if len(positive) == 0:
        return NO_FILMS
    if positive.all():
        return f"every film is of '{name}'"
    return "" if positive.any() else f"no film is of '{name}'"


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    values = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=values, where=below != 0)
    return values
