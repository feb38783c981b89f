"""Two models right and wrong on the same films: McNemar's test and its form for clusters.

Accuracy, sensitivity and specificity are shares of films that a model got right; two models differ
only by films that one of them got right and the other wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import ONE_PATIENT, normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

MCNEMAR = "McNemar, exact"
OBUCHOWSKI = "McNemar, clustered (Obuchowski)"
TANGO = "Tango"
TANGO_CLUSTERED = "Tango, n/deff"
_HALVINGS = 60


def share_difference(
    first: NDArray[np.bool_],
    other: NDArray[np.bool_],
    patients: NDArray[np.int64],
    undefined: str,
    confidence: float = 0.95,
) -> Difference:
    """Share of films that `other` gets right less the share that `first` gets right.

    Parameters
    ----------
    first, other : ndarray of bool, shape (n,)
        The films of the denominator: did each model get it right?
    patients : ndarray of int64, shape (n,)
    undefined : str
        Why there is no such share when `n` is 0.
    confidence : float

    Returns
    -------
    Difference
        One film a patient: McNemar's exact test, and Tango's interval (1998, Stat Med 17:891).
        Otherwise Obuchowski's test (1998, Stat Med 17:1495), and Tango's interval of the effective
        number of films: its design effect is that of the test, but not below 1, so that the
        interval holds 0 wherever the test sees nothing. Where no film is told apart, the films of
        a patient count as one.
    """
    n = len(first)
    if n == 0:
        return Difference.undefined(undefined, 0)
    gained = other.astype(np.int64) - first
    only_other, only_first = int((gained > 0).sum()), int((gained < 0).sum())
    value = (only_other - only_first) / n
    sizes = np.bincount(patients)
    moved = np.rint(np.bincount(patients, gained, len(sizes))).astype(np.int64)[sizes > 0]
    sizes = sizes[sizes > 0]
    clusters = len(sizes)
    if clusters < 2:
        return Difference(Estimate(value, interval_reason=ONE_PATIENT, n=n))
    if clusters == n:
        design, method, test = 1.0, TANGO, MCNEMAR
        p = mcnemar_exact(only_first, only_other)
    else:
        design = _design_effect(moved, sizes, only_first + only_other)
        method, test = TANGO_CLUSTERED, OBUCHOWSKI
        p = obuchowski(moved)[1]
    counts = (only_other / design, only_first / design, n / design)
    low, high = tango(*counts, quantile=normal_quantile(confidence))
    estimate = Estimate(value, low=low, high=high, method=method, n=n)
    away = moved - sizes * value
    error = (clusters / (clusters - 1) * float(away @ away)) ** 0.5 / n
    return Difference(estimate, error, p, p, test)


def mcnemar_exact(only_first: int, only_other: int) -> float:
    """Two-sided exact p-value of films that one model alone got right; one film a patient."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(only_first, only_other), only_first + only_other, 0.5)))


def obuchowski(moved: NDArray[np.int64]) -> tuple[float, float]:
    """Obuchowski's chi-square (1 degree of freedom) and its p-value.

    Parameters
    ----------
    moved : ndarray of int64, shape (patients,)
        Of each patient, films that the other model alone got right less those that the first alone
        did; patients with 0 count too. Two or more.
    """
    from scipy.special import chdtrc

    spread = float(moved @ moved)
    if spread == 0:
        return 0.0, 1.0
    clusters = len(moved)
    statistic = (clusters - 1) / clusters * float(moved.sum()) ** 2 / spread
    return statistic, float(chdtrc(1, statistic))


def tango(
    only_other: float, only_first: float, n: float, *, quantile: float
) -> tuple[float, float]:
    """Score interval of a difference of two shares of the same films, within −1 and 1.

    Parameters
    ----------
    only_other, only_first, n : float
        Films that one model alone got right, and all; (effective) counts need not be whole.
    quantile : float
    """

    def statistic(delta: float) -> float:
        # the share that only the first got right, most likely under this difference
        b = (2 * n - only_other + only_first) * delta - only_other - only_first
        root = max(0.0, b * b + 8 * n * only_first * delta * (1 - delta)) ** 0.5
        share = max(0.0, (root - b) / (4 * n))
        variance = n * (2 * share + delta * (1 - delta))
        away = only_other - only_first - n * delta
        if variance <= 0:
            return 0.0 if away == 0 else float(np.copysign(np.inf, away))
        return float(away / variance**0.5)

    value = (only_other - only_first) / n
    low, high = (_crossing(statistic, value, end, quantile) for end in (-1.0, 1.0))
    return low, high


def _crossing(
    statistic: Callable[[float], float], value: float, end: float, quantile: float
) -> float:
    """Between `value` and `end`, where the statistic reaches the quantile, or the end."""
    inside, outside = value, end
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if abs(statistic(middle)) <= quantile:
            inside = middle
        else:
            outside = middle
    return inside


def _design_effect(moved: NDArray[np.int64], sizes: NDArray[np.int64], apart: int) -> float:
    clusters = len(sizes)
    if apart == 0:
        return float((sizes.astype(np.float64) ** 2).sum() / sizes.sum())
    return max(1.0, clusters / (clusters - 1) * float(moved @ moved) / apart)
