"""A closer look at one task: parts of the films, readers, films that were not seen before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import findings, readers, single_label
from xraybatch.evaluation.answers import Answers, class_codes
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.cuts import operating_points
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.joined import Joined, seen_films
from xraybatch.evaluation.planning import Planning, plan
from xraybatch.evaluation.proportions import proportion
from xraybatch.evaluation.ranking import macro_auc
from xraybatch.evaluation.report import TaskReport
from xraybatch.evaluation.set_columns import read_sets
from xraybatch.evaluation.sets import SetReport, check_sets
from xraybatch.evaluation.slices import SliceReport, slice_by

if TYPE_CHECKING:
    from xraybatch.evaluation.estimate import Estimate
    from xraybatch.evaluation.options import ScoreOptions

_PLANNED = ("auc", "macro_auc", "sensitivity", "specificity", "accuracy")


def look_closer(
    report: TaskReport,
    task: Task,
    given: Answers,
    joined: Joined,
    options: ScoreOptions,
    *,
    several: bool,
) -> TaskReport:
    """Add what options ask for, and the numbers without films that the model was trained on.

    Parameters
    ----------
    report : TaskReport
        Of `task` and `given`.
    task : Task
    given : Answers
    joined : Joined
        That `given` was read from.
    options : ScoreOptions
    several : bool
        Whether the model has several tasks, so that columns carry the task's name.

    Raises
    ------
    InputError
        If a column is in neither table, or is no column of parts.
    UsageError
        If readers are asked for of a multilabel task.
    """
    sampling = options.sampling
    seen = seen_films(joined.results)[given.rows]
    count = int(seen.sum())
    return replace(
        report,
        operating_points=operating_points(
            task, given, options.rules, options.chosen_on, sampling
        ),
        seen=count,
        without_seen=main_numbers(task, given.of(~seen), sampling) if 0 < count < len(seen) else {},
        slices=tuple(
            _slice(task, given, joined, column, options) for column in options.slices
        ),
        readers=(
            _readers(task, given, joined, options, several) if options.readers else None
        ),
        sets=_sets(task, given, joined, options, several),
        planning=_planning(report),
    )  # fmt: skip


def main_numbers(task: Task, given: Answers, sampling: Sampling) -> Mapping[str, Estimate]:
    """The few numbers that are made of parts of the films."""
    if task.kind is TaskKind.MULTILABEL:
        return findings.main_numbers(task, given, sampling)
    return single_label.main_numbers(task, given, sampling)


def _slice(
    task: Task, given: Answers, joined: Joined, column: str, options: ScoreOptions
) -> SliceReport:
    auc = "auc" if task.kind is TaskKind.BINARY else "macro_auc"
    ranked = task.kind is TaskKind.MULTILABEL or _mean_auc(task, given, options).value is not None

    def primary(some: Answers) -> Estimate:
        if ranked:
            return _mean_auc(task, some, options)
        right = some.y_true == some.y_pred
        return proportion(right, some.patients, NO_FILMS, options.confidence)

    return slice_by(
        column,
        np.array(_cells(joined, column), dtype=object)[given.rows].tolist(),
        given,
        auc if ranked else "accuracy",
        lambda some: main_numbers(task, some, options.sampling),
        primary,
        smallest=options.min_slice,
        confidence=options.confidence,
    )


def _mean_auc(task: Task, given: Answers, options: ScoreOptions) -> Estimate:
    of = findings if task.kind is TaskKind.MULTILABEL else single_label
    parts = of.ranked_parts(task, given)
    if not parts or not len(given.y_true):
        return Estimate.undefined(single_label.NO_PROBABILITIES, len(given.y_true))
    return macro_auc(parts, options.confidence)


def _readers(
    task: Task, given: Answers, joined: Joined, options: ScoreOptions, several: bool
) -> readers.ReaderReport:
    if several:
        raise UsageError(
            "--reader compares answers to one task; the results have several.",
            "Name the one that the readers answered: --task NAME.",
        )
    if task.kind is TaskKind.MULTILABEL:
        raise UsageError(
            f"--reader compares answers of one class; task '{task.name}' is multilabel.",
            "Score one finding as a binary task of its own.",
        )
    columns = {
        column: class_codes(joined.labels[column], task.classes, options.label_map, column)
        for column in _known(options.readers, joined)
    }
    return readers.agreements(
        task,
        given.y_true,
        given.y_pred,
        {name: codes[given.rows] for name, codes in columns.items()},
        given.patients,
        options.sampling,
    )


def _sets(
    task: Task, given: Answers, joined: Joined, options: ScoreOptions, several: bool
) -> SetReport | None:
    found = read_sets(joined.results, task, several)
    if found is None:
        return None
    inside, abstain = found
    return check_sets(
        given.y_true,
        inside[given.rows],
        given.patients,
        task.classes,
        options.levels.get(task.name),
        options.sampling,
        y_pred=given.y_pred,
        y_prob=given.y_prob,
        abstain=None if abstain is None else abstain[given.rows],
    )


def _planning(report: TaskReport) -> tuple[Planning, ...]:
    names = [n for n in _PLANNED if n in report.estimates]
    found = []
    for name in names:
        e = report.estimates[name]
        found.append(plan(name, e.value, e.low, e.high, report.patients, e.clusters or None))
    return tuple(found)


def _known(columns: Sequence[str], joined: Joined) -> Sequence[str]:
    for column in columns:
        if column not in joined.labels:
            raise InputError(
                f"The labels have no column '{column}'.",
                did_you_mean(column, [str(c) for c in joined.labels.columns]),
            )
    return columns


def _cells(joined: Joined, column: str) -> list[str]:
    for table in (joined.labels, joined.results):
        if column in table:
            return list(table[column])
    both = {str(c) for table in (joined.labels, joined.results) for c in table.columns}
    raise InputError(f"Neither table has a column '{column}'.", did_you_mean(column, both))
