"""The same numbers for parts of the films: sites, sexes, ages, devices; the worst part first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import InputError
from xraybatch.core.names import number_of
from xraybatch.evaluation.answers import Answers
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.holm import holm
from xraybatch.evaluation.proportions import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_VALUES = 12  # different numbers, above which a column is cut into quarters
_SHOWN_VALUES = 30  # of other columns: more are no slices but names
NOT_SAID = "(empty)"
Numbers = Callable[[Answers], Mapping[str, Estimate]]
Primary = Callable[[Answers], Estimate]
SQUARE_AND_ADD = "square-and-add"


@dataclass(frozen=True)
class Slice:
    """One part of the films.

    Attributes
    ----------
    value : str
    films, patients : int
    estimates : mapping of str to Estimate
    difference : Estimate
        Of the compared number: this part less all other films.
    p_value, adjusted : float or None
        Of that difference, alone and among all parts of the column (Holm).
    """

    value: str
    films: int
    patients: int
    estimates: Mapping[str, Estimate]
    difference: Estimate
    p_value: float | None = None
    adjusted: float | None = None


@dataclass(frozen=True)
class SliceReport:
    """A column's parts.

    Attributes
    ----------
    column : str
    compared : str
        The number that parts are ordered and tested by.
    slices : tuple of Slice
        The worst first.
    too_small : mapping of str to int
        Parts of fewer films than asked for, and how many they have: not shown.
    sentences : tuple of str
    """

    column: str
    compared: str
    slices: tuple[Slice, ...]
    too_small: Mapping[str, int]
    sentences: tuple[str, ...] = ()


def slice_by(
    column: str,
    cells: Sequence[str],
    given: Answers,
    compared: str,
    numbers: Numbers,
    primary: Primary,
    *,
    smallest: int,
    confidence: float,
) -> SliceReport:
    """Numbers of the films of each value of a column.

    Parameters
    ----------
    column : str
    cells : sequence of str
        Of each film of `given`; empty ones are a part of their own. A column of many numbers is cut
        into quarters.
    given : Answers
    compared : str
        Name of the number that `primary` gives.
    numbers, primary : callable
        What is computed of some films.
    smallest : int
        Films that a part needs.
    confidence : float

    Raises
    ------
    InputError
        If the column has too many values to be parts of anything.
    """
    names, told = _parts(column, cells)
    films = Counter(names.tolist())
    shown = [name for name, count in films.items() if count >= smallest]
    found = []
    for name in sorted(shown):
        mine = names == name
        some, rest = given.of(mine), given.of(~mine)
        gap, p = difference(primary(some), primary(rest), confidence)
        patients = len(np.unique(some.patients))
        found.append(Slice(name, int(mine.sum()), patients, numbers(some), gap, p))
    tested = [one.p_value for one in found if one.p_value is not None]
    adjusted = iter(holm(tested))
    found = [one if one.p_value is None else replace(one, adjusted=next(adjusted)) for one in found]
    return SliceReport(
        column,
        compared,
        tuple(sorted(found, key=lambda one: _worst_first(one, compared))),
        {name: films[name] for name in sorted(films) if films[name] < smallest},
        tuple(told),
    )


def difference(one: Estimate, other: Estimate, confidence: float) -> tuple[Estimate, float | None]:
    """`one` less `other`, its interval, and the p-value of no difference.

    The interval is made of those of the two (Newcombe 1998, Stat Med 17:873; Zou and Donner 2008):
    so it is as wide as they are where a small part ranks without a fault and has no variance to
    speak of. The p-value is below 1 − `confidence` where the interval leaves out 0. Both take the
    two for independent: patients with films on both sides make them too cautious.

    Undefined where either is; without interval where either has none.
    """
    from scipy.special import ndtr

    if one.value is None or other.value is None:
        return Estimate.undefined("it is undefined here, or for all other films", one.n), None
    gap = one.value - other.value
    if one.low is None or one.high is None or other.low is None or other.high is None:
        reason = one.interval_reason or other.interval_reason or ""
        return Estimate(gap, interval_reason=reason, n=one.n), None
    down = np.hypot(one.value - one.low, other.high - other.value)
    up = np.hypot(one.high - one.value, other.value - other.low)
    estimate = Estimate(
        gap,
        low=float(gap - down),
        high=float(gap + up),
        method=SQUARE_AND_ADD,
        n=one.n,
        clusters=min(filter(None, (one.clusters, other.clusters)), default=0),
    )
    toward_0 = float(down if gap > 0 else up)
    z = 0.0 if gap == 0 else normal_quantile(confidence) * abs(gap) / toward_0
    return estimate, float(2 * ndtr(-z))


def _parts(column: str, cells: Sequence[str]) -> tuple[NDArray[np.str_], list[str]]:
    stripped = [cell.strip() for cell in cells]
    different = set(stripped) - {""}
    numbers = {cell: number_of(cell) for cell in different}
    if len(different) > _MOST_VALUES and all(n is not None for n in numbers.values()):
        values = np.array([np.nan if not c else float(numbers[c] or 0) for c in stripped])
        cuts = np.unique(np.nanquantile(values, [0.25, 0.5, 0.75], method="inverted_cdf"))
        names = [_range(cuts, value) for value in values.tolist()]
        said = f"'{column}' has {len(different)} different numbers and was cut into quarters."
        return np.array(names), [said]
    if len(different) > _SHOWN_VALUES:
        raise InputError(
            f"Column '{column}' has {len(different):,} different values: too many for slices.",
            "Name a column of groups, such as a site, a device or an age in years.",
        )
    return np.array([cell or NOT_SAID for cell in stripped]), []


def _range(cuts: NDArray[np.float64], value: float) -> str:
    if np.isnan(value):
        return NOT_SAID
    above = int(np.searchsorted(cuts, value, side="left"))
    if above == 0:
        return f"≤ {cuts[0]:g}"
    return f"> {cuts[-1]:g}" if above == len(cuts) else f"> {cuts[above - 1]:g} – {cuts[above]:g}"


def _worst_first(one: Slice, compared: str) -> tuple[float, str]:
    value = one.estimates[compared].value if compared in one.estimates else None
    return (float("inf") if value is None else value, one.value)
