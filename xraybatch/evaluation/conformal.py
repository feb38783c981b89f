"""Split conformal levels: how strange a class may be and still belong to a film's set.

The promise is about one film, drawn at random, of a new patient like those of the table: its class
is in its set at least as often as was stated, whatever the model. Films of one patient are alike,
so it is patients that are counted: a film weighs ``1 / ((G + 1) m)`` where its patient has m films
and there are G patients, and the patient still to come weighs ``1 / (G + 1)`` at infinity
(Lee, Barber and Willett, arXiv 2306.06342). With one film a patient that is the usual quantile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import UsageError
from xraybatch.models.calibration import nonconformity
from xraybatch.models.calibration_checks import APS, LAC

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCORES = (LAC, APS)
SPREAD = 0.95  # of the calibration files that might have been
_ROUNDING = 1e-9  # of a sum of weights, in patients


@dataclass(frozen=True)
class ConformalLevel:
    """One level, and how far it can be trusted.

    Attributes
    ----------
    of_class : str or None
        The class whose films it was fitted on; None: all films.
    level : float or None
        The largest nonconformity that belongs to a set; None: too few patients, everything does.
    films, patients : int
        It was fitted on.
    spread_low, spread_high : float or None
        Where the coverage of films to come lies for 95 of 100 tables of so many patients: the
        stated coverage is the promise over all tables, not of this one. Exact for one film a
        patient and scores without ties (the Beta distribution of Vovk 2012). None without a level.
    """

    of_class: str | None
    level: float | None
    films: int
    patients: int
    spread_low: float | None
    spread_high: float | None


def fit_levels(
    y_true: NDArray[np.int64],
    y_prob: NDArray[np.float32],
    patients: NDArray[np.int64],
    classes: Sequence[str],
    *,
    coverage: float,
    score: str = LAC,
    by_class: bool = False,
) -> tuple[ConformalLevel, ...]:
    """Fit the levels for a stated coverage.

    Parameters
    ----------
    y_true : ndarray of int64, shape (n,)
        Class indices.
    y_prob : ndarray of float32, shape (n, K)
        As the graph gives them, not calibrated.
    patients : ndarray of int64, shape (n,)
    classes : sequence of str
    coverage : float
        Share of the films whose class is to be in their set, within 0.5 and 1.
    score : str
        ``lac`` or ``aps``, as `xraybatch.models.calibration.nonconformity` has them.
    by_class : bool
        A level for each class, so that the promise holds for the films of each class (Mondrian).

    Returns
    -------
    tuple of ConformalLevel
        One, or one a class in their order.
    """
    if not 0.5 <= coverage < 1:
        raise UsageError(f"A coverage of {coverage:g} makes no sets.", "Give 0.9, or 0.5 to 1.")
    own = np.take_along_axis(nonconformity(y_prob, score), y_true[:, None], axis=1)[:, 0]
    if not by_class:
        return (_level(None, own, patients, coverage),)
    return tuple(
        _level(name, own[y_true == k], patients[y_true == k], coverage)
        for k, name in enumerate(classes)
    )


def patient_quantile(
    scores: NDArray[np.float64], patients: NDArray[np.int64], coverage: float
) -> float | None:
    """The least score that the stated share of patients does not pass; None: there are too few.

    Parameters
    ----------
    scores : ndarray of float64, shape (n,)
    patients : ndarray of int64, shape (n,)
        The films of a patient share that patient's weight.
    coverage : float
    """
    if len(scores) == 0:
        return None
    sizes = np.bincount(patients)
    order = np.argsort(scores)
    reached = np.cumsum(1 / sizes[patients[order]])  # in patients
    count = int(np.count_nonzero(sizes))
    wanted = coverage * (count + 1) - _ROUNDING
    if wanted > count:
        return None
    at = min(int(np.searchsorted(reached, wanted)), len(scores) - 1)
    return float(scores[order[at]])


def coverage_spread(patients: int, coverage: float) -> tuple[float, float] | None:
    """Between which shares the coverage lies, given one table of so many patients; None: too few.

    The coverage of films to come, once the level stands, follows Beta(G + 1 − l, l) with
    l = ⌊(1 − coverage)(G + 1)⌋.
    """
    from scipy.special import betaincinv

    inside = int(np.ceil(coverage * (patients + 1) - _ROUNDING))
    outside = patients + 1 - inside
    if outside < 1:
        return None
    low, high = (
        float(betaincinv(inside, outside, q)) for q in (0.5 - SPREAD / 2, 0.5 + SPREAD / 2)
    )
    return low, high


def _level(
    of_class: str | None,
    scores: NDArray[np.float64],
    patients: NDArray[np.int64],
    coverage: float,
) -> ConformalLevel:
    count = len(np.unique(patients))
    level = patient_quantile(scores, patients, coverage)
    low, high = coverage_spread(count, coverage) or (None, None)
    return ConformalLevel(of_class, level, len(scores), count, low, high)
