"""Fitting a calibration: the temperature, or the rising curve, that makes probabilities true.

What is fitted here is plain JSON for a card; `xraybatch.models.calibration` applies it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.answers import MASKED
from xraybatch.models.calibration import log_odds
from xraybatch.models.calibration_checks import ISOTONIC, LARGEST, PLATT, TEMPERATURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS = (TEMPERATURE, PLATT, ISOTONIC)
LINES = (TaskKind.BINARY, TaskKind.MULTILABEL)  # kinds that Platt's method is for
FEW_FOR_ISOTONIC = 1000
_LOWEST, _HIGHEST = 0.05, 20.0  # temperatures
_STEPS = 200
_CLOSE = 1e-10  # Newton doubles the digits: what is left then is rounding


class NotFitted(ValueError):
    """The films do not carry what was asked for; the text says why, without a full stop."""


def fit(
    method: str,
    task: Task,
    y_true: NDArray[np.int64],
    y_prob: NDArray[np.float32],
    patients: NDArray[np.int64],
) -> dict[str, Any]:
    """Fit a calibration.

    Parameters
    ----------
    method : str
        ``temperature``, ``isotonic``, or for binary and multilabel tasks ``platt``.
    task : Task
    y_true : ndarray of int64, shape (n,) or (n, K)
        Class indices; for multilabel 0, 1 or `MASKED`.
    y_prob : ndarray of float32, shape (n, K)
        As the graph gives them.
    patients : ndarray of int64, shape (n,)

    Returns
    -------
    dict
        As a card keeps it, for `xraybatch.models.calibration.calibrated`.

    Raises
    ------
    NotFitted
        If a class or finding has no films, or none without it; if no temperature is best, because
        every film is answered rightly or the probabilities tell nothing.
    """
    if method == TEMPERATURE:
        if task.kind is TaskKind.MULTILABEL:
            odds = log_odds(y_prob, task.kind)
            found = [
                temperature(np.stack([np.zeros(len(y)), odds[has, k]], axis=1), y, name)
                for k, name, has, y in _findings(task, y_true)
            ]
        else:
            found = [temperature(log_odds(y_prob, task.kind), y_true)]
        return {"method": TEMPERATURE, "temperature": found}
    if method == PLATT:
        odds = log_odds(y_prob, task.kind)
        if task.kind is TaskKind.BINARY:
            odds = odds - odds[:, ::-1]
        slopes, intercepts = zip(
            *(platt_line(odds[has, k], y, name) for k, name, has, y in _curves(task, y_true)),
            strict=True,
        )
        return {"method": PLATT, "slope": [*slopes], "intercept": [*intercepts]}
    lines = []
    for k, name, has, positive in _curves(task, y_true):
        _check_both(positive, name)
        count = len(np.unique(patients[has]))
        x, y = isotonic_knots(y_prob[has, k], positive, count)
        lines.append({"x": x.tolist(), "y": y.tolist()})
    return {"method": ISOTONIC, "knots": lines}


def temperature(
    logits: NDArray[np.float64], y_true: NDArray[np.int64], finding: str | None = None
) -> float:
    """The temperature of the lowest log loss (Guo et al. 2017); the loss is convex in 1 / T.

    Parameters
    ----------
    logits : ndarray of float64, shape (n, K)
    y_true : ndarray of int64, shape (n,)
        Column of the truth.
    finding : str, optional
        For the sentence of the error.

    Raises
    ------
    NotFitted
        If the best temperature lies outside 0.05 to 20.
    """
    of = f" of '{finding}'" if finding else ""
    if finding is not None:
        _check_both(y_true, finding)
    own = np.take_along_axis(logits, y_true[:, None], axis=1)[:, 0]

    def slopes(sharpness: float) -> tuple[float, float]:
        scaled = sharpness * logits
        parts = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        parts /= parts.sum(axis=1, keepdims=True)
        mean = np.einsum("nk,nk->n", parts, logits)
        spread = np.einsum("nk,nk->n", parts, logits**2) - mean**2
        return float((mean - own).mean()), float(spread.mean())

    low, high = 1 / _HIGHEST, 1 / _LOWEST
    if not len(y_true) or slopes(low)[0] >= 0:
        raise NotFitted(f"the probabilities{of} tell these films apart no better than chance")
    if slopes(high)[0] <= 0:
        raise NotFitted(f"every film{of} is answered so well that no temperature is best")
    now = 1.0
    for _ in range(_STEPS):
        slope, bend = slopes(now)
        low, high = (now, high) if slope < 0 else (low, now)
        newton = now - slope / bend if bend > 0 else low
        after = newton if low < newton < high else (low + high) / 2
        if abs(after - now) <= _CLOSE * now:
            break
        now = after
    return 1 / after


def platt_line(
    odds: NDArray[np.float64], positive: NDArray[np.int64], name: str
) -> tuple[float, float]:
    """Slope and intercept of the log odds (Platt 1999, as Lin, Lin and Weng 2007 fit them).

    The truth of P films of the class and Q others is taken for (P + 1) / (P + 2) and 1 / (Q + 2),
    so that a fit exists however well they are separated.

    Raises
    ------
    NotFitted
        If the films are all on one side, or the slope is not above 0.
    """
    _check_both(positive, name)
    of, others = int(positive.sum()), int((1 - positive).sum())
    target = np.where(positive == 1, (of + 1) / (of + 2), 1 / (others + 2))
    chance = f"the probabilities of '{name}' tell these films apart no better than chance"
    if np.ptp(odds) == 0:
        raise NotFitted(chance)
    design = np.stack([odds, np.ones(len(odds))], axis=1)
    now = np.array([0.0, np.log((of + 1) / (others + 1))])
    loss = _soft_loss(design @ now, target)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-(design @ now)))
        bend = (design * (p * (1 - p))[:, None]).T @ design
        step = np.linalg.solve(bend + 1e-12 * np.eye(2), design.T @ (target - p))
        while (after := _soft_loss(design @ (now + step), target)) > loss + 1e-12 * abs(loss):
            step = step / 2
        now, loss = now + step, after
        if np.abs(step).max() <= _CLOSE * max(1.0, float(np.abs(now).max())):
            break
    if not 0 < now[0] <= LARGEST or abs(now[1]) > LARGEST:
        raise NotFitted(chance)
    return float(now[0]), float(now[1])


def _soft_loss(logits: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Log loss of targets between 0 and 1, summed."""
    return float((np.logaddexp(0, logits) - target * logits).sum())


def isotonic_knots(
    probabilities: NDArray[np.float32], positive: NDArray[np.integer | np.bool_], patients: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knots of the rising step function of least squares, joined by straight lines.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n,)
        Of the class; not empty.
    positive : ndarray of bool or 0 and 1, shape (n,)
    patients : int
        Behind the films. So many patients cannot show a probability below 1 / (patients + 2), or
        as near to 1, and none is given.

    Returns
    -------
    x, y : ndarray of float64, shape (knots,)
    """
    from scipy.optimize import isotonic_regression

    x, group = np.unique(probabilities.astype(np.float64).clip(0, 1), return_inverse=True)
    films = np.bincount(group)
    share = np.bincount(group, np.asarray(positive, np.float64)) / films
    y = np.asarray(isotonic_regression(share, weights=films).x)
    y = np.maximum.accumulate(y.clip(1 / (patients + 2), (patients + 1) / (patients + 2)))
    # within a run of equal values only its ends are needed
    kept = np.ones(len(y), bool)
    kept[1:-1] = (y[1:-1] != y[:-2]) | (y[1:-1] != y[2:])
    return x[kept], y[kept]


def _findings(
    task: Task, y_true: NDArray[np.int64]
) -> Iterator[tuple[int, str, NDArray[np.bool_], NDArray[np.int64]]]:
    """Column, name, which films are labelled, and their truth, for each finding."""
    for k, name in enumerate(task.classes):
        has = y_true[:, k] != MASKED
        yield k, name, has, y_true[has, k]


def _curves(
    task: Task, y_true: NDArray[np.int64]
) -> Iterator[tuple[int, str, NDArray[np.bool_], NDArray[np.int64]]]:
    """The same for everything that gets a curve of its own."""
    if task.kind is TaskKind.MULTILABEL:
        yield from _findings(task, y_true)
        return
    binary = task.kind is TaskKind.BINARY
    for k in [task.positive_index] if binary else range(len(task.classes)):
        yield k, task.classes[k], np.ones(len(y_true), bool), (y_true == k).astype(np.int64)


def _check_both(positive: NDArray[np.int64], name: str) -> None:
    if not positive.any():
        raise NotFitted(f"no film is of '{name}'")
    if positive.all():
        raise NotFitted(f"every film is of '{name}'")
