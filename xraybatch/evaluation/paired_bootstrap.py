"""Any other number of two models, in pairs: the bootstrap takes the same patients for both.

The p-value comes from exchanging the two models' answers in whole patients at random, which is
what "the models do not differ" allows; the interval comes from drawing patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation import plugin_metrics
from xraybatch.evaluation.bootstrap import (
    Patterns,
    Sample,
    Sampling,
    count_samples,
    patient_weights,
    patterns,
)
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.proportions import ONE_PATIENT
from xraybatch.evaluation.sums import mean_samples, patient_sums
from xraybatch.extension.records import Metric, Undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Statistics = Callable[[NDArray[np.int64]], NDArray[np.float64]]

EXCHANGE = "exchange of whole patients"
_CHUNK_CELLS = 1 << 22
_SAME = 1e-12  # rounding between two ways to one value


def count_differences(
    first: NDArray[np.int64],
    other: NDArray[np.int64],
    patients: NDArray[np.int64],
    width: int,
    statistics: Statistics,
    sampling: Sampling,
) -> list[Difference]:
    """Numbers of counts: those of `other` less those of `first`.

    Parameters
    ----------
    first, other : ndarray of int64, shape (n,)
        Which of `width` cells each model's answer to a film is counted in.
    patients : ndarray of int64, shape (n,)
    width : int
    statistics : callable
        Counts ``(..., width)`` → values ``(..., S)``, NaN where undefined.
    sampling : Sampling

    Returns
    -------
    list of Difference
        S of them.
    """
    cells = np.concatenate([first, other + width])
    found = patterns(cells, np.concatenate([patients, patients]), 2 * width)

    def difference(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        return statistics(counts[..., width:]) - statistics(counts[..., :width])

    samples = count_samples(found, difference, sampling.resamples, sampling.seed)
    at_least = np.zeros(len(samples), np.int64)
    if int(found.patients.sum()) > 1:
        observed = np.abs([sample.point for sample in samples])
        for counts in _exchanged(found, width, sampling):
            at_least += as_large(difference(counts), observed).sum(axis=0)
    return [
        difference_of(sample, int(times), len(first), sampling)
        for sample, times in zip(samples, at_least, strict=True)
    ]


def mean_differences(
    first: NDArray[np.float64],
    other: NDArray[np.float64],
    patients: NDArray[np.int64],
    sampling: Sampling,
) -> list[Difference]:
    """Means over films: those of `other` less those of `first`.

    Parameters
    ----------
    first, other : ndarray of float, shape (n, S)
        What each film adds to each of S means.
    patients : ndarray of int64, shape (n,)
    sampling : Sampling
    """
    n = len(first)
    sums, films = patient_sums(other - first, patients)
    samples = mean_samples(sums, films, sampling)
    at_least = np.zeros(sums.shape[1], np.int64)
    if len(films) > 1:
        observed = np.abs(sums.sum(axis=0)) / n
        for exchanged in exchanges(len(films), sampling):
            signs = np.where(exchanged, -1.0, 1.0)
            at_least += as_large(signs @ sums / n, observed).sum(axis=0)
    return [
        difference_of(sample, int(times), n, sampling)
        for sample, times in zip(samples, at_least, strict=True)
    ]


def metric_difference(
    metric: Metric,
    y_true: NDArray[Any],
    first: NDArray[Any],
    other: NDArray[Any],
    patients: NDArray[np.int64],
    sampling: Sampling,
) -> Difference:
    """A plugin's metric of `other` less that of `first`.

    Parameters
    ----------
    metric : Metric
    y_true, first, other : ndarray, shape (n,) or (n, K)
        Truth, and each model's answers in the form that the metric needs.
    patients : ndarray of int64, shape (n,)
    sampling : Sampling
    """

    def difference(a: NDArray[Any], b: NDArray[Any], weights: NDArray[np.int64]) -> float:
        values = [plugin_metrics.value_of(metric, y_true, y, weights) for y in (a, b)]
        if isinstance(values[0], Undefined) or isinstance(values[1], Undefined):
            return float("nan")
        return values[1] - values[0]

    n = len(y_true)
    once = np.ones(n, np.int64)
    _, owner = np.unique(patients, return_inverse=True)
    groups = int(owner.max()) + 1 if n else 0
    point = difference(first, other, once) if n else float("nan")
    drawn, at_least = [], 0
    if groups > 1 and not np.isnan(point):
        for weights in patient_weights(groups, sampling.resamples, sampling.seed):
            drawn.append(difference(first, other, weights[owner]))
        for drawn_rows in exchanges(groups, sampling):
            for row in drawn_rows:
                exchanged = row[owner].reshape(-1, *[1] * (first.ndim - 1))
                a, b = np.where(exchanged, other, first), np.where(exchanged, first, other)
                at_least += int(as_large(np.array(difference(a, b, once)), abs(point)))
    return difference_of(Sample(point, np.array(drawn)), at_least, n, sampling)


def _exchanged(found: Patterns, width: int, sampling: Sampling) -> Iterator[NDArray[np.int64]]:
    """Counts ``(some, 2 width)`` after the models were exchanged in each patient or not."""
    stream = np.random.default_rng(np.random.SeedSequence(sampling.seed))
    total = found.total
    gain = (found.counts[:, width:] - found.counts[:, :width]).astype(np.float64)
    differing = gain.any(axis=1)  # the others' exchange changes nothing
    gain, times = gain[differing], found.patients[differing]
    chunk = max(1, _CHUNK_CELLS // max(1, *gain.shape))
    for begin in range(0, sampling.resamples, chunk):
        some = min(chunk, sampling.resamples - begin)
        drawn = stream.binomial(times, 0.5, size=(some, len(times)))
        moved = np.rint(drawn @ gain).astype(np.int64)
        yield np.concatenate([total[:width] + moved, total[width:] - moved], axis=1)


def exchanges(patients: int, sampling: Sampling) -> Iterator[NDArray[np.bool_]]:
    """Which patients' answers are exchanged, ``(some, patients)``, as many rows as resamples."""
    stream = np.random.default_rng(np.random.SeedSequence(sampling.seed))
    chunk = max(1, _CHUNK_CELLS // max(1, patients))
    for begin in range(0, sampling.resamples, chunk):
        some = min(chunk, sampling.resamples - begin)
        yield stream.integers(0, 2, (some, patients)).astype(bool)


def as_large(values: NDArray[np.float64], observed: Any) -> NDArray[np.bool_]:
    """Whether differences are as large as the observed one, without sign, but for rounding.

    What an exchange leaves undefined counts as large: it is no evidence of a difference.
    """
    found: NDArray[np.bool_] = ~(np.abs(values) < observed - _SAME)
    return found


def difference_of(sample: Sample, at_least: int, n: int, sampling: Sampling) -> Difference:
    """A resampled difference, `at_least` exchanges of all being as large."""
    estimate = sample.estimate("it is undefined for one of the two", n, sampling.confidence)
    if estimate.method:
        estimate = replace(estimate, method=f"paired {estimate.method}")
    if estimate.value is None or estimate.interval_reason == ONE_PATIENT:
        return Difference(estimate)
    values = sample.drawn[~np.isnan(sample.drawn)]
    error = float(values.std(ddof=1)) if len(values) > 1 else None
    p = (1 + at_least) / (1 + sampling.resamples)
    return Difference(estimate, error or None, p, p, EXCHANGE)
