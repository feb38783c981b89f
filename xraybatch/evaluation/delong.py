"""The difference of two AUC from the same films: DeLong's test, in pairs, clustered by patient."""

from __future__ import annotations

from collections.abc import Iterable

from xraybatch.evaluation.difference import Difference, two_sided
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import normal_quantile
from xraybatch.evaluation.ranking import FEW_PATIENTS, Components, Part, Ranking, Shares

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
    parts : iterable of Part
        One or more; one patient number means one patient in all of them.

    Attributes
    ----------
    value : float or None
        None where any part has films on one side only; `reason` says which.
    reason : str or None
    n : int
        Films of the largest part looked at.
    fewest : int
        Patients with a positive or with a negative film, of the part where they are fewest.
    smallest : str
        That part's name.
    is_clustered : bool
        Whether a patient has several films in any part.
    shares : Shares
        Of no use where `fewest` is below 2.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        self.n, self.fewest, self.smallest = 0, 0, ""
        self.value: float | None = None
        self.reason: str | None = None
        self.is_clustered = False
        self.shares = Shares()
        values: list[float] = []
        for part in parts:
            self.n = max(self.n, len(part.positive))
            if part.positive.all() or not part.positive.any():
                which = "every" if part.positive.any() else "no"
                self.reason = f"{which} film is of '{part.name}'"
                return
            ranking = Ranking(part.positive, part.scores)
            found = Components(ranking, part.patients, 1 + int(part.patients.max()))
            if not values or found.fewest < self.fewest:
                self.fewest, self.smallest = found.fewest, part.name
            values.append(found.auc)
            self.is_clustered |= found.patients < len(part.positive)
            if self.fewest > 1:
                self.shares.add(found)
        self.value = sum(values) / len(values)


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
    if first.fewest < 2:
        reason = FEW_PATIENTS.format(first.smallest)
        return Difference(Estimate(value, interval_reason=reason, n=first.n))
    alone = first.shares.variance() + other.shares.variance()
    variance = alone - 2 * first.shares.covariance(other.shares)
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
        clusters=first.fewest,
    )
    p = two_sided(value / error)
    return Difference(estimate, error, p, p, name)
