"""How much better one model is than another, in pairs: each resample takes the same patients."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.answers import MASKED, Answers
from xraybatch.evaluation.bootstrap import Sample, patient_weights
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.ranking import Ranking
from xraybatch.evaluation.scoring import ScoreOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIRED = "paired bootstrap, percentile"


def differences(
    task: Task, first: Answers, other: Answers, options: ScoreOptions
) -> dict[str, Estimate]:
    """How much better `other` is than `first` on the same films: accuracy and AUC.

    Parameters
    ----------
    task : Task
    first, other : Answers
        Of the same films in the same order.
    options : ScoreOptions
        Confidence, resamples and seed.
    """
    found = {}
    auc = _auc_of(task, first), _auc_of(task, other)
    wanted: dict[str, tuple[_Number, _Number]] = {}
    if auc[0] and auc[1]:
        wanted["auc" if task.kind is TaskKind.BINARY else "macro_auc"] = auc[0], auc[1]
    if task.kind is not TaskKind.MULTILABEL:
        wanted["accuracy"] = _accuracy_of(first), _accuracy_of(other)
    ones = np.ones(len(first.y_true), np.int64)
    names, patients = np.unique(first.patients, return_inverse=True)
    drawn: dict[str, list[float]] = {name: [] for name in wanted}
    if len(names) > 1:
        for weights in patient_weights(len(names), options.resamples, options.seed):
            of_film = weights[patients]
            for name, (mine, theirs) in wanted.items():
                drawn[name].append(theirs(of_film) - mine(of_film))
    for name, (mine, theirs) in wanted.items():
        sample = Sample(theirs(ones) - mine(ones), np.array(drawn[name]))
        reason = "it is undefined for one of the two"
        estimate = sample.estimate(reason, len(ones), options.confidence)
        found[name] = replace(estimate, method=PAIRED) if estimate.method else estimate
    return found


class _Number:
    """A number of films that count as often as their weights say."""

    def __init__(self, compute: Any) -> None:
        self._compute = compute

    def __call__(self, weights: NDArray[np.int64]) -> float:
        return float(self._compute(weights))


def _accuracy_of(given: Answers) -> _Number:
    right = given.y_true == given.y_pred
    return _Number(lambda w: w @ right / w.sum() if w.sum() else np.nan)


def _auc_of(task: Task, given: Answers) -> _Number | None:
    """The AUC of the positive class, else its mean over classes or findings."""
    if given.y_prob is None:
        return None
    columns = range(len(task.classes))
    if task.kind is TaskKind.BINARY:
        columns = range(task.positive_index, task.positive_index + 1)
    parts = []
    for k in columns:
        if task.kind is TaskKind.MULTILABEL:
            labelled = given.y_true[:, k] != MASKED
            positive = given.y_true[labelled, k] == 1
        else:
            labelled = np.ones(len(given.y_true), bool)
            positive = given.y_true == k
        if positive.all() or not positive.any():
            return _Number(lambda _: np.nan)
        parts.append((labelled, Ranking(positive, given.y_prob[labelled, k])))
    return _Number(lambda w: np.mean([ranking.auc(w[some]) for some, ranking in parts]))
