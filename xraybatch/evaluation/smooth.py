"""Intervals of smooth functions of sums: bootstrap, or the jackknife where patients are very many.

With tens of thousands of patients the two agree to a hundredth of the interval's width, and the
jackknife costs as much as one resample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.evaluation.bootstrap import NO_VARIATION, Sample, Sampling
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import student_quantile
from xraybatch.evaluation.sums import sum_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

JACKKNIFE = "patient jackknife"
MANY_PATIENTS = 20_000
_NO_WIDTH = 1e-9


def smooth_estimates(
    sums: NDArray[np.float64],
    statistics: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    reasons: Mapping[str, str],
    n: int,
    sampling: Sampling,
) -> dict[str, Estimate]:
    """Estimates of smooth functions of sums over patients.

    Parameters
    ----------
    sums : ndarray of float64, shape (G, C)
        What each patient adds to each of C sums.
    statistics : callable
        Sums ``(..., C)`` → values ``(..., S)``, NaN where undefined; without jumps.
    reasons : mapping of str to str
        Names of the S numbers in their order, and why each is undefined, if it is.
    n : int
        Films.
    sampling : Sampling

    Returns
    -------
    dict of str to Estimate
        Up to `MANY_PATIENTS` patients by bootstrap, with more by the delete-one-patient jackknife
        (Efron and Stein 1981) and Student's quantile.
    """
    if len(sums) <= MANY_PATIENTS:
        samples = sum_samples(sums, statistics, sampling)
        return {
            name: sample.estimate(reason, n, sampling.confidence)
            for (name, reason), sample in zip(reasons.items(), samples, strict=True)
        }
    samples = sum_samples(sums, statistics, replace(sampling, resamples=0))
    return {
        name: _jackknife(sample, reason, n, sampling.confidence)
        for (name, reason), sample in zip(reasons.items(), samples, strict=True)
    }


def _jackknife(sample: Sample, reason: str, n: int, confidence: float) -> Estimate:
    if np.isnan(sample.point):
        return Estimate.undefined(reason, n)
    values = sample.left_out
    if values is None or np.isnan(values).any():
        return Estimate(sample.point, interval_reason="it hangs on a single patient", n=n)
    patients = len(values)
    away = values - values.mean()
    error = ((patients - 1) / patients * float(away @ away)) ** 0.5
    half = student_quantile(confidence, patients - 1) * error
    if half < _NO_WIDTH:
        return Estimate(sample.point, interval_reason=NO_VARIATION, n=n)
    low, high = sample.point - half, sample.point + half
    return Estimate(sample.point, low=low, high=high, method=JACKKNIFE, n=n, clusters=patients)
