"""Logistic fits of the truth on the log odds that a model gave: recalibration's two numbers.

Newton's method on sums over films; the log likelihood is concave, and a step that lowers it is
halved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS = 60
_HALVINGS = 30
_TOLERANCE = 1e-11


@dataclass(frozen=True)
class LogisticFit:
    """A fit ``logit P(positive) = offset + design @ coefficients``.

    Attributes
    ----------
    coefficients : ndarray of float64, shape (k,)
    inverse : ndarray of float64, shape (k, k)
        Inverse of the information matrix: the covariance of independent films.
    residuals : ndarray of float64, shape (n,)
        Truth less fitted probability.
    design : ndarray of float64, shape (n, k)
    """

    coefficients: NDArray[np.float64]
    inverse: NDArray[np.float64]
    residuals: NDArray[np.float64]
    design: NDArray[np.float64]

    def clustered(self, patients: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sandwich covariance ``(k, k)`` of films that are alike within patients ``(n,)``.

        With the correction ``G / (G − 1) · (n − 1) / (n − k)`` that statsmodels makes. Two or more
        patients are needed.
        """
        n, k = self.design.shape
        films = np.bincount(patients)
        scores = np.stack(
            [np.bincount(patients, self.residuals * column) for column in self.design.T], axis=1
        )
        groups = int(np.count_nonzero(films))
        correction = groups / (groups - 1) * (n - 1) / (n - k) if n > k else float("nan")
        covariance: NDArray[np.float64] = (
            correction * self.inverse @ (scores.T @ scores) @ self.inverse
        )
        return covariance


def fit(
    positive: NDArray[np.bool_],
    design: NDArray[np.float64],
    offset: NDArray[np.float64] | float,
    start: NDArray[np.float64],
) -> LogisticFit | None:
    """Fit by maximum likelihood.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
    design : ndarray of float64, shape (n, k)
    offset : ndarray of float64, shape (n,), or float
    start : ndarray of float64, shape (k,)
        Where the search begins.

    Returns
    -------
    LogisticFit or None
        None where no maximum is found: one side only, separated sides, or columns that are a
        multiple of each other.
    """
    at = np.asarray(start, np.float64)
    likelihood, fitted = _likelihood(positive, design, offset, at)
    for _ in range(_STEPS):
        residuals = positive - fitted
        information = (design * (fitted * (1 - fitted))[:, None]).T @ design
        try:
            inverse: NDArray[np.float64] = np.linalg.inv(information).astype(np.float64)
        except np.linalg.LinAlgError:
            return None
        step = inverse @ (design.T @ residuals)
        if not np.isfinite(step).all():
            return None
        if np.abs(step).max() <= _TOLERANCE * max(1.0, np.abs(at).max()):
            return LogisticFit(at, inverse, residuals, design)
        for _ in range(_HALVINGS):
            better, tried = _likelihood(positive, design, offset, at + step)
            # near the top a step changes less than rounding does
            if better >= likelihood - 1e-12 * abs(likelihood):
                break
            step = step / 2
        at, likelihood, fitted = at + step, better, tried
    return None


def _likelihood(
    positive: NDArray[np.bool_],
    design: NDArray[np.float64],
    offset: NDArray[np.float64] | float,
    at: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    from scipy.special import expit

    fitted: NDArray[np.float64] = expit(offset + design @ at)
    with np.errstate(divide="ignore"):
        logs = np.log(np.where(positive, fitted, 1 - fitted))
    return float(logs.sum()), fitted
