"""What acting on a model is worth: net benefit, and the decision curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation.bootstrap import Patterns, Sample, Sampling, count_samples, patterns
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.curves import DecisionCurve
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.ratio import ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

# finer where one acts on small probabilities; few enough to be resampled quickly
THRESHOLDS = (
    *(0.01, 0.02, 0.03, 0.05, 0.075, 0.10, 0.125, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50),
    *(0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.97, 0.99),
)
ENDLESS = "at a threshold of 1 a false alarm costs endlessly"
_MANY_PATIENTS = 20_000
_COUNTED = 1 << 22


def net_benefit(
    positive: NDArray[np.bool_],
    called: NDArray[np.bool_],
    patients: NDArray[np.int64],
    threshold: float,
    sampling: Sampling,
) -> Estimate:
    """Net benefit of acting on the films that were called positive.

    Parameters
    ----------
    positive, called : ndarray of bool, shape (n,)
        Of the class, and called so.
    patients : ndarray of int64, shape (n,)
    threshold : float
        The probability from which one would act; its odds are what a false alarm costs.
    sampling : Sampling

    Returns
    -------
    Estimate
        ``TP/n − FP/n · t/(1 − t)`` (Vickers and Elkin 2006), at most the prevalence; undefined
        without films, and at 1.
    """
    if threshold >= 1:
        return Estimate.undefined(ENDLESS, len(positive))
    packed, base = _packed(positive & called, ~positive & called, patients)
    return _benefit(packed, base, threshold, sampling).estimate(
        NO_FILMS, len(positive), sampling.confidence
    )


def decision_curve(
    positive: NDArray[np.bool_],
    scores: NDArray[Any],
    patients: NDArray[np.int64],
    name: str,
    sampling: Sampling,
) -> DecisionCurve | None:
    """Net benefit of acting on one class at `THRESHOLDS`; None without films.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
    scores : ndarray of float, shape (n,)
        Probabilities of the class; they and the thresholds are compared as float32, as the card
        decides.
    patients : ndarray of int64, shape (n,)
    name : str
        Of the class.
    sampling : Sampling
        The intervals hold for each threshold by itself, not for the whole curve.
    """
    n = len(positive)
    if n == 0:
        return None
    prevalence = np.count_nonzero(positive) / n
    odds = np.array(THRESHOLDS) / (1 - np.array(THRESHOLDS))
    return DecisionCurve(
        name,
        THRESHOLDS,
        tuple(
            sample.estimate(NO_FILMS, n, sampling.confidence)
            for sample in _curve_samples(positive, scores, patients, sampling)
        ),
        tuple((prevalence - (1 - prevalence) * odds).tolist()),
    )


def _curve_samples(
    positive: NDArray[np.bool_],
    scores: NDArray[Any],
    patients: NDArray[np.int64],
    sampling: Sampling,
) -> Iterator[Sample]:
    grid = np.array(THRESHOLDS)
    # how many of the thresholds each film reaches
    step = np.searchsorted(grid.astype(np.float32), scores.astype(np.float32), side="right")
    if np.count_nonzero(np.bincount(patients)) <= _MANY_PATIENTS:
        found = patterns(step * 2 + positive, patients, 2 * (len(grid) + 1))
        yield from count_samples(
            found, _histogram_benefits(grid), sampling.resamples, sampling.seed
        )
        return
    # very many patients hardly differ at one threshold: far fewer patterns, threshold by threshold
    packed, base = _packed(positive, ~positive, patients)
    order = np.argsort(step.astype(np.uint8), kind="stable")
    ends = np.searchsorted(step[order], np.arange(len(grid)), side="right")
    begin = 0
    for threshold, end in zip(grid, ends, strict=True):
        left = order[begin:end]  # films that do not reach it, and reached the one before
        packed = packed - np.bincount(
            patients[left], np.where(positive[left], base, 1), len(packed)
        ).astype(np.int64)
        begin = end
        yield _benefit(packed, base, float(threshold), sampling)


def _packed(
    found: NDArray[np.bool_], false: NDArray[np.bool_], patients: NDArray[np.int64]
) -> tuple[NDArray[np.int64], int]:
    """Films, found and false alarms of every patient as digits of one number, and their base."""
    films = np.bincount(patients)
    base = int(films.max(initial=0)) + 1
    digits = np.bincount(patients, found * base + false, len(films)).astype(np.int64)
    return films * base**2 + digits, base


def _benefit(packed: NDArray[np.int64], base: int, threshold: float, sampling: Sampling) -> Sample:
    """Resample net benefit of patients whose films, found and false alarms are `packed`."""
    if base**3 <= _COUNTED:
        often = np.bincount(packed)
        different = np.flatnonzero(often)
        often = often[different]
    else:
        different, often = np.unique(packed, return_counts=True)
    there = different > 0  # a number without films is no patient
    counts = np.stack(np.unravel_index(different[there], (base, base, base)), axis=1)
    odds = threshold / (1 - threshold)

    def statistics(sums: NDArray[np.int64]) -> NDArray[np.float64]:
        n, found, false = (sums[..., i : i + 1] for i in range(3))
        return ratio(found - false * odds, n)

    return count_samples(
        Patterns(counts, often[there]), statistics, sampling.resamples, sampling.seed
    )[0]


def _histogram_benefits(
    thresholds: NDArray[np.float64],
) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """Counts ``(..., 2 (T + 1))`` by thresholds reached and truth → net benefit ``(..., T)``."""
    odds = thresholds / (1 - thresholds)

    def statistics(cells: NDArray[np.int64]) -> NDArray[np.float64]:
        n = cells.sum(axis=-1, keepdims=True)
        reached = np.cumsum(cells.reshape(*cells.shape[:-1], -1, 2)[..., ::-1, :], axis=-2)
        reached = reached[..., -2::-1, :]  # from the lowest threshold up, without "none reached"
        return ratio(reached[..., 1] - reached[..., 0] * odds, n)

    return statistics
