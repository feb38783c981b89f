"""Logistic fits of the truth on the log odds that a model gave: recalibration's two numbers.

Newton's method on sums over films; the log likelihood is concave, and a step that lowers it is
halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS = 60
_HALVINGS = 30
_TOLERANCE = 1e-11
_MANY = 50_000  # films
_EVERY = 32


@dataclass(frozen=True)
class LogisticFit:
    """A fit ``logit P(positive) = offset + coefficients @ design``.

    Attributes
    ----------
    coefficients : ndarray of float64, shape (k,)
    inverse : ndarray of float64, shape (k, k)
        Inverse of the information matrix: the covariance of independent films.
    residuals : ndarray of float64, shape (n,)
        Truth less fitted probability.
    design : ndarray of float64, shape (k, n)
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
        k, n = self.design.shape
        films = np.bincount(patients)
        scores = [np.bincount(patients, self.residuals * row) for row in self.design]
        groups = int(np.count_nonzero(films))
        correction = groups / (groups - 1) * (n - 1) / (n - k) if n > k else float("nan")
        covariance: NDArray[np.float64] = (
            correction * self.inverse @ _products(scores, scores) @ self.inverse
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
    design : ndarray of float64, shape (k, n)
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
    if len(positive) > _MANY:
        # a few of the films lead near the top, which saves half of the steps over all of them
        some = slice(None, None, _EVERY)
        part = offset[some] if isinstance(offset, np.ndarray) else offset
        rough = fit(positive[some], design[:, some], part, start)
        at = at if rough is None else rough.coefficients
    likelihood, fitted = _likelihood(positive, design, offset, at)
    for _ in range(_STEPS):
        residuals = positive - fitted
        information = _products(design, design * (fitted * (1 - fitted)))
        try:
            inverse: NDArray[np.float64] = np.linalg.inv(information).astype(np.float64)
        except np.linalg.LinAlgError:
            return None
        step = inverse @ (design * residuals).sum(axis=1)
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


def _products(
    rows: Sequence[NDArray[Any]] | NDArray[Any], others: Sequence[NDArray[Any]] | NDArray[Any]
) -> NDArray[np.float64]:
    # not BLAS, whose threads would round differently
    return np.array([[float((row * other).sum()) for other in others] for row in rows])


def _likelihood(
    positive: NDArray[np.bool_],
    design: NDArray[np.float64],
    offset: NDArray[np.float64] | float,
    at: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    from scipy.special import expit

    fitted: NDArray[np.float64] = expit(offset + (design * at[:, None]).sum(axis=0))
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(fitted - ~positive))
    return float(logs.sum()), fitted
