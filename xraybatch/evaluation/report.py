"""The report: a tree of frozen dataclasses that is the published JSON schema.

Every number is an `Estimate`: a value, its interval, how the interval was made, and the reason
where either does not exist. Consoles, pages and pictures only render this tree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from xraybatch.evaluation.curves import (
    DecisionCurve,
    PrecisionRecallCurve,
    ReliabilityCurve,
    RocCurve,
    ThresholdCounts,
)
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.operating_point import OperatingPoint
from xraybatch.evaluation.planning import Planning
from xraybatch.evaluation.readers import ReaderReport
from xraybatch.evaluation.sets import SetReport
from xraybatch.evaluation.slices import SliceReport

SCHEMA_VERSION = "1.2"


@dataclass(frozen=True)
class JoinReport:
    """How the films of results and labels found each other.

    Attributes
    ----------
    results_films, labels_films : int
        Rows of each table, duplicates of the labels counted once.
    matched : int
        Films of the results that have a row of labels.
    only_in_results, only_in_labels : int
    duplicates : int
        Rows of the labels that repeat another one word for word, and were counted once.
    failed : mapping of str to int
        Matched films without an answer, by status.
    coverage : Estimate
        Matched films with an answer, of all matched.
    matched_by : str
        What was compared; anything but the whole path is said in `sentences` too.
    patients : int or None
        Patients among the matched films; None: not known.
    sentences : tuple of str
        What a person should know of the join.
    """

    results_films: int
    labels_films: int
    matched: int
    only_in_results: int
    only_in_labels: int
    duplicates: int
    failed: Mapping[str, int]
    coverage: Estimate
    matched_by: str
    patients: int | None
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts of films; rows are the truth, columns the prediction, both in the order of classes."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ClassReport:
    """One class against the rest.

    Attributes
    ----------
    name : str
    support, predicted : int
        Films of this class, and films predicted to be.
    estimates : mapping of str to Estimate
        ``prevalence``, ``precision``, ``recall``, ``f1``, ``specificity``, ``auc``.
    """

    name: str
    support: int
    predicted: int
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True)
class TaskReport:
    """All numbers of one task.

    Attributes
    ----------
    task : str
    kind : str
    classes : tuple of str
    positive : str or None
    label_column : str
        Where the truth was read; for multilabel the findings' columns, joined by a comma.
    films, patients : int
        What entered the numbers; `patients` counts clusters, films where patients are not known.
    unlabelled, failed : int
        Matched films that did not enter: without a label for this task; labelled, but without an
        answer.
    estimates : mapping of str to Estimate
        The numbers of the task as a whole, in the order they should be read.
    by_class : tuple of ClassReport
    confusion : ConfusionMatrix or None
        None for multilabel.
    curves : tuple of RocCurve
        This and the next four: one a class; of a binary task of its positive class.
    precision_recall : tuple of PrecisionRecallCurve
    reliability : tuple of ReliabilityCurve
    decision : tuple of DecisionCurve
    explorer : tuple of ThresholdCounts
    findings : tuple of TaskReport
        Multilabel: each finding as a binary task of its own.
    operating_points : tuple of OperatingPoint
        What a person asked for with rules for thresholds.
    seen : int
        Films that the model was trained on, as far as its results say.
    without_seen : mapping of str to Estimate
        The main numbers without them; empty where there are none.
    slices : tuple of SliceReport
    readers : ReaderReport or None
    sets : SetReport or None
        None: the results have no sets of classes.
    planning : tuple of Planning
        Of the main numbers: how wide their intervals are, and patients for narrower ones.
    sentences : tuple of str
    """

    task: str
    kind: str
    classes: tuple[str, ...]
    positive: str | None
    label_column: str
    films: int
    patients: int
    unlabelled: int
    failed: int
    estimates: Mapping[str, Estimate]
    by_class: tuple[ClassReport, ...] = ()
    confusion: ConfusionMatrix | None = None
    curves: tuple[RocCurve, ...] = ()
    precision_recall: tuple[PrecisionRecallCurve, ...] = ()
    reliability: tuple[ReliabilityCurve, ...] = ()
    decision: tuple[DecisionCurve, ...] = ()
    explorer: tuple[ThresholdCounts, ...] = ()
    findings: tuple[TaskReport, ...] = ()
    operating_points: tuple[OperatingPoint, ...] = ()
    seen: int = 0
    without_seen: Mapping[str, Estimate] = field(default_factory=dict)
    slices: tuple[SliceReport, ...] = ()
    readers: ReaderReport | None = None
    sets: SetReport | None = None
    planning: tuple[Planning, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What the numbers depend on besides the tables.

    `unit` is what is scored: films, studies or patients; `prevalence` that which predictive values
    at a prevalence are for.
    """

    confidence: float
    resamples: int
    seed: int
    clustering: str
    failed_films: str
    unit: str = "film"
    prevalence: float | None = None


@dataclass(frozen=True)
class AnswerFacts:
    """How a model's probabilities of one task become answers; empty where its card does not say.

    Attributes
    ----------
    task : str
    thresholds : mapping of str to float
        By class; empty where the most probable class is the answer.
    origin : str
        Where the thresholds come from.
    calibration : str
        What was fitted to the probabilities, and on which films.
    sets : str
        How sets of classes are made, for which coverage, and on which films that was fitted.
    """

    task: str
    thresholds: Mapping[str, float]
    origin: str = ""
    calibration: str = ""
    sets: str = ""


@dataclass(frozen=True)
class ModelFacts:
    """What the results' run record says of the model; empty where it does not.

    Attributes
    ----------
    name, seal, created : str
    split, overlap : str
        How its films were split, and what was tested to stand in one part only.
    films, patients : int or None
        That it was made from, all parts together.
    answers : tuple of AnswerFacts
        One a task.
    films_by_part : mapping of str to int
        Of these films, those of training (``train``), validation (``val``) and ``test``.
    folds : int
        Of a cross-validation, of which each film was answered by the model that had not seen it;
        0: one model answered.
    distortion : str
        Why its probabilities are none, as far as its training says; empty where nothing does.
    checked, seen : int
        Films of the results that were held against those of its training and validation, and of
        these the ones found among them.
    """

    name: str
    seal: str
    created: str
    split: str
    overlap: str
    films: int | None
    patients: int | None
    answers: tuple[AnswerFacts, ...] = ()
    films_by_part: Mapping[str, int] = field(default_factory=dict)
    folds: int = 0
    distortion: str = ""
    checked: int = 0
    seen: int = 0


@dataclass(frozen=True)
class Source:
    """A file that the report was made from: its role, its name without folders, its SHA-256."""

    role: str
    name: str
    sha256: str


@dataclass(frozen=True)
class Report:
    """What ``score`` returns.

    Attributes
    ----------
    schema_version : str
    join : JoinReport
    tasks : tuple of TaskReport
    settings : Settings
    versions : mapping of str to str
        Of the packages that made the numbers.
    sources : tuple of Source
        Empty where tables came from memory.
    model : ModelFacts or None
        None: no run record lies with the results.
    sentences : tuple of str
        What stands above every number, such as "demonstration model".
    """

    join: JoinReport
    tasks: tuple[TaskReport, ...]
    settings: Settings
    versions: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    model: ModelFacts | None = None
    sentences: tuple[str, ...] = ()
    schema_version: str = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON's own types; ``json.dumps(..., allow_nan=False)`` always succeeds."""
        found = plain(self)
        assert isinstance(found, dict)
        return found


def plain(value: Any) -> Any:
    """Dataclasses, mappings and tuples as JSON's own types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return str(value.value) if isinstance(value, Enum) else value
