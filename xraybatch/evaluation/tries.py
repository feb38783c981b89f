"""Settings that were tried in training, as they did on the validation films."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xraybatch.evaluation.report import plain

SCHEMA_VERSION = "1.1"


@dataclass(frozen=True)
class TriedSetting:
    """One point of a grid.

    Attributes
    ----------
    values : mapping of str to str
        Setting → value, as a person wrote them.
    best : tuple of float or None
        The best epoch's figure of each split: of one run one, of a cross-validation one a fold.
    epochs : int
        Of all splits together.
    seconds : float
        In these epochs.
    chosen : tuple of int
        The splits, from 0, that it was chosen in.
    reasons : tuple of str
        Why there is no figure, of each split; empty where there is one, or nothing is known.
    """

    values: Mapping[str, str]
    best: tuple[float | None, ...]
    epochs: int
    seconds: float
    chosen: tuple[int, ...]
    reasons: tuple[str, ...] = ()

    @property
    def mean(self) -> float | None:
        """The mean of `best`; None where one of them is not known."""
        known = [value for value in self.best if value is not None]
        return sum(known) / len(known) if len(known) == len(self.best) else None


@dataclass(frozen=True)
class Grid:
    """All settings that were tried against each other.

    Attributes
    ----------
    folds : int
        Splits of a cross-validation; 0: one split.
    monitor : str
        The figure that they were chosen by, as in ``history.csv``.
    settings : tuple of TriedSetting
        In the order in which they were tried.
    """

    folds: int
    monitor: str
    settings: tuple[TriedSetting, ...]


@dataclass(frozen=True)
class Tries:
    """What was tried in a run.

    Attributes
    ----------
    run : str
        Name of its folder.
    grids : tuple of Grid
        One; of a cross-validation that was refitted two, the folds' first.
    schema_version : str
    """

    run: str
    grids: tuple[Grid, ...]
    schema_version: str = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON's own types."""
        found = plain(self)
        assert isinstance(found, dict)
        return found
