"""Numbers from scores: the area under the ROC curve and its clustered interval.

Ties count one half, always. Sums are of whole numbers below 2^53, so that neither the order of the
rows nor any strictly increasing map of the scores changes a digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import student_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

OBUCHOWSKI = "Obuchowski, logit"
PERFECT = "Wilson bound, heuristic"
FEW_PATIENTS = "an interval needs 2 or more patients with and 2 or more without '{}'"


class Ranking:
    """Scores of positive and negative films, sorted once and asked many times.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
        Both values must occur.
    scores : ndarray of float, shape (n,)
        Without NaN.
    """

    def __init__(self, positive: NDArray[np.bool_], scores: NDArray[Any]) -> None:
        self.positive = positive
        order = np.argsort(scores)  # ties are taken together, so in any order
        ordered = scores[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self._order = order
        self._starts = starts
        self._ends = np.r_[starts[1:], len(ordered)]
        self._run = np.repeat(np.arange(len(starts)), self._ends - starts)

    def auc(self, weights: NDArray[np.int64] | None = None) -> float:
        """Probability that a positive film scores above a negative one, ties one half.

        Parameters
        ----------
        weights : ndarray of int64, shape (n,), optional
            How often each film counts.

        Returns
        -------
        float
            NaN where the weights leave no positive or no negative film.
        """
        w = np.ones(len(self.positive), np.int64) if weights is None else weights
        is_positive = self.positive[self._order]
        ordered = w[self._order]
        positives = np.add.reduceat(np.where(is_positive, ordered, 0), self._starts)
        negatives = np.add.reduceat(np.where(is_positive, 0, ordered), self._starts)
        pairs = int(positives.sum()) * int(negatives.sum())
        if pairs == 0:
            return float("nan")
        below = np.cumsum(negatives) - negatives
        return int((positives * (2 * below + negatives)).sum()) / (2 * pairs)

    def placements(self) -> NDArray[np.float64]:
        """Of each film ``(n,)``, the share of the other side that it is on the right side of.

        A positive film: negatives below it, ties one half; a negative film: positives above it.
        The mean over either side is the AUC (DeLong 1988, Sun and Xu 2014).
        """
        is_positive = self.positive[self._order]
        positives = np.add.reduceat(is_positive.astype(np.int64), self._starts)
        negatives = self._ends - self._starts - positives
        all_positives, all_negatives = positives.sum(), negatives.sum()
        below = np.cumsum(negatives) - negatives
        above = all_positives - np.cumsum(positives)
        of_positive = (2 * below + negatives) / (2 * all_negatives)
        of_negative = (2 * above + positives) / (2 * all_positives)
        placed = np.empty(len(self.positive))
        placed[self._order] = np.where(is_positive, of_positive[self._run], of_negative[self._run])
        return placed

    def corners(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Negatives and positives at or above each threshold, from none to all, ties at once."""
        is_positive = self.positive[self._order]
        positives = np.add.reduceat(is_positive.astype(np.int64), self._starts)[::-1]
        negatives = (self._ends - self._starts)[::-1] - positives
        return np.r_[0, np.cumsum(negatives)], np.r_[0, np.cumsum(positives)]


def auc(
    positive: NDArray[np.bool_],
    scores: NDArray[Any],
    patients: NDArray[np.int64],
    name: str,
    confidence: float = 0.95,
) -> Estimate:
    """Area under the ROC curve of the class `name`, with its clustered interval.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
    scores : ndarray of float, shape (n,)
    patients : ndarray of int64, shape (n,)
    name : str
        For the sentences only.
    confidence : float

    Returns
    -------
    Estimate
        Variance of Obuchowski (1997, Biometrics 53:567), which is DeLong's with one film a
        patient; interval on the logit scale, Student's quantile with ``min(I10, I01) − 1`` degrees
        of freedom, I10 and I01 being the patients with a positive and with a negative film.
    """
    return macro_auc([Part(positive, scores, patients, name)], confidence)


class Part(NamedTuple):
    """One class or finding to be ranked, as `auc` takes it."""

    positive: NDArray[np.bool_]
    scores: NDArray[Any]
    patients: NDArray[np.int64]
    name: str


def macro_auc(parts: Iterable[Part], confidence: float = 0.95) -> Estimate:
    """Plain mean of the AUC of several classes or findings.

    Parameters
    ----------
    parts : iterable of Part
        Looked at one after the other, so that a generator needs the memory of one.
    confidence : float

    Returns
    -------
    Estimate
        Undefined where any part is. The variance adds up each patient's share in all parts, so
        that the parts' covariance, from the same patients, is in it; with one part it is
        Obuchowski's.
    """
    n, smallest = 0, (0, "")
    values: list[float] = []
    shares = Shares()
    for part in parts:
        n = max(n, len(part.positive))
        if not part.positive.any():
            return Estimate.undefined(f"no film is of '{part.name}'", n)
        if part.positive.all():
            return Estimate.undefined(f"every film is of '{part.name}'", n)
        ranking = Ranking(part.positive, part.scores)
        found = Components(ranking, part.patients, 1 + int(part.patients.max()))
        smallest = min(smallest, (found.fewest, part.name)) if values else (found.fewest, part.name)
        values.append(found.auc)
        if smallest[0] > 1:
            shares.add(found)
    value, (fewest, name) = float(np.mean(values)), smallest
    if fewest < 2:
        return Estimate(value, interval_reason=FEW_PATIENTS.format(name), n=n)
    quantile = student_quantile(confidence, fewest - 1)
    if value in (0.0, 1.0):
        return _perfect(value, fewest, quantile, n)
    error = shares.variance() ** 0.5
    if error == 0.0:
        return Estimate(value, interval_reason="the scores do not vary within a class", n=n)
    middle, half = np.log(value / (1 - value)), quantile * error / (value * (1 - value))
    low, high = (_logistic(end) for end in (middle - half, middle + half))
    return Estimate(value, low=low, high=high, method=OBUCHOWSKI, n=n, clusters=fewest)


def clustered_variance(parts: Iterable[tuple[Ranking, NDArray[np.int64]]]) -> float:
    """Variance of the mean AUC of `parts`, each a ranking and the patients ``(n,)`` of its films.

    Each needs two or more patients with a positive and with a negative film. Not below 0.
    """
    shares = Shares()
    for ranking, patients in parts:
        shares.add(Components(ranking, patients, 1 + int(patients.max())))
    return shares.variance()


class Components:
    """What one ranking's variance is made of; patients are numbered below `groups`.

    Attributes
    ----------
    auc : float
    x, y : ndarray, shape (groups,)
        Of each patient, the sum of its positive (negative) films' placements less the AUC.
    with_positive, with_negative, patients : int
        I10, I01 and I.
    positives, negatives : int
        Films.
    """

    def __init__(self, ranking: Ranking, patients: NDArray[np.int64], groups: int) -> None:
        self.auc = ranking.auc()
        off = ranking.placements() - self.auc
        positive = ranking.positive
        of_positive, of_negative = patients[positive], patients[~positive]
        self.x = np.bincount(of_positive, off[positive], groups)
        self.y = np.bincount(of_negative, off[~positive], groups)
        self.with_positive = _clusters(of_positive)
        self.with_negative = _clusters(of_negative)
        self.patients = _clusters(patients)
        self.positives = len(of_positive)
        self.negatives = len(of_negative)

    @property
    def fewest(self) -> int:
        """Patients with a positive or with a negative film, whichever are fewer."""
        return min(self.with_positive, self.with_negative)


class Shares:
    """What patients add to the variance of a mean AUC, summed up over its parts.

    S10 / P + S01 / Q + 2 S11 / PQ of one part; of two, the factors I / (I − 1) are their geometric
    mean. The sum over all pairs of parts is a square, so each part is looked at once.
    """

    def __init__(self) -> None:
        self.parts = 0
        self.sums = np.zeros((4, 0))

    def add(self, part: Components) -> None:
        """One more part, with two or more patients on either side."""

        def root(patients: int) -> float:
            return float((patients / (patients - 1)) ** 0.5)

        groups = max(self.sums.shape[1], len(part.x))
        self.sums = np.pad(self.sums, ((0, 0), (0, groups - self.sums.shape[1])))
        x, y = part.x / part.positives, part.y / part.negatives
        known = slice(len(x))
        self.sums[0, known] += root(part.with_positive) * x
        self.sums[1, known] += root(part.with_negative) * y
        self.sums[2, known] += root(part.patients) * x
        self.sums[3, known] += root(part.patients) * y
        self.parts += 1

    def variance(self) -> float:
        """Of the mean; not below 0."""
        return max(0.0, self.covariance(self))

    def covariance(self, other: Shares) -> float:
        """Of the means of two models on the same films."""
        s10, s01, x, y = self.sums
        of_s10, of_s01, of_x, of_y = other.sums
        # not BLAS, whose threads would round by how many they are
        total = float((s10 * of_s10 + s01 * of_s01 + x * of_y + of_x * y).sum())
        return total / (self.parts * other.parts)


def _perfect(value: float, clusters: int, quantile: float, n: int) -> Estimate:
    # the variance is 0 there and the logit endless, yet the next patient may be misranked
    bound = clusters / (clusters + quantile**2)
    low, high = (bound, 1.0) if value == 1.0 else (0.0, 1 - bound)
    caution = f"ranked without a fault among few patients ({clusters}): the bound is a heuristic"
    return Estimate(
        value, low=low, high=high, method=PERFECT, n=n, caution=caution, clusters=clusters
    )


def _clusters(patients: NDArray[np.int64]) -> int:
    return int(np.count_nonzero(np.bincount(patients))) if len(patients) else 0


def _logistic(logit: float) -> float:
    return 1 / (1 + exp(-logit)) if logit > 0 else exp(logit) / (1 + exp(logit))
