"""What a threshold does on one table: shares of films, predictive values, likelihood ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import UsageError
from xraybatch.evaluation.bootstrap import Sampling, count_samples, patterns
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import proportion
from xraybatch.evaluation.ratio import ratio
from xraybatch.evaluation.utility import ENDLESS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Statistics = Callable[[NDArray[np.int64]], NDArray[np.float64]]

_CELLS = 4  # of one class against the rest: true negatives, false alarms, missed, found
ESTIMATES = (
    *("sensitivity", "specificity", "ppv", "npv", "accuracy"),
    *("f1", "net_benefit", "lr_positive", "lr_negative"),
)
_OF_ALL = frozenset({"f1", "net_benefit"})  # numbers that are not made of the two sides


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
    calls = _Calls(positive, scores.astype(np.float32) >= bar, patients, name)
    estimates = calls.shares(sampling.confidence) | calls.from_counts(float(bar), sampling)
    return OperatingPoint(name, rule, float(bar), None, origin, optimistic, estimates)


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
        Intervals by bootstrap of whole patients. An infinite ratio is undefined, with its reason;
        where the upper end of its interval is infinite, there is none, with that reason.
    """
    calls = _Calls(positive, called, patients, name)
    return calls.resampled(_ratios, calls.why_no_ratio(), sampling)


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
        right, false, missed, found = _sides(cells)
        ppv = ratio(found * prevalence, found * prevalence + false * (1 - prevalence))
        npv = ratio(right * (1 - prevalence), right * (1 - prevalence) + missed * prevalence)
        return np.stack([ppv, npv], axis=-1)

    calls = _Calls(positive, called, patients, name)
    reasons = {
        "ppv_at_prevalence": calls.one_side or calls.none_called,
        "npv_at_prevalence": calls.one_side or calls.all_called,
    }
    return calls.resampled(statistics, reasons, sampling)


class _Calls:
    """Who is of the class `name`, and who was called so: what every number here is made of."""

    def __init__(
        self,
        positive: NDArray[np.bool_],
        called: NDArray[np.bool_],
        patients: NDArray[np.int64],
        name: str,
    ) -> None:
        self.positive, self.called, self.patients, self.name = positive, called, patients, name
        self.nobody = NO_FILMS if len(positive) == 0 else ""
        self.no_positive = self.nobody or f"no film is of '{name}'"
        self.no_negative = self.nobody or f"every film is of '{name}'"
        self.none_called = self.nobody or f"no film was called '{name}'"
        self.all_called = self.nobody or f"every film was called '{name}'"

    @property
    def one_side(self) -> str:
        if not self.positive.any():
            return self.no_positive
        return self.no_negative if self.positive.all() else ""

    def shares(self, confidence: float) -> dict[str, Estimate]:
        positive, called, patients = self.positive, self.called, self.patients

        def share(success: NDArray[np.bool_], among: NDArray[np.bool_], undefined: str) -> Estimate:
            return proportion(success[among], patients[among], undefined, confidence)

        return {
            "sensitivity": share(called, positive, self.no_positive),
            "specificity": share(~called, ~positive, self.no_negative),
            "ppv": share(positive, called, self.none_called),
            "npv": share(~positive, ~called, self.all_called),
            "accuracy": proportion(called == positive, patients, NO_FILMS, confidence),
        }

    def from_counts(self, threshold: float, sampling: Sampling) -> dict[str, Estimate]:
        odds = threshold / (1 - threshold) if threshold < 1 else float("nan")

        def statistics(cells: NDArray[np.int64]) -> NDArray[np.float64]:
            false, missed, found = cells[..., 1], cells[..., 2], cells[..., 3]
            f1 = ratio(2 * found, 2 * found + false + missed)
            benefit = ratio(found - false * odds, cells.sum(-1))
            return np.concatenate([np.stack([f1, benefit], axis=-1), _ratios(cells)], axis=-1)

        reasons = {
            "f1": self.nobody or f"no film is of '{self.name}', and none was called so",
            "net_benefit": self.nobody or ENDLESS,
            **self.why_no_ratio(),
        }
        return self.resampled(statistics, reasons, sampling)

    def why_no_ratio(self) -> dict[str, str]:
        others = f"without '{self.name}' was called so"
        no_false = f"infinite: no film {others}" if self.called.any() else self.none_called
        no_right = self.all_called if self.called.all() else f"infinite: every film {others}"
        return {"lr_positive": self.one_side or no_false, "lr_negative": self.one_side or no_right}

    def resampled(
        self, statistics: Statistics, reasons: Mapping[str, str], sampling: Sampling
    ) -> dict[str, Estimate]:
        found = patterns(self.positive * np.int64(2) + self.called, self.patients, _CELLS)
        samples = count_samples(found, statistics, sampling.resamples, sampling.seed)
        estimates = {
            key: sample.estimate(reason, len(self.positive), sampling.confidence)
            for (key, reason), sample in zip(reasons.items(), samples, strict=True)
        }
        # what compares the two sides rests on the patients of the rarer one
        sides = (self.patients[self.positive], self.patients[~self.positive])
        fewest = min(len(np.unique(side)) for side in sides)
        return {
            key: estimate if key in _OF_ALL else replace(estimate, clusters=fewest)
            for key, estimate in estimates.items()
        }


def _sides(cells: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    # shares of the negatives that are right and false, of the positives missed and found
    right, false, missed, found = (cells[..., i] for i in range(_CELLS))
    negatives, positives = right + false, missed + found
    return (
        ratio(right, negatives),
        ratio(false, negatives),
        ratio(missed, positives),
        ratio(found, positives),
    )


def _ratios(cells: NDArray[np.int64]) -> NDArray[np.float64]:
    right, false, missed, found = _sides(cells)
    return np.stack([_endless(found, false), _endless(missed, right)], axis=-1)


def _endless(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    # infinite, and not unknown, where a resample has nothing to divide by
    return np.where((whole == 0) & (part > 0), np.inf, ratio(part, whole))
