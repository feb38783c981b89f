"""Results and labels to a report: join, one report a task, settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.core.versions import versions_of
from xraybatch.evaluation import findings, plugin_metrics, single_label
from xraybatch.evaluation.answers import Answers, answers
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.closer import look_closer
from xraybatch.evaluation.columns import check_label_map, label_columns
from xraybatch.evaluation.cuts import Chosen, check_rules
from xraybatch.evaluation.estimate import with_clusters
from xraybatch.evaluation.join import INDEPENDENT, Joined, join
from xraybatch.evaluation.report import JoinReport, Report, Settings, TaskReport
from xraybatch.evaluation.studies import FILM, Grouping, group
from xraybatch.evaluation.thresholds import ThresholdRule
from xraybatch.extension.records import Metric

if TYPE_CHECKING:
    import pandas as pd

BY_PATIENT = "clustered by patient"
FAILED_LEFT_OUT = (
    "Films without an answer are left out of every number but those that say so, which count them "
    "as wrong and as right."
)
_PACKAGES = ("xraybatch", "numpy", "pandas", "scipy")


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
                f"{self.resamples} resamples are too few for an interval.", "Give 2000 or more."
            )
        if self.seed < 0:
            raise UsageError(f"The seed {self.seed} is negative.")


def score(
    results: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    tasks: Sequence[Task],
    options: ScoreOptions | None = None,
) -> Report:
    """Compare results with labels.

    Parameters
    ----------
    results, labels : pandas.DataFrame
        All cells `str`, the empty one missing, as `xraybatch.core.tables.read_table` returns.
    tasks : sequence of Task
        Of the results; `xraybatch.evaluation.columns.infer_tasks` finds them.
    options : ScoreOptions, optional

    Returns
    -------
    Report
        The same for any order of the rows of either table.

    Raises
    ------
    InputError
        If the tables do not fit each other or the tasks.
    UsageError
        If options and tasks do not fit.
    """
    chosen = options or ScoreOptions()
    joined, told = join_for(results, labels, tasks, chosen)
    return evaluate(joined, told, tasks, chosen)


def join_for(
    results: pd.DataFrame, labels: pd.DataFrame, tasks: Sequence[Task], options: ScoreOptions
) -> tuple[Joined, JoinReport]:
    """The first half of `score`: which films belong together, and which studies."""
    check_label_map(options.label_map, tasks)
    check_rules(options.rules, tasks)
    homes = label_columns(labels.columns, tasks, options.label_column)
    joined, told = join(
        results,
        labels,
        [column for columns in homes.values() for column in columns],
        path_column=options.path_column,
        patient_column=options.patient_column,
    )
    if options.grouping.unit == FILM:
        return joined, told
    joined, said = group(joined, tasks, homes, options.thresholds, options.grouping)
    return joined, replace(told, sentences=(*told.sentences, *said))


def answers_by_task(
    joined: Joined, tasks: Sequence[Task], options: ScoreOptions
) -> dict[str, Answers]:
    """Truth and answers of joined tables, by task."""
    homes = label_columns(joined.labels.columns, tasks, options.label_column)
    return {
        task.name: answers(joined, task, len(tasks) > 1, homes[task.name], options.label_map)
        for task in tasks
    }


def evaluate(
    joined: Joined, told: JoinReport, tasks: Sequence[Task], options: ScoreOptions
) -> Report:
    """The second half of `score`: the numbers of films that found each other."""
    homes = label_columns(joined.labels.columns, tasks, options.label_column)
    return Report(
        join=told,
        tasks=tuple(
            _one_task(joined, task, len(tasks) > 1, homes[task.name], options) for task in tasks
        ),
        settings=Settings(
            confidence=options.confidence,
            resamples=options.resamples,
            seed=options.seed,
            clustering=BY_PATIENT if joined.patients_known else INDEPENDENT,
            failed_films=FAILED_LEFT_OUT,
            unit=options.grouping.unit,
            prevalence=options.prevalence,
        ),
        versions=versions_of(_PACKAGES),
    )


def _one_task(
    joined: Joined, task: Task, several: bool, columns: Sequence[str], options: ScoreOptions
) -> TaskReport:
    given = answers(joined, task, several, columns, options.label_map)
    sampling = options.sampling
    if task.kind is TaskKind.MULTILABEL:
        report = findings.evaluate(task, given, columns, sampling, prevalence=options.prevalence)
    else:
        report = single_label.evaluate(
            task, given, columns[0], sampling, prevalence=options.prevalence
        )
    ours = dict(report.estimates)
    for metric in options.metrics:
        if task.kind in metric.kinds:
            # a stranger's metric never replaces a number of ours
            name = metric.name if metric.name not in ours else f"plugin.{metric.name}"
            ours[name] = plugin_metrics.evaluate(metric, given, sampling)
    whole = look_closer(
        replace(report, estimates=ours), task, given, joined, options, several=several
    )
    marked: TaskReport = with_clusters(whole, whole.patients)
    return marked
