"""The patient-clustered bootstrap: whole patients are drawn, with all of their films.

Two kernels with one law. Numbers that come from counts need only how often each *pattern* of
counts was drawn, and patients with equal counts share one: their cost does not grow with the
films. Any other number gets whole-number weights, how often each film counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.cores import available_cores, in_threads
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import ONE_PATIENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weighted = Callable[[NDArray[np.int64], NDArray[np.float64]], None]

BCA = "bootstrap, BCa"
PERCENTILE = "bootstrap, percentile"
_NO_WIDTH = 1e-9  # wider than rounding
_ROUNDING = 1e-10  # of the resamples' spread
NO_VARIATION = "it does not vary between resamples"
UNDEFINED_DRAWS = "it is undefined in nearly every resample"
UNRELIABLE_ABOVE = 0.01
_FEW_PATIENTS = 20_000
_CHUNK_CELLS = 1 << 22  # cells of one chunk's matrices: 32 MB


@dataclass(frozen=True)
class Sampling:
    """How intervals are made: their level, and the bootstrap's resamples and seed."""

    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class Patterns:
    """Patients by what they count.

    Attributes
    ----------
    counts : ndarray of int64, shape (patterns, cells)
        The different rows of counts that patients have, sorted.
    patients : ndarray of int64, shape (patterns,)
        How many patients have each.
    """

    counts: NDArray[np.int64]
    patients: NDArray[np.int64]

    @property
    def total(self) -> NDArray[np.int64]:
        """Counts of all patients together, shape (cells,)."""
        return self.patients @ self.counts


def patterns(cells: NDArray[np.int64], patients: NDArray[np.int64], width: int) -> Patterns:
    """Group patients by their counts.

    Parameters
    ----------
    cells : ndarray of int64, shape (n,)
        Which of `width` cells each answer is counted in, such as ``truth * K + prediction``.
    patients : ndarray of int64, shape (n,)
    width : int
    """
    if len(cells) == 0:
        return Patterns(np.zeros((0, width), np.int64), np.zeros(0, np.int64))
    order = np.argsort(patients * width + cells)
    ordered, owners = cells[order], patients[order]
    starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]])
    sizes = np.diff(np.r_[starts, len(owners)])
    rows: list[NDArray[np.int64]] = []
    times: list[NDArray[np.int64]] = []
    # patients with equally many answers at once: their sorted cells are rows to compare
    for size in np.unique(sizes):
        first = starts[sizes == size]
        answers = ordered[first[:, None] + np.arange(size)]
        different, often = _unique_rows(answers)
        counted = np.zeros((len(different), width), np.int64)
        np.add.at(counted, (np.arange(len(different))[:, None], different), 1)
        rows.append(counted)
        times.append(often)
    return Patterns(np.concatenate(rows), np.concatenate(times))


def _unique_rows(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.lexsort(rows.T[::-1])
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)])
    return ordered[starts], np.diff(np.r_[starts, len(rows)])


def resampled_counts(found: Patterns, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Counts of resampled patients, in chunks ``(some, cells)``, `resamples` rows in all.

    Drawing G patients with replacement is a multinomial draw over the patterns; where hardly two
    patients are alike, drawing the patients themselves is faster.
    """
    stream = np.random.default_rng(np.random.SeedSequence(seed))
    patients = int(found.patients.sum())
    shares = found.patients / patients
    alike = len(shares) * 4 < patients
    owner = np.repeat(np.arange(len(shares)), 1 if alike else found.patients)
    counts = found.counts.astype(np.float64)  # exact below 2^53, and BLAS multiplies no integers
    chunk = max(1, _CHUNK_CELLS // max(counts.shape))
    for begin in range(0, resamples, chunk):
        some = min(chunk, resamples - begin)
        if alike:
            drawn = stream.multinomial(patients, shares, size=some)
        else:
            drawn = np.stack(
                [
                    np.bincount(owner[stream.integers(0, patients, patients)], None, len(shares))
                    for _ in range(some)
                ]
            )
        yield np.rint(drawn @ counts).astype(np.int64)


def patient_weights(patients: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each of `patients` is drawn, shape ``(patients,)``, one array a resample.

    A stream of its own for every resample: the same whoever computes it, in whatever order.
    """
    for child in np.random.SeedSequence(seed).spawn(resamples):
        yield _drawn(child, patients)


def _drawn(child: np.random.SeedSequence, patients: int) -> NDArray[np.int64]:
    indices = np.random.default_rng(child).integers(0, patients, patients)
    return np.bincount(indices, minlength=patients)


def weighted_values(
    patients: int,
    width: int,
    worker: Callable[[], Weighted],
    sampling: Sampling,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Values of every resample of `patients`, worked out on several threads.

    Parameters
    ----------
    patients : int
        How many can be drawn.
    width : int
        How many values a resample has.
    worker : callable
        Called once a thread, so that each has buffers of its own. What it returns takes the
        weights ``(patients,)`` that `patient_weights` yields, and the row ``(width,)`` to fill.
    sampling : Sampling
    threads : int, optional
        By default as many as this process has cores, or one for few patients, where threads only
        wait for each other. They change no digit.

    Returns
    -------
    ndarray of float64, shape (resamples, width)
        No rows where there are fewer than two patients.
    """
    resamples = sampling.resamples if patients > 1 else 0
    children = np.random.SeedSequence(sampling.seed).spawn(resamples)
    found = np.empty((resamples, width))
    cores = available_cores() if patients > _FEW_PATIENTS else 1
    workers = min(threads or cores, max(1, resamples))

    def some(first: int) -> None:
        fill = worker()
        for row in range(first, resamples, workers):
            fill(_drawn(children[row], patients), found[row])

    in_threads(some, range(workers), workers)
    return found


def count_samples(
    found: Patterns,
    statistics: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    resamples: int,
    seed: int,
) -> list[Sample]:
    """Resample statistics of counts.

    Parameters
    ----------
    found : Patterns
    statistics : callable
        Counts ``(..., cells)`` → values ``(..., S)``, NaN where undefined.
    resamples, seed : int

    Returns
    -------
    list of Sample
        S of them. With fewer than two patients nothing is drawn.
    """
    point = statistics(found.total)
    drawn = np.zeros((0, len(point)))
    if found.patients.sum() > 1:
        drawn = np.concatenate([statistics(c) for c in resampled_counts(found, resamples, seed)])
    # leave out one patient of each pattern: the jackknife of all patients
    left_out = statistics(found.total - found.counts)
    return [
        Sample(float(point[s]), drawn[:, s], left_out[:, s], found.patients)
        for s in range(len(point))
    ]


@dataclass(frozen=True)
class Sample:
    """A statistic's value, its resampled values, and its values with one patient left out.

    Attributes
    ----------
    point : float
        NaN: undefined.
    drawn : ndarray, shape (resamples,)
        NaN where a resample left it undefined, infinity where it is that; empty where there are
        too few patients.
    left_out, times : ndarray, shape (patterns,), or None
        Leave-one-patient-out values and how many patients have each.
    """

    point: float
    drawn: NDArray[np.float64]
    left_out: NDArray[np.float64] | None = None
    times: NDArray[np.int64] | None = None

    def estimate(self, reason: str, n: int, confidence: float) -> Estimate:
        """Value and interval: BCa (Efron 1987), or percentile where it has no acceleration.

        Parameters
        ----------
        reason : str
            Why the value is undefined or infinite, if it is.
        n : int
        confidence : float
        """
        if not np.isfinite(self.point):
            return Estimate.undefined(reason, n)
        if len(self.drawn) == 0:
            return Estimate(self.point, interval_reason=ONE_PATIENT, n=n)
        values = self.drawn[~np.isnan(self.drawn)]
        dropped = len(self.drawn) - len(values)
        if len(values) < 2:
            return Estimate(self.point, interval_reason=UNDEFINED_DRAWS, n=n)
        levels, method = self._levels(values, confidence)
        # an interval that leaves them out would claim an upper end that nobody has seen
        infinite = int(np.isinf(values).sum())
        if infinite and np.ceil(levels[1] * (len(values) - 1)) >= len(values) - infinite:
            why = f"its upper end is infinite, as in {infinite:,} of {len(values):,} resamples"
            return Estimate(self.point, interval_reason=why, n=n)
        low, high = (float(end) for end in np.quantile(values, levels))
        if high - low < _NO_WIDTH:  # "1.000–1.000" would claim a certainty that nobody has
            return Estimate(self.point, interval_reason=NO_VARIATION, n=n)
        caution = None
        if dropped > UNRELIABLE_ABOVE * len(self.drawn):
            caution = (
                f"undefined in {dropped} of {len(self.drawn)} resamples, which were left out: "
                "the interval is unreliable"
            )
        return Estimate(self.point, low=low, high=high, method=method, n=n, caution=caution)

    def _levels(
        self, values: NDArray[np.float64], confidence: float
    ) -> tuple[NDArray[np.float64], str]:
        from scipy.special import ndtr, ndtri

        plain = np.array([0.5 - confidence / 2, 0.5 + confidence / 2])
        if self.left_out is None or self.times is None or not np.isfinite(self.left_out).all():
            return plain, PERCENTILE
        times = self.times.astype(np.float64)
        away = self.left_out @ times / times.sum() - self.left_out
        squared = away * away
        spread = float(times @ squared)
        # equal but for rounding is equal: otherwise the order of the films would tell
        finite = values[np.isfinite(values)]
        spanned = float(np.ptp(finite)) if len(finite) else 0.0
        equal = np.abs(values - self.point) <= _ROUNDING * spanned
        below = ((values < self.point) & ~equal).mean() + equal.mean() / 2
        if spread == 0.0 or below in (0.0, 1.0):
            return plain, PERCENTILE
        acceleration = float(times @ (squared * away)) / (6 * spread**1.5)
        bias = ndtri(below)
        shifted = bias + ndtri(plain)
        slack = 1 - acceleration * shifted
        if (slack <= 0).any():
            return plain, PERCENTILE
        return ndtr(bias + shifted / slack), BCA
