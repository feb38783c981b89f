"""Two models on the same films, number by number: each by the test that fits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import classification, findings
from xraybatch.evaluation.answers import MASKED, Answers
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.delong import Ranked, auc_difference
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.mcnemar import share_difference
from xraybatch.evaluation.paired_bootstrap import count_differences, metric_difference
from xraybatch.evaluation.ranking import Part
from xraybatch.evaluation.scoring import ScoreOptions
from xraybatch.evaluation.single_label import NO_PROBABILITIES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = Mapping[str, Callable[[NDArray[np.int64]], NDArray[np.float64]]]

_PRESENT = 1


@dataclass(frozen=True)
class Side:
    """One of the models: its name, its answers to a task, and its own numbers."""

    name: str
    task: Task
    answers: Answers
    estimates: Mapping[str, Estimate]

    @cached_property
    def ranked(self) -> Ranked | None:
        """Its AUC: of the positive class, else the mean over classes or findings."""
        if self.answers.y_prob is None or len(self.answers.y_true) == 0:
            return None
        return Ranked([self._part(k) for k in self._columns])

    @property
    def _columns(self) -> range:
        if self.task.kind is TaskKind.BINARY:
            return range(self.task.positive_index, self.task.positive_index + 1)
        return range(len(self.task.classes))

    def _part(self, k: int) -> Part:
        given = self.answers
        assert given.y_prob is not None
        if self.task.kind is not TaskKind.MULTILABEL:
            return Part(given.y_true == k, given.y_prob[:, k], given.patients, self.task.classes[k])
        some = given.y_true[:, k] != MASKED
        positive = given.y_true[some, k] == _PRESENT
        return Part(positive, given.y_prob[some, k], given.patients[some], self.task.classes[k])


def differences(first: Side, other: Side, options: ScoreOptions) -> dict[str, Difference]:
    """Every number of `other` less that of `first`, in the order of the report.

    Parameters
    ----------
    first, other : Side
        Of one task, and of the same films in the same order.
    options : ScoreOptions
        Confidence, resamples, seed, and the metrics of plugins.

    Returns
    -------
    dict of str to Difference
        Numbers that two models cannot be set against each other by, such as a prevalence, lack.
    """
    sampling = Sampling(options.confidence, options.resamples, options.seed)
    found: dict[str, Difference] = {}
    for name in ("auc", "macro_auc"):
        if name not in first.estimates:
            continue
        if first.ranked and other.ranked:
            found[name] = auc_difference(first.ranked, other.ranked, sampling.confidence)
        else:
            found[name] = Difference.undefined(NO_PROBABILITIES, len(first.answers.y_true))
    found |= _shares(first, other, sampling.confidence)
    found |= _counted(first, other, sampling)
    found |= _of_plugins(first, other, options, sampling)
    return {
        name: _with_reason(found[name], name, first, other)
        for name in first.estimates
        if name in found
    }


def lower_is_better(options: ScoreOptions) -> frozenset[str]:
    """Numbers, by their name in a report, that a better model has smaller."""
    names = {metric.name for metric in options.metrics if not metric.higher_is_better}
    return frozenset(names | {f"plugin.{name}" for name in names})


def _with_reason(found: Difference, name: str, first: Side, other: Side) -> Difference:
    # each model's own report knows better why its number does not exist
    if found.estimate.value is not None:
        return found
    for side in (first, other):
        if reason := side.estimates[name].reason:
            return Difference.undefined(f"{side.name}: {reason}", found.estimate.n)
    return found


def _shares(first: Side, other: Side, confidence: float) -> dict[str, Difference]:
    task, truth = first.task, first.answers.y_true
    if task.kind is TaskKind.MULTILABEL:
        return {}
    right = [side.answers.y_pred == truth for side in (first, other)]
    among = {"accuracy": np.ones(len(truth), bool)}
    if task.kind is TaskKind.BINARY:
        among["sensitivity"] = truth == task.positive_index
        among["specificity"] = truth != task.positive_index
    return {
        name: share_difference(
            right[0][some],
            right[1][some],
            first.answers.patients[some],
            "no film is of the class that it speaks of" if len(truth) else classification.NO_FILMS,
            confidence,
        )
        for name, some in among.items()
    }


def _counted(first: Side, other: Side, sampling: Sampling) -> dict[str, Difference]:
    task = first.task
    if task.kind is TaskKind.MULTILABEL:
        return _counted_findings(first, other, sampling)
    size = len(task.classes)
    numbers = dict(classification.OVERALL)
    if task.kind is TaskKind.ORDINAL:
        numbers |= classification.ORDINAL_ONLY
    if task.kind is TaskKind.BINARY:
        k = task.positive_index
        numbers |= {
            "ppv": lambda counts: classification.precision(counts)[..., k],
            "npv": lambda counts: classification.precision(counts)[..., 1 - k],
            "f1": lambda counts: classification.f1(counts)[..., k],
        }
    numbers = {name: of for name, of in numbers.items() if name in first.estimates}
    truth = first.answers.y_true
    cells = [truth * size + side.answers.y_pred for side in (first, other)]

    def statistics(flat: NDArray[np.int64]) -> NDArray[np.float64]:
        counts = flat.reshape(*flat.shape[:-1], size, size)
        return np.stack([of(counts) for of in numbers.values()], axis=-1)

    patients = first.answers.patients
    drawn = count_differences(cells[0], cells[1], patients, size * size, statistics, sampling)
    return dict(zip(numbers, drawn, strict=True))


def _counted_findings(first: Side, other: Side, sampling: Sampling) -> dict[str, Difference]:
    size = len(first.task.classes)
    films, columns = np.nonzero(first.answers.y_true != MASKED)
    truth = first.answers.y_true[films, columns]
    cells = [
        columns * 4 + truth * 2 + side.answers.y_pred[films, columns] for side in (first, other)
    ]

    def statistics(flat: NDArray[np.int64]) -> NDArray[np.float64]:
        counts = flat.reshape(*flat.shape[:-1], size, 2, 2)
        means = [of(counts)[..., _PRESENT].mean(-1) for of in findings.MACRO.values()]
        return np.stack(means, axis=-1)

    patients = first.answers.patients[films]
    drawn = count_differences(cells[0], cells[1], patients, size * 4, statistics, sampling)
    n = len(first.answers.y_true)  # films, of which each is counted once a finding
    return {
        f"macro_{name}": replace(one, estimate=replace(one.estimate, n=n))
        for name, one in zip(findings.MACRO, drawn, strict=True)
    }


def _of_plugins(
    first: Side, other: Side, options: ScoreOptions, sampling: Sampling
) -> dict[str, Difference]:
    found = {}
    for metric in options.metrics:
        # as the report names them; a number of ours keeps its name
        own = f"plugin.{metric.name}"
        name = own if own in first.estimates else metric.name
        given: list[NDArray[Any] | None] = [
            side.answers.y_pred if metric.needs == "labels" else side.answers.y_prob
            for side in (first, other)
        ]
        a, b = given
        if first.task.kind in metric.kinds and a is not None and b is not None:
            truth, patients = first.answers.y_true, first.answers.patients
            found[name] = metric_difference(metric, truth, a, b, patients, sampling)
    return found
