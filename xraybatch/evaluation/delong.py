"""The difference of two AUC from the same films: DeLong's test, in pairs, clustered by patient."""

from __future__ import annotations

from collections.abc import Sequence

from xraybatch.evaluation.difference import Difference, two_sided
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import normal_quantile
from xraybatch.evaluation.ranking import (
    FEW_PATIENTS,
    Components,
    Part,
    Ranking,
)

DELONG = "paired DeLong"
DELONG_CLUSTERED = "paired DeLong, clustered"
_ROUNDING = 1e-12  # of the two variances, which their covariance takes away
SAME_RANKING = "both rank the films alike"
NO_VARIANCE = "the scores of neither vary within a class"
PERFECT_ONE = "one of the two ranks without a fault, so that the interval may be too narrow"


class Ranked:
    """The mean AUC of a model's classes or findings, and each patient's share in it.

    Parameters
    ----------
    parts : sequence of Part
        One or more; one patient number means one patient in all of them.

    Attributes
    ----------
    value : float or None
        None where any part has films on one side only; `reason` says which.
    reason : str or None
    n : int
        Films of the largest part.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.n = max(len(part.positive) for part in parts)
        self.value: float | None = None
        self.reason: str | None = None
        self._components: list[Components] = []
        for part in parts:
            if not part.positive.any():
                self.reason = f"no film is of '{part.name}'"
                return
            if part.positive.all():
                self.reason = f"every film is of '{part.name}'"
                return
        groups = 1 + max(int(part.patients.max()) for part in parts)
        rankings = [Ranking(part.positive, part.scores) for part in parts]
        self.value = sum(ranking.auc() for ranking in rankings) / len(rankings)
        self._components = [
            Components(ranking, part.patients, groups)
            for ranking, part in zip(rankings, parts, strict=True)
        ]
        self._names = [part.name for part in parts]

    def fewest(self) -> tuple[int, str]:
        """The fewest patients on either side of any part, and that part's name."""
        return min(
            (min(c.with_positive, c.with_negative), name)
            for c, name in zip(self._components, self._names, strict=True)
        )

    @property
    def is_clustered(self) -> bool:
        """Whether a patient has several films in any part."""
        return any(c.patients < c.positives + c.negatives for c in self._components)

    def covariance(self, other: Ranked) -> float:
        """Covariance of two models' mean AUC on the same films; the variance with itself."""
        total = sum(_covariance(a, b) for a in self._components for b in other._components)
        return total / (len(self._components) * len(other._components))


def _covariance(a: Components, b: Components) -> float:
    """Covariance of two AUC whose films are of the same patients; the variance with itself."""

    # S10 / P + S01 / Q + (S11 + S11') / PQ, the factors of two rankings by their geometric mean
    def factor(m: int, n: int) -> float:
        return float((m / (m - 1) * n / (n - 1)) ** 0.5)

    s10 = factor(a.with_positive, b.with_positive) * (a.x @ b.x) / (a.positives * b.positives)
    s01 = factor(a.with_negative, b.with_negative) * (a.y @ b.y) / (a.negatives * b.negatives)
    s11 = a.x @ b.y / (a.positives * b.negatives) + a.y @ b.x / (a.negatives * b.positives)
    return float(s10 + s01 + factor(a.patients, b.patients) * s11)


def auc_difference(first: Ranked, other: Ranked, confidence: float = 0.95) -> Difference:
    """(Mean) AUC of `other` less that of `first`.

    Parameters
    ----------
    first, other : Ranked
        Of the same films, classes and patients.
    confidence : float

    Returns
    -------
    Difference
        Variance of DeLong (1988, Biometrics 44:837), of Obuchowski (1997, Biometrics 53:567) where
        a patient has several films; normal quantile, which keeps its level from 40 patients up
        where Student's is too cautious.
    """
    if first.value is None or other.value is None:
        return Difference.undefined(first.reason or other.reason or "", first.n)
    value = other.value - first.value
    fewest, smallest = first.fewest()
    if fewest < 2:
        reason = FEW_PATIENTS.format(smallest)
        return Difference(Estimate(value, interval_reason=reason, n=first.n))
    alone = first.covariance(first) + other.covariance(other)
    variance = alone - 2 * first.covariance(other)
    if variance <= _ROUNDING * alone:
        reason = NO_VARIANCE if value else SAME_RANKING
        return Difference(Estimate(value, interval_reason=reason, n=first.n))
    error = variance**0.5
    half = normal_quantile(confidence) * error
    name = DELONG_CLUSTERED if first.is_clustered else DELONG
    estimate = Estimate(
        value,
        low=max(-1.0, value - half),
        high=min(1.0, value + half),
        method=name,
        n=first.n,
        caution=PERFECT_ONE if {first.value, other.value} & {0.0, 1.0} else None,
    )
    p = two_sided(value / error)
    return Difference(estimate, error, p, p, name)
