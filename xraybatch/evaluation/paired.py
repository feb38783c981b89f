"""Two models on the same films, number by number: each by the test that fits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import classification, findings, single_label
from xraybatch.evaluation.answers import MASKED, Answers
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.calibration import SMALLEST
from xraybatch.evaluation.delong import Ranked, auc_difference
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.mcnemar import share_difference
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.paired_bootstrap import (
    count_differences,
    mean_differences,
    metric_difference,
)
from xraybatch.evaluation.paired_ranks import MACRO, RankedScores, rank_differences
from xraybatch.evaluation.pairwise import ovo_parts
from xraybatch.evaluation.rank_bootstrap import NAMES
from xraybatch.evaluation.ranking import Part
from xraybatch.evaluation.single_label import NO_PROBABILITIES
from xraybatch.evaluation.threshold_counts import top_k

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = Mapping[str, Callable[[NDArray[np.int64]], NDArray[np.float64]]]

_PRESENT = 1
_RANKED = ("auc", "macro_auc", "ovo_auc", *NAMES, MACRO)
_LOSSES = {"brier", "brier_multiclass", "log_loss", "mean_grade_error"}


@dataclass(frozen=True)
class Side:
    """One of the models: its answers to a task and its own numbers, and how to resample them."""

    name: str
    task: Task
    answers: Answers
    estimates: Mapping[str, Estimate]
    sampling: Sampling

    @cached_property
    def ranked(self) -> Ranked | None:
        """Its AUC: of the positive class, else the mean over classes or findings."""
        return Ranked(self.parts) if self.parts else None

    @cached_property
    def one_against_one(self) -> Ranked | None:
        """Its AUC of each pair of several classes; None where one has no film."""
        given, classes = self.answers, self.task.classes
        several = self.task.kind in (TaskKind.MULTICLASS, TaskKind.ORDINAL)
        if given.y_prob is None or not several or len(np.unique(given.y_true)) < len(classes):
            return None
        return Ranked(ovo_parts(given.y_true, given.y_prob, given.patients, classes))

    @cached_property
    def parts(self) -> list[Part]:
        """What is ranked: the positive class, else each class or finding; empty: nothing can be."""
        if len(self.answers.y_true) == 0:
            return []
        if self.task.kind is TaskKind.MULTILABEL:
            return findings.ranked_parts(self.task, self.answers)
        return single_label.ranked_parts(self.task, self.answers)

    @cached_property
    def ranks(self) -> RankedScores:
        """`parts`, resampled once for all models that it is set against."""
        return RankedScores(self.parts, self.sampling)

    @cached_property
    def losses(self) -> dict[str, NDArray[np.float64]]:
        """What each film ``(n,)`` adds to numbers that are means of losses, by their names."""
        given, task = self.answers, self.task
        if given.y_prob is None or task.kind is TaskKind.MULTILABEL:
            return {}
        p = np.clip(given.y_prob, 0, 1)
        of_truth = p[np.arange(len(p)), given.y_true]
        truth = given.y_true[:, None] == np.arange(len(task.classes))
        if task.kind is TaskKind.BINARY:
            k = task.positive_index  # the other column may not add up to 1 in the last digit
            of_truth = np.where(truth[:, k], p[:, k], 1 - p[:, k])
            return {"brier": (1 - of_truth) ** 2, "log_loss": _log_loss(of_truth)}
        squared = np.square(p - truth).sum(axis=1)
        return {"brier_multiclass": squared, "log_loss": _log_loss(of_truth)}


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
    sampling = options.sampling
    found = _ranked(first, other, sampling)
    found |= _shares(first, other, sampling.confidence)
    found |= _counted(first, other, sampling)
    found |= _losses(first, other, sampling)
    found |= _of_plugins(first, other, options, sampling)
    return {
        name: _with_reason(found[name], name, first, other)
        for name in first.estimates
        if name in found
    }


def lower_is_better(options: ScoreOptions) -> frozenset[str]:
    """Numbers, by their name in a report, that a better model has smaller."""
    names = {metric.name for metric in options.metrics if not metric.higher_is_better}
    return frozenset(names | {f"plugin.{name}" for name in names} | _LOSSES)


def _with_reason(found: Difference, name: str, first: Side, other: Side) -> Difference:
    # each model's own report knows better why its number does not exist
    if found.estimate.value is not None:
        return found
    for side in (first, other):
        if reason := side.estimates[name].reason:
            return Difference.undefined(f"{side.name}: {reason}", found.estimate.n)
    return found


def _ranked(first: Side, other: Side, sampling: Sampling) -> dict[str, Difference]:
    wanted = [name for name in _RANKED if name in first.estimates]
    nothing = Difference.undefined(NO_PROBABILITIES, len(first.answers.y_true))
    found = dict.fromkeys(wanted, nothing)
    for name, mine, theirs in (
        ("auc", first.ranked, other.ranked),
        ("macro_auc", first.ranked, other.ranked),
        ("ovo_auc", first.one_against_one, other.one_against_one),
    ):
        if mine and theirs:
            found[name] = auc_difference(mine, theirs, sampling.confidence)
    if first.parts and other.parts:
        found |= rank_differences(first.ranks, other.ranks)
    return found


def _losses(first: Side, other: Side, sampling: Sampling) -> dict[str, Difference]:
    names = [name for name in first.losses if name in other.losses]
    if not names or len(first.answers.y_true) == 0:
        return {}
    columns = [np.stack([side.losses[name] for name in names], 1) for side in (first, other)]
    drawn = mean_differences(columns[0], columns[1], first.answers.patients, sampling)
    return dict(zip(names, drawn, strict=True))


def _log_loss(of_truth: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = -np.log(np.clip(of_truth, SMALLEST, 1))
    return found


def _shares(first: Side, other: Side, confidence: float) -> dict[str, Difference]:
    task, truth = first.task, first.answers.y_true
    both = (first.answers, other.answers)
    whole = np.ones(len(truth), bool)
    # by number: whether each model got a film right, and the films it speaks of
    wanted: dict[str, tuple[list[NDArray[np.bool_]], NDArray[np.bool_]]] = {}
    if task.kind is TaskKind.MULTILABEL:
        exact = [(given.y_pred == truth).all(axis=1) for given in both]
        wanted["exact_match"] = exact, (truth != MASKED).all(axis=1)
    else:
        right = [given.y_pred == truth for given in both]
        wanted["accuracy"] = right, whole
        if task.kind is TaskKind.BINARY:
            wanted["sensitivity"] = right, truth == task.positive_index
            wanted["specificity"] = right, truth != task.positive_index
        if task.kind is TaskKind.ORDINAL:
            near = [np.abs(given.y_pred - truth) <= 1 for given in both]
            wanted["within_one_grade"] = near, whole
        for k in range(2, len(task.classes)):
            name = f"top_{k}_accuracy"
            if name in first.estimates and name in other.estimates:
                inside = [top_k(truth, g.y_prob, k) for g in both if g.y_prob is not None]
                wanted[name] = inside, whole
    reason = "no film is of the class that it speaks of" if len(truth) else classification.NO_FILMS
    return {
        name: share_difference(
            one[some], another[some], first.answers.patients[some], reason, confidence
        )
        for name, ((one, another), some) in wanted.items()
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
        pooled = counts.sum(axis=-3)
        macro = [of(counts)[..., _PRESENT].mean(-1) for of in findings.MACRO.values()]
        micro = [of(pooled)[..., _PRESENT] for of in findings.MICRO.values()]
        return np.stack(macro + micro, axis=-1)

    patients = first.answers.patients[films]
    drawn = count_differences(cells[0], cells[1], patients, size * 4, statistics, sampling)
    n = len(first.answers.y_true)  # films, of which each is counted once a finding
    names = [f"macro_{name}" for name in findings.MACRO] + [f"micro_{n}" for n in findings.MICRO]
    return {
        name: replace(one, estimate=replace(one.estimate, n=n))
        for name, one in zip(names, drawn, strict=True)
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
