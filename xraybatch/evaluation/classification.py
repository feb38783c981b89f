"""Numbers from confusion matrices of whole films.

Every function takes an integer array ``(..., K, K)``, rows the truth, columns the prediction, and
returns float64 ``(...)`` or ``(..., K)``: the point value of one matrix and the values of two
thousand resampled ones come from the same line. Undefined is NaN here, and here only; `why` says
the reason, and `scoring` turns both into an `Estimate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation.ratio import ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Values = NDArray[np.float64]


def confusion_counts(y_true: NDArray[Any], y_pred: NDArray[Any], classes: int) -> Counts:
    """Confusion matrix ``(classes, classes)`` of class indices ``(n,)``; rows are the truth."""
    cells = np.bincount(y_true * classes + y_pred, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


# ── one class against the rest: (..., K, K) → (..., K) ─────────────────────────────────────────


def recall(counts: Counts) -> Values:
    """TP / (TP + FN), the sensitivity of each class; undefined for a class without films."""
    return ratio(_hits(counts), _truth(counts))


def precision(counts: Counts) -> Values:
    """TP / (TP + FP), the PPV of each class; undefined for a class that was never predicted."""
    return ratio(_hits(counts), _predicted(counts))


def f1(counts: Counts) -> Values:
    """2 TP / (2 TP + FP + FN); undefined for a class neither present nor predicted."""
    return ratio(2 * _hits(counts), _truth(counts) + _predicted(counts))


def specificity(counts: Counts) -> Values:
    """TN / (TN + FP); undefined where every film is of the class."""
    others = _films(counts)[..., None] - _truth(counts)
    return ratio(others - _predicted(counts) + _hits(counts), others)


# ── all classes together: (..., K, K) → (...) ──────────────────────────────────────────────────


def accuracy(counts: Counts) -> Values:
    """Share of films on the diagonal; undefined without films."""
    return ratio(_hits(counts).sum(-1), _films(counts))


def balanced_accuracy(counts: Counts) -> Values:
    """Mean recall of the classes that have films, as in scikit-learn; undefined without films."""
    each = recall(counts)
    present = ~np.isnan(each)
    return ratio(np.where(present, each, 0.0).sum(-1), present.sum(-1))


def macro(each: Callable[[Counts], Values]) -> Callable[[Counts], Values]:
    """Plain mean of a number over the classes; undefined where it is for any class."""
    return lambda counts: each(counts).mean(-1)


def weighted(each: Callable[[Counts], Values]) -> Callable[[Counts], Values]:
    """Mean of a number over the classes that have films, weighted by how many."""

    def mean(counts: Counts) -> Values:
        weight = _truth(counts)
        parts = np.where(weight > 0, each(counts) * weight, 0.0)
        return ratio(parts.sum(-1), _films(counts))

    return mean


def kappa(counts: Counts, power: int = 0) -> Values:
    """Cohen's kappa; disagreement weighs ``|i − j| ** power``, 0: all alike, 2: quadratic.

    Undefined where chance alone agrees always: truth and prediction are all of one class.
    """
    grades = np.arange(counts.shape[-1])
    distance = np.abs(grades[:, None] - grades[None, :])
    weight = (distance > 0) * distance**power
    chance = (_truth(counts)[..., :, None] * _predicted(counts)[..., None, :] * weight).sum(
        (-2, -1)
    )
    observed = (counts * weight).sum((-2, -1)) * _films(counts)
    return ratio(chance - observed, chance)


def linear_kappa(counts: Counts) -> Values:
    """Cohen's kappa with linear weights, for ordered grades."""
    return kappa(counts, power=1)


def quadratic_kappa(counts: Counts) -> Values:
    """Cohen's kappa with quadratic weights, for ordered grades."""
    return kappa(counts, power=2)


def mean_grade_error(counts: Counts) -> Values:
    """Mean distance of prediction and truth in grades, 0 and up; undefined without films."""
    grades = np.arange(counts.shape[-1])
    distance = np.abs(grades[:, None] - grades[None, :])
    return ratio((counts * distance).sum((-2, -1)), _films(counts))


def mcc(counts: Counts) -> Values:
    """Matthews' correlation (Gorodkin 2004); undefined where truth or prediction are of one class.

    scikit-learn returns 0.0 there.
    """
    n, truth, guess = _films(counts), _truth(counts), _predicted(counts)
    above = n * _hits(counts).sum(-1) - (truth * guess).sum(-1)
    spread_true = n * n - (truth * truth).sum(-1)
    spread_pred = n * n - (guess * guess).sum(-1)
    # two roots: the product of the brackets passes 2^63 at a hundred thousand films
    below = np.sqrt(spread_true.astype(np.float64)) * np.sqrt(spread_pred.astype(np.float64))
    return ratio(above, below)


# those of every task, in the order they are read; accuracy is a proportion and stands apart
OVERALL: dict[str, Callable[[Counts], Values]] = {
    "balanced_accuracy": balanced_accuracy,
    "macro_precision": macro(precision),
    "macro_recall": macro(recall),
    "macro_f1": macro(f1),
    "weighted_precision": weighted(precision),
    "weighted_recall": weighted(recall),
    "weighted_f1": weighted(f1),
    "kappa": kappa,
    "mcc": mcc,
}
ORDINAL_ONLY: dict[str, Callable[[Counts], Values]] = {
    "quadratic_kappa": quadratic_kappa,
    "linear_kappa": linear_kappa,
    "mean_grade_error": mean_grade_error,
}

NO_FILMS = "no film has both a label and an answer"


def why(name: str, counts: Counts, classes: Sequence[str]) -> str:
    """Why the number `name` of `OVERALL` or `ORDINAL_ONLY` is undefined for one matrix."""
    if counts.sum() == 0:
        return NO_FILMS
    if name == "mcc":
        one_truth = (_truth(counts) > 0).sum() == 1
        return "every film is of one class" if one_truth else "every film was predicted one class"
    if name.endswith("kappa"):
        return "truth and prediction are of one class for every film"
    part = name.partition("_")[2]
    each = {"precision": precision, "recall": recall, "f1": f1}[part](counts)
    missing = [c for c, value in zip(classes, each, strict=True) if np.isnan(value)]
    if name.startswith("weighted"):
        missing = [
            c for c, films in zip(classes, _truth(counts), strict=True) if films and c in missing
        ]
    return f"{part} is undefined for {', '.join(missing)}"


def _films(counts: Counts) -> Counts:
    films: Counts = counts.sum((-2, -1))
    return films


def _hits(counts: Counts) -> Counts:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _truth(counts: Counts) -> Counts:
    films: Counts = counts.sum(-1)
    return films


def _predicted(counts: Counts) -> Counts:
    films: Counts = counts.sum(-2)
    return films
