"""Results and labels to a report: join, one report a task, settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.core.versions import versions_of
from xraybatch.evaluation import findings, plugin_metrics, single_label
from xraybatch.evaluation.aggregation import OF_FINDINGS
from xraybatch.evaluation.answers import Answers, answers
from xraybatch.evaluation.closer import look_closer
from xraybatch.evaluation.columns import check_label_map, label_columns
from xraybatch.evaluation.cuts import check_rules
from xraybatch.evaluation.estimate import with_clusters
from xraybatch.evaluation.join import INDEPENDENT, join
from xraybatch.evaluation.joined import Joined
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.places import with_places
from xraybatch.evaluation.report import JoinReport, Report, Settings, TaskReport
from xraybatch.evaluation.studies import FILM, group

if TYPE_CHECKING:
    import pandas as pd

BY_PATIENT = "clustered by patient"
FAILED_LEFT_OUT = (
    "Films without an answer are left out of every number but those that say so, which count them "
    "as wrong and as right."
)
PACKAGES = ("xraybatch", "numpy", "pandas", "scipy")


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
    if options.prevalence is not None and all(t.kind not in OF_FINDINGS for t in tasks):
        raise UsageError("--prevalence needs a task with a positive class.", "Leave it out.")
    homes = label_columns(labels.columns, tasks, options.label_column)
    truth = [column for columns in homes.values() for column in columns]
    if same := sorted(set(options.slices) & set(truth)):
        raise UsageError(
            f"--slice {same[0]} is the column of the truth: each part would have one class.",
            "Name a column of groups, such as a site or a sex.",
        )
    joined, told = join(
        with_places(results, options.slices, labels.columns),
        labels,
        truth,
        also=[c for c in (*options.readers, *options.slices) if c in labels],
        path_column=options.path_column,
        patient_column=options.patient_column,
    )
    if options.grouping.unit == FILM:
        return joined, told
    joined, said = group(
        joined, tasks, homes, options.thresholds, options.grouping,
        readers=options.readers, slices=options.slices,
    )  # fmt: skip
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
        versions=versions_of(PACKAGES),
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
