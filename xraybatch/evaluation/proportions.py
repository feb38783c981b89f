"""Proportions of films, with intervals that know that films of one patient are alike.

Wilson's interval with the effective sample size ``n / deff``: near 0 and 1, and with few patients,
it keeps its level where percentile bootstrap and Wald fall to 75 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xraybatch.evaluation.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

WILSON = "Wilson"
WILSON_CLUSTERED = "Wilson, n/deff"
ONE_PATIENT = "an interval needs films of 2 or more patients"


def proportion(
    success: NDArray[np.bool_],
    patients: NDArray[np.int64],
    undefined: str,
    confidence: float = 0.95,
) -> Estimate:
    """Share of films that succeed.

    Parameters
    ----------
    success : ndarray of bool, shape (n,)
        The films of the denominator: did each succeed?
    patients : ndarray of int64, shape (n,)
        Patient of each film, 0 and up.
    undefined : str
        Why there is no such share when `n` is 0.
    confidence : float

    Returns
    -------
    Estimate
        One film a patient: Wilson (1927). Otherwise the variance of the ratio estimator (Rao and
        Scott 1992) gives the design effect, not below 1; where all or no films succeed it cannot
        be estimated and the films of a patient count as one answer (``deff = Σm²/n``). The
        quantile is Student's with patients − 1 degrees of freedom.
    """
    n = len(success)
    if n == 0:
        return Estimate.undefined(undefined)
    share = int(success.sum()) / n
    sizes = np.bincount(patients)
    hits = np.bincount(patients[success], minlength=len(sizes))[sizes > 0]
    sizes = sizes[sizes > 0]
    clusters = len(sizes)
    if clusters < 2:
        return Estimate(share, interval_reason=ONE_PATIENT, n=n)
    if clusters == n:
        low, high = wilson(share, n, normal_quantile(confidence))
        return Estimate(share, low=low, high=high, method=WILSON, n=n, clusters=n)
    low, high = wilson(
        share, n / design_effect(hits, sizes), student_quantile(confidence, clusters - 1)
    )
    return Estimate(share, low=low, high=high, method=WILSON_CLUSTERED, n=n, clusters=clusters)


def design_effect(hits: NDArray[np.integer], sizes: NDArray[np.integer]) -> float:
    """Variance of a clustered proportion over that of as many independent films; at least 1.

    Parameters
    ----------
    hits, sizes : ndarray of int, shape (patients,)
        Successes and films of each patient; two or more patients, none without films.
    """
    n = float(sizes.sum())
    share = float(hits.sum()) / n
    if share in (0.0, 1.0):
        return float((sizes.astype(np.float64) ** 2).sum() / n)
    clusters = len(sizes)
    excess = hits - sizes * share
    variance = clusters / (clusters - 1) * float(excess @ excess) / n**2
    return max(1.0, variance / (share * (1 - share) / n))


def wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval of a share among `n` (effective) films, within 0 and 1."""
    z2 = quantile**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = quantile * (share * (1 - share) / n + z2 / (4 * n**2)) ** 0.5 / (1 + z2 / n)
    # the ends are 0 and 1 there by algebra, and must not miss them by rounding
    low = 0.0 if share == 0.0 else max(0.0, middle - half)
    high = 1.0 if share == 1.0 else min(1.0, middle + half)
    return low, high


def normal_quantile(confidence: float) -> float:
    """Two-sided quantile of the normal distribution: 1.96 for 0.95."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + confidence / 2))


def student_quantile(confidence: float, freedom: int) -> float:
    """Two-sided quantile of Student's distribution with `freedom` ≥ 1 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + confidence / 2))
