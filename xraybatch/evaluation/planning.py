"""How many patients a wanted width needs, or telling two models apart; from the films at hand.

Everything shrinks with one over the square root of the patients: it holds for new patients like
these, with as many films each and the same shares of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, log

from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.estimate import FEW

ASSUMPTION = "for patients like these: as many films each, the same shares of classes"
WANTED = (0.05, 0.03, 0.02)
DIFFERENCES = (0.05, 0.02, 0.01)
POWER = 0.8
PLAIN, LOGIT, BOUND = "plain", "logit", "bound"
_EXTREME = 0.9  # above, or below 1 less it, an interval is not even about its value
_FEWEST = 2  # patients, without whom there is no interval


@dataclass(frozen=True)
class Wanted:
    """Patients that an interval of this half width needs in all.

    Never so few that the interval would rest on fewer than `FEW` and be unreliable.
    """

    half_width: float
    patients: int


@dataclass(frozen=True)
class Planning:
    """How wide a number's interval is, and how many patients a narrower one needs.

    Attributes
    ----------
    metric : str
    value : float or None
    half_width : float or None
        Now: half the interval's width.
    patients : int
        All that were scored.
    rests_on : int
        Patients that the interval rests on: of some numbers those with films of the rarest class.
    wanted : tuple of Wanted
        Empty where there is no interval.
    scale : str
        What shrinks with the square root: ``plain``, the width; ``logit``, the width on the logit
        scale (values above 0.9 or below 0.1); ``bound``, nothing, the value being 0 or 1, whose
        bound moves with the patients themselves; empty where there is no interval.
    assumption : str
    reason : str or None
        Why there is no planning.
    """

    metric: str
    value: float | None
    half_width: float | None
    patients: int
    rests_on: int
    wanted: tuple[Wanted, ...] = ()
    scale: str = ""
    assumption: str = ASSUMPTION
    reason: str | None = None


def plan(
    estimate_name: str,
    value: float | None,
    low: float | None,
    high: float | None,
    patients: int,
    rests_on: int | None = None,
    wanted: Sequence[float] = WANTED,
) -> Planning:
    """Patients needed for intervals of the wanted half widths.

    Parameters
    ----------
    estimate_name : str
    value, low, high : float or None
        A number between −1 and 1 and its interval.
    patients : int
        All that were scored.
    rests_on : int, optional
        Of these, those that the interval rests on; None: all.
    wanted : sequence of float
        Half widths, above 0.
    """
    rests = patients if rests_on is None else rests_on
    if value is None or low is None or high is None:
        return Planning(estimate_name, value, None, patients, rests, reason="there is no interval")
    half = (high - low) / 2
    if half <= 0 or rests < _FEWEST:
        reason = "the interval has no width"
        return Planning(estimate_name, value, half, patients, rests, reason=reason)
    if value in (low, high) and value in (0.0, 1.0) and half < 0.5:
        scale = BOUND
    elif low > 0 and high < 1 and not 1 - _EXTREME <= value <= _EXTREME:
        scale = LOGIT
    else:
        scale = PLAIN
    floor = fewest(patients, rests)
    needed = tuple(
        Wanted(w, max(floor, ceil(patients * _times(scale, w, half, value, low, high) - 1e-9)))
        for w in wanted
    )
    return Planning(estimate_name, value, half, patients, rests, needed, scale)


def fewest(patients: int, rests_on: int) -> int:
    """Patients like these of whom `FEW` are of the kind that `rests_on` of `patients` are of."""
    return ceil(FEW * patients / rests_on)


def _times(scale: str, wanted: float, half: float, value: float, low: float, high: float) -> float:
    """How many times the patients."""
    if scale == PLAIN:
        return (half / wanted) ** 2
    if scale == BOUND:
        # a bound of n / (n + c), with c from the films at hand
        return (1 / (2 * wanted) - 1) / (1 / (2 * half) - 1)
    middle, now = _logit(value), (_logit(high) - _logit(low)) / 2
    return (now / _logit_half(middle, wanted)) ** 2


def _logit_half(middle: float, wanted: float) -> float:
    """Half width on the logit scale, about `middle`, of an interval that is twice `wanted` wide."""
    narrow, wide = 0.0, 1.0
    while wide < 1e3 and _width(middle, wide) < 2 * wanted:
        wide *= 2
    for _ in range(80):
        half = (narrow + wide) / 2
        narrow, wide = (half, wide) if _width(middle, half) < 2 * wanted else (narrow, half)
    return wide


def _width(middle: float, half: float) -> float:
    return _logistic(middle + half) - _logistic(middle - half)


@dataclass(frozen=True)
class Apart:
    """What it takes to see a true difference of this size.

    Attributes
    ----------
    difference : float
    patients : int
        Needed in all for the stated power, and never so few that the test would rest on fewer than
        `FEW`.
    power_now : float or None
        The power of the films at hand; None for the difference that they show themselves, of which
        it would say nothing that its p-value does not.
    """

    difference: float
    patients: int
    power_now: float | None = None


@dataclass(frozen=True)
class PlanningApart:
    """How many patients it takes to tell two models apart.

    Attributes
    ----------
    metric : str
    observed : float
        The difference on these films, which may be chance.
    standard_error : float
        Of it, by patient.
    patients : int
        All that both models answered.
    rests_on : int
        Patients that the difference rests on: of some numbers those with films of the rarest class.
    power, confidence : float
        Chance to see a true difference, by a two-sided test at one less `confidence`.
    needed : tuple of Apart
        The observed difference first, unless it is 0.
    assumption : str
    """

    metric: str
    observed: float
    standard_error: float
    patients: int
    rests_on: int
    power: float
    confidence: float
    needed: tuple[Apart, ...]
    assumption: str = ASSUMPTION


def plan_apart(
    metric: str,
    found: Difference,
    patients: int,
    differences: Sequence[float] = DIFFERENCES,
    power: float = POWER,
    confidence: float = 0.95,
) -> PlanningApart | None:
    """Patients needed to tell two models apart; None where their difference has no error.

    Parameters
    ----------
    metric : str
    found : Difference
        Of the films at hand, the pilot.
    patients : int
        In the pilot, all of them.
    differences : sequence of float
        True differences to see, beside the observed one.
    power, confidence : float
        Within 0 and 1.
    """
    observed, error = found.estimate.value, found.standard_error
    if observed is None or error is None:
        return None

    rests_on = found.estimate.clusters or patients
    floor = fewest(patients, rests_on)

    def needed_for(size: float) -> int:
        return max(floor, ceil(patients_apart(size, error, patients, power, confidence)))

    needed = (
        *([Apart(abs(observed), needed_for(observed))] if observed else []),
        *(Apart(d, needed_for(d), power_apart(d, error, confidence)) for d in differences),
    )
    return PlanningApart(metric, observed, error, patients, rests_on, power, confidence, needed)


def patients_apart(
    difference: float,
    error: float,
    patients: int,
    power: float = POWER,
    confidence: float = 0.95,
    error_without: float | None = None,
) -> float:
    """Patients at which a true difference is seen with the stated power.

    Parameters
    ----------
    difference : float
        The true one, not 0.
    error : float
        Standard error of the difference with `patients`, by patient.
    patients : int
    power, confidence : float
        Of a two-sided test at one less `confidence`.
    error_without : float, optional
        The standard error if the models did not differ; None: `error`.
    """
    from scipy.special import ndtri

    without = error if error_without is None else error_without
    sure = float(ndtri(0.5 + confidence / 2)) * without + float(ndtri(power)) * error
    return patients * (sure / difference) ** 2


def power_apart(
    difference: float, error: float, confidence: float = 0.95, error_without: float | None = None
) -> float:
    """Chance that a two-sided test finds something, on as many patients as `error` is of.

    Of no difference it is one less `confidence`, as a test's power is.
    """
    from scipy.special import ndtr, ndtri

    without = error if error_without is None else error_without
    threshold = float(ndtri(0.5 + confidence / 2)) * without
    # of the side that the difference is on, as published; the other adds nothing but near 0
    return max(float(ndtr((abs(difference) - threshold) / error)), 1 - confidence)


def _logit(share: float) -> float:
    return log(share / (1 - share))


def _logistic(logit: float) -> float:
    return 1 / (1 + exp(-logit)) if logit > 0 else exp(logit) / (1 + exp(logit))
