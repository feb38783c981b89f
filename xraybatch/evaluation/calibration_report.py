"""What `calibrate` says: a tree of frozen dataclasses, as the report of `score` is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from xraybatch.core.counting import counted
from xraybatch.core.tasks import TaskKind
from xraybatch.evaluation.conformal import ConformalLevel
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.recalibration import FEW_FOR_ISOTONIC
from xraybatch.evaluation.report import JoinReport, Settings, Source, plain
from xraybatch.evaluation.sets import SetReport
from xraybatch.models.calibration_checks import ISOTONIC, TEMPERATURE


@dataclass(frozen=True)
class Change:
    """One measure of the probabilities before and after.

    Attributes
    ----------
    of : str
        The positive class or the finding; empty: all classes together.
    measure : str
        ``brier``, ``log_loss``: lower is better. ``calibration_slope`` (1 is ideal),
        ``calibration_intercept`` (0 is ideal): of binary tasks and findings. As
        `xraybatch.evaluation.calibration` has them.
    before, after : Estimate
    difference : Estimate or None
        After − before, of the same films; only where lower is better.
    """

    of: str
    measure: str
    before: Estimate
    after: Estimate
    difference: Estimate | None


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold as the card holds it, and what it does.

    Attributes
    ----------
    of : str
        The positive class or the finding.
    threshold : float
        float32; of calibrated probabilities.
    sensitivity, specificity : Estimate
    """

    of: str
    threshold: float
    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True)
class TaskCalibration:
    """What was fitted for a task.

    Attributes
    ----------
    task, kind : str
    classes : tuple of str
    films, patients : int
        It was fitted on; `patients` counts films where patients are not known.
    method : str
        ``none``, ``temperature``, ``platt``, ``isotonic``.
    temperature : tuple of float
        One, or one a finding; empty for other methods.
    slope, intercept : tuple of float
        Of Platt's line, likewise.
    cross_fitted : bool
        Whether `changes`, the shares of `thresholds` and `sets` are of films that fitted nothing;
        otherwise they are optimistic.
    changes : tuple of Change
    rule : str
        By which the thresholds were chosen; empty: none was.
    thresholds : tuple of ChosenThreshold
    score : str
        Of the levels: ``lac``, ``aps``; empty without.
    levels : tuple of ConformalLevel
    sets : SetReport or None
    sentences : tuple of str
    """

    task: str
    kind: str
    classes: tuple[str, ...]
    films: int
    patients: int
    method: str
    temperature: tuple[float, ...]
    slope: tuple[float, ...]
    intercept: tuple[float, ...]
    cross_fitted: bool
    changes: tuple[Change, ...]
    rule: str
    thresholds: tuple[ChosenThreshold, ...]
    score: str
    levels: tuple[ConformalLevel, ...]
    sets: SetReport | None
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class CalibrationReport:
    """What ``calibrate`` returns.

    Attributes
    ----------
    join : JoinReport
    tasks : tuple of TaskCalibration
    model, seal : str
        Name of the file that was given, without folders, and its seal.
    written, new_seal : str
        Of the file that was written.
    settings : Settings
    versions : mapping of str to str
    sources : tuple of Source
    sentences : tuple of str
    """

    join: JoinReport
    tasks: tuple[TaskCalibration, ...]
    model: str
    seal: str
    written: str
    new_seal: str
    settings: Settings
    versions: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    sentences: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON's own types."""
        found = plain(self)
        assert isinstance(found, dict)
        return found


def sentences_of(found: TaskCalibration) -> Iterator[str]:
    """What a person should know before trusting it."""
    if not found.cross_fitted:
        yield (
            "Too few patients, or too few errors among them, to leave a fifth out: the numbers are "
            "of the films that everything was fitted on, and optimistic."
        )
    if found.method == ISOTONIC and found.films < FEW_FOR_ISOTONIC:
        yield (
            f"Isotonic calibration follows chance in {counted(found.films, 'film')}; below "
            f"{FEW_FOR_ISOTONIC:,} the other methods are safer."
        )
    if found.method == ISOTONIC and found.kind in (TaskKind.MULTICLASS, TaskKind.ORDINAL):
        yield (
            "Each class has a curve of its own and the sum is made 1 again: a film's most probable "
            "class may change."
        )
    for change in found.changes:
        of = f" of '{change.of}'" if change.of else ""
        low = None if change.difference is None else change.difference.low
        if low is not None and low > 0:
            yield (
                f"The {change.measure.replace('_', ' ')}{of} got worse: keep the probabilities as "
                "they were (--method none)."
            )
        if change.measure == "calibration_intercept" and found.method == TEMPERATURE:
            yield from _too_high_or_low(change, of)
    for level in found.levels:
        if level.level is None:
            whose = f"'{level.of_class}' has" if level.of_class else "There are"
            yield (
                f"{whose} films of {counted(level.patients, 'patient')}, too few for this "
                "coverage: "
                + (
                    f"'{level.of_class}' is in every set."
                    if level.of_class
                    else "every set holds every class."
                )
            )


def _too_high_or_low(change: Change, of: str) -> Iterator[str]:
    low, high = change.after.low, change.after.high
    if low is None or high is None or low <= 0 <= high:
        return
    yield (
        f"The probabilities{of} are still too {'low' if low > 0 else 'high'} on the whole, as "
        "after training with class weights or at another share of ill patients: a temperature "
        "cannot mend that, --method platt can."
    )
