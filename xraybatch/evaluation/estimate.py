"""One number with its uncertainty, or with the reason why it has none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FEW = 30  # below, simulated intervals miss their level by more than noise (docs/metrics.md)


@dataclass(frozen=True)
class Estimate:
    """One number with its uncertainty.

    Attributes
    ----------
    value : float or None
        None: undefined, and `reason` says why. Never NaN.
    reason : str or None
        Why there is no value.
    low, high : float or None
        Ends of the interval; both or neither.
    method : str
        How the interval was made; empty where there is none.
    interval_reason : str or None
        Why there is no interval.
    n : int
        The denominator: how many films entered.
    caution : str or None
        What a reader must know before trusting the interval.
    clusters : int
        Patients (films, where patients are not known) that the interval rests on; 0: not known.
    """

    value: float | None
    reason: str | None = None
    low: float | None = None
    high: float | None = None
    method: str = ""
    interval_reason: str | None = None
    n: int = 0
    caution: str | None = None
    clusters: int = 0

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("an estimate has either a value or the reason why it has none")
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends")
        if (self.low is None) == (self.interval_reason is None):
            raise ValueError("an estimate has either an interval or the reason why it has none")
        for number in (self.value, self.low, self.high):
            if number is not None and number != number:
                raise ValueError("NaN is not an estimate: give None and a reason")

    @property
    def is_unreliable(self) -> bool:
        """Whether the interval rests on fewer than `FEW` patients."""
        return self.low is not None and 0 < self.clusters < FEW

    @classmethod
    def undefined(cls, reason: str, n: int = 0) -> Estimate:
        """A number that does not exist, and why."""
        return cls(None, reason, interval_reason=reason, n=n)

    @classmethod
    def counted(cls, part: int, whole: int, nothing: str) -> Estimate:
        """A counted share, so without an interval; `nothing` says why where `whole` is 0."""
        if whole == 0:
            return cls.undefined(nothing)
        return cls(part / whole, interval_reason="counted, not estimated", n=whole)


def with_clusters(found: Any, patients: int) -> Any:
    """The same records, in which every interval says how many patients it rests on.

    Parameters
    ----------
    found : record, mapping, tuple or plain value
        Estimates that say it already stay; inside a record with a field `patients`, that is meant.
    patients : int
    """
    if isinstance(found, Estimate):
        known = found.clusters or found.low is None
        return found if known else dataclasses.replace(found, clusters=patients)
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        mine = getattr(found, "patients", patients)
        parts = {f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
        return dataclasses.replace(
            found, **{name: with_clusters(part, mine) for name, part in parts.items()}
        )
    if isinstance(found, Mapping):
        return {name: with_clusters(part, patients) for name, part in found.items()}
    if isinstance(found, tuple):
        return tuple(with_clusters(part, patients) for part in found)
    return found
