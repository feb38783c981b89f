"""How much each patient moves a number: what differences between groups of films rest on.

A number's influence values add up to 0, and the sum of their squares is its variance with whole
patients as the units. Two numbers of partly the same patients differ by the difference of their
values, with the covariance in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import normal_quantile
from xraybatch.evaluation.ranking import Components, Part, Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINEARISED = "clustered, normal"


@dataclass(frozen=True)
class Influence:
    """A number of some films, and each patient's part in its error.

    Attributes
    ----------
    value : float
    of_patient : ndarray of float64, shape (G,)
        By number of patient; those without a film have 0.
    patients : int
        With a film; of an AUC the fewest of those with a positive and those with a negative one.
    """

    value: float
    of_patient: NDArray[np.float64]
    patients: int


def of_share(
    success: NDArray[np.bool_], patients: NDArray[np.int64], groups: int
) -> Influence | None:
    """Of a share of films; None without films."""
    if not len(success):
        return None
    share = int(success.sum()) / len(success)
    away = np.bincount(patients, success.astype(np.float64) - share, groups) / len(success)
    return Influence(share, away, len(np.unique(patients)))


def of_mean_auc(parts: Sequence[Part], groups: int) -> Influence | None:
    """Of the mean AUC of `parts`; None where one of them has films on one side only."""
    if not parts or any(p.positive.all() or not p.positive.any() for p in parts):
        return None
    values: list[float] = []
    away = np.zeros(groups)
    fewest = groups
    for part in parts:
        ranking = Ranking(part.positive, part.scores)
        c = Components(ranking, part.patients, groups)
        values.append(ranking.auc())
        away += (c.x / c.positives + c.y / c.negatives) / len(parts)
        fewest = min(fewest, c.with_positive, c.with_negative)
    return Influence(float(np.mean(values)), away, fewest)


def difference(
    one: Influence | None, other: Influence | None, confidence: float, n: int
) -> tuple[Estimate, float | None]:
    """`one` less `other`, with its interval and the p-value of no difference.

    Undefined where either is; without interval where either rests on fewer than two patients, or
    nothing varies.
    """
    from scipy.special import ndtr

    if one is None or other is None:
        return Estimate.undefined("it is undefined here, or for all other films", n), None
    gap = one.value - other.value
    fewest = min(one.patients, other.patients)
    if fewest < 2:
        return Estimate(gap, interval_reason="too few patients on one side", n=n), None
    away = one.of_patient - other.of_patient
    units = int(np.count_nonzero((one.of_patient != 0) | (other.of_patient != 0)))
    error = float(np.sqrt(away @ away * units / max(units - 1, 1)))
    if error == 0.0:
        return Estimate(gap, interval_reason="nothing varies between patients", n=n), None
    half = normal_quantile(confidence) * error
    estimate = Estimate(
        gap, low=gap - half, high=gap + half, method=LINEARISED, n=n, clusters=fewest
    )
    return estimate, float(2 * ndtr(-abs(gap) / error))
