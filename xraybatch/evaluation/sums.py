"""Numbers that are functions of sums over films: means, ratios, Brier and log loss, skill.

What a patient adds to a sum does not change between resamples, so films are added up to patients
once, and a resample costs as much as there are patients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation.bootstrap import Sample, Sampling, weighted_values

if TYPE_CHECKING:
    from numpy.typing import NDArray


def patient_sums(
    values: NDArray[Any], patients: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Add films up to patients, in the order of their numbers.

    Parameters
    ----------
    values : ndarray of float, shape (n,) or (n, S)
        Of each film.
    patients : ndarray of int64, shape (n,)
        Numbers of patients; gaps are left out.

    Returns
    -------
    sums : ndarray of float64, shape (G, S)
    counts : ndarray of int64, shape (G,)
        Films of each patient, 1 or more.
    """
    films = np.bincount(patients)
    there = films > 0
    columns = (values if values.ndim == 2 else values[:, None]).T
    sums = [np.bincount(patients, column, len(films))[there] for column in columns]
    return np.stack(sums, axis=1), films[there]


def mean_samples(
    sums: NDArray[Any], counts: NDArray[Any], sampling: Sampling, threads: int | None = None
) -> list[Sample]:
    """Resample means of films, each the ratio of two sums over patients.

    Parameters
    ----------
    sums : ndarray of float, shape (G, S)
        Of each patient: what its films add to each of S numbers; see `patient_sums`.
    counts : ndarray, shape (G,)
        Films of each patient. Patients without films are not drawn.
    sampling : Sampling
    threads : int, optional
        As many as there are cores by default; they change no digit.

    Returns
    -------
    list of Sample
        S of them, from the same draws, with the exact jackknife over patients. Undefined without
        films.
    """
    there = counts > 0

    def means(totals: NDArray[np.float64]) -> NDArray[np.float64]:
        films = totals[..., -1:]
        found = np.full(totals[..., :-1].shape, np.nan)
        np.divide(totals[..., :-1], films, out=found, where=films > 0)
        return found

    return sum_samples(np.c_[sums, counts][there], means, sampling, threads)


def sum_samples(
    sums: NDArray[Any],
    statistics: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    sampling: Sampling,
    threads: int | None = None,
) -> list[Sample]:
    """Resample statistics of sums over patients.

    Parameters
    ----------
    sums : ndarray of float, shape (G, C)
        What each patient adds to each of C sums; all G can be drawn.
    statistics : callable
        Sums ``(..., C)`` → values ``(..., S)``, NaN where undefined.
    sampling : Sampling
    threads : int, optional

    Returns
    -------
    list of Sample
        S of them, from the same draws, with the exact jackknife over patients. With fewer than two
        patients nothing is drawn.
    """
    patients = len(sums)
    columns = np.ascontiguousarray(sums.T, np.float64)
    total = columns.sum(axis=1)
    point = statistics(total)

    def worker() -> Callable[[NDArray[np.int64], NDArray[np.float64]], None]:
        weights = np.empty(patients)

        def fill(drawn: NDArray[np.int64], row: NDArray[np.float64]) -> None:
            weights[:] = drawn
            # not BLAS, whose threads would share a sum among them and round it differently
            np.einsum("g,cg->c", weights, columns, out=row)

        return fill

    drawn = statistics(weighted_values(patients, len(columns), worker, sampling, threads))
    left_out = statistics((total[:, None] - columns).T)
    once = np.ones(patients, np.int64)
    return [
        Sample(float(point[s]), drawn[:, s], left_out[:, s], once if patients > 1 else None)
        for s in range(len(point))
    ]
