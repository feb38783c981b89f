"""Predicted against observed shares, in bins: the reliability curve and the calibration errors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.curves import ReliabilityBin, ReliabilityCurve
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import proportion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xraybatch.evaluation.bootstrap import Sampling

BINS = 10
NO_INTERVAL = "resampling is biased near 0"


def top_label(
    y_true: NDArray[np.int64], y_prob: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether the most probable class is the true one, and its probability: both ``(n,)``.

    What `calibration_errors` takes of a task with several classes. Among equal highest
    probabilities the first class wins, as in the answers.
    """
    best = np.argmax(y_prob, axis=1)
    return best == y_true, y_prob[np.arange(len(y_true)), best].astype(np.float64)


def calibration_errors(positive: NDArray[np.bool_], scores: NDArray[Any]) -> dict[str, Estimate]:
    """Calibration errors in ten bins.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
    scores : ndarray of float, shape (n,)
        Probabilities of the class, or of `top_label`.

    Returns
    -------
    dict of str to Estimate
        ``ece``: mean distance of observed and predicted share over the films, bins of equal width
        ``[j/10, (j+1)/10)`` with 1 in the last. ``ece_equal_mass``: bins of equally many films;
        equal probabilities stay together. ``ece_squared_debiased``: mean squared distance in bins
        of equal mass less what chance alone gives (Kumar, Liang and Ma 2019), so that it may be
        negative. ``mce``: the largest distance in bins of equal width. Empty bins are left out.
        None has an interval: all but the third are above 0 for perfect probabilities too, and a
        resample adds chance to chance.
    """
    n = len(positive)
    if n == 0:
        nothing = Estimate.undefined(NO_FILMS)
        return dict.fromkeys(("ece", "ece_equal_mass", "ece_squared_debiased", "mce"), nothing)
    p = scores.astype(np.float64)
    width, mass = _Binned(positive, p, _equal_width(p)), _Binned(positive, p, _equal_mass(p))

    def estimate(value: Any) -> Estimate:
        return Estimate(float(value), interval_reason=NO_INTERVAL, n=n)

    debiased = estimate(mass.debiased())
    alone = int(np.count_nonzero(mass.films == 1))
    if alone:
        bins = "1 bin has" if alone == 1 else f"{alone} bins have"
        debiased = replace(
            debiased, caution=f"{bins} a single film, whose chance cannot be taken off"
        )
    return {
        "ece": estimate(width.films @ np.abs(width.distance) / n),
        "ece_equal_mass": estimate(mass.films @ np.abs(mass.distance) / n),
        "ece_squared_debiased": debiased,
        "mce": estimate(np.abs(width.distance).max()),
    }


def reliability_curve(
    positive: NDArray[np.bool_],
    scores: NDArray[Any],
    patients: NDArray[np.int64],
    name: str,
    sampling: Sampling,
) -> ReliabilityCurve:
    """Observed against predicted share of one class, in ten bins of equal width.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
    scores : ndarray of float, shape (n,)
        Probabilities of the class.
    patients : ndarray of int64, shape (n,)
    name : str
        Of the class.
    sampling : Sampling
        Only its confidence is used: the observed shares are proportions of films.
    """
    p = scores.astype(np.float64)
    bins = _equal_width(p)
    found = []
    for j in range(BINS):
        inside = bins == j
        films = int(np.count_nonzero(inside))
        if films:
            observed = proportion(positive[inside], patients[inside], NO_FILMS, sampling.confidence)
            found.append(
                ReliabilityBin(j / BINS, (j + 1) / BINS, films, float(p[inside].mean()), observed)
            )
    return ReliabilityCurve(name, tuple(found))


class _Binned:
    """Films, and observed less predicted share, of every bin that has films."""

    def __init__(
        self, positive: NDArray[np.bool_], p: NDArray[np.float64], bins: NDArray[np.int64]
    ) -> None:
        films = np.bincount(bins, minlength=BINS)
        there = films > 0
        self.films = films[there]
        self.observed = np.bincount(bins[positive], minlength=BINS)[there] / self.films
        self.distance = self.observed - np.bincount(bins, p, BINS)[there] / self.films

    def debiased(self) -> float:
        chance = self.observed * (1 - self.observed) / np.maximum(self.films - 1, 1)
        return float(self.films @ (self.distance**2 - chance) / self.films.sum())


def _equal_width(p: NDArray[np.float64]) -> NDArray[np.int64]:
    edges = np.arange(1, BINS) / BINS  # 0.3 as typed, not 3 · 0.1
    return np.searchsorted(edges, p, side="right")


def _equal_mass(p: NDArray[np.float64]) -> NDArray[np.int64]:
    # equal probabilities go where the first of them falls, so a bin begins with the first new one
    # at or after its share of the films
    ordered = np.sort(p)
    begins = -(-np.arange(1, BINS) * len(p) // BINS)
    firsts = np.searchsorted(ordered, ordered[begins.clip(max=len(p) - 1)])
    following = np.searchsorted(ordered, ordered[firsts], side="right")
    starts = np.where(firsts == begins, begins, following)
    edges = np.r_[ordered, np.inf][starts]
    return np.searchsorted(edges, p, side="right")
