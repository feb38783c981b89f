"""What a person asks of a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xraybatch.core.errors import UsageError
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.cuts import Chosen
from xraybatch.evaluation.studies import Grouping
from xraybatch.evaluation.thresholds import ThresholdRule
from xraybatch.extension.records import Metric


@dataclass(frozen=True)
class ScoreOptions:
    """How to read the labels and how to make the intervals.

    Attributes
    ----------
    path_column : str
        Of the labels.
    label_column : str or None
        Of the truth, for a model with one task; None: the task's name, or ``label``.
    patient_column : str or None
        Of the labels; None: ``patient`` of the labels, else of the results.
    label_map : mapping of str to str
        Value of the labels → class; to the empty string: not labelled.
    confidence : float
        Level of every interval, within 0 and 1.
    resamples, seed : int
        Of the bootstrap.
    metrics : sequence of Metric
        Of plugins; each enters the tasks of its kinds.
    grouping : Grouping
        Whether films are scored, or studies.
    thresholds : mapping of str to sequence of float
        By task, those behind the answers, as the run record has them; only `grouping` asks.
    levels : mapping of str to float
        By task, the coverage stated for its sets of classes, as the run record has it.
    slices : sequence of str
        Columns of either table, for whose values the main numbers are made.
    min_slice : int
        Films that such a part needs.
    readers : sequence of str
        Columns of the labels with the answers of readers.
    prevalence : float or None
        Of the positive class where the model is to be used: predictive values are given for it.
    rules : sequence of ThresholdRule
        For thresholds, whose operating points are shown.
    chosen_on : Chosen or None
        The films that they are chosen on; None: the scored ones.
    """

    path_column: str = "path"
    label_column: str | None = None
    patient_column: str | None = None
    label_map: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 0
    metrics: Sequence[Metric] = ()
    grouping: Grouping = field(default_factory=Grouping)
    thresholds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    slices: Sequence[str] = ()
    min_slice: int = 20
    readers: Sequence[str] = ()
    prevalence: float | None = None
    rules: Sequence[ThresholdRule] = ()
    chosen_on: Chosen | None = None

    @property
    def sampling(self) -> Sampling:
        """How intervals are made."""
        return Sampling(self.confidence, self.resamples, self.seed)

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:
            raise UsageError(
                f"A confidence of {self.confidence} makes no interval.", "Give 0.95, or 0.5 to 1."
            )
        if self.resamples < 100:
            raise UsageError(
                f"{self.resamples} resamples are too few for an interval.",
                "Give 100 or more, better 2000.",
            )
        if self.seed < 0:
            raise UsageError(f"The seed {self.seed} is negative.")
