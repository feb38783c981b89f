"""The numbers of a multilabel task: each finding as a binary task, and means over the findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import classification, ranking, single_label
from xraybatch.evaluation.answers import MASKED, Answers
from xraybatch.evaluation.bootstrap import Sampling, count_samples, patterns
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import proportion
from xraybatch.evaluation.rank_bootstrap import AVERAGE_PRECISION, RankEstimates, rank_estimates
from xraybatch.evaluation.report import TaskReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PRESENT = 1
# numbers of a finding that is present, whose mean over the findings is shown
MACRO = {
    "sensitivity": classification.recall,
    "specificity": classification.specificity,
    "ppv": classification.precision,
    "f1": classification.f1,
}
# all findings pooled
MICRO = {name: MACRO[name] for name in ("sensitivity", "ppv", "f1")}


def evaluate(
    task: Task,
    given: Answers,
    label_columns: Sequence[str],
    sampling: Sampling,
    *,
    prevalence: float | None = None,
) -> TaskReport:
    """All numbers of one multilabel task.

    Parameters
    ----------
    task : Task
    given : Answers
        Truth and answers ``(n, K)``; a film enters the findings that it is labelled for.
    label_columns : sequence of str
    sampling : Sampling
    prevalence : float, optional
        Of every finding, where the model is to be used.
    """
    parts = [_of_finding(given, k) for k in range(len(task.classes))]
    ranks, macro = _ranks(task, parts, sampling)
    findings = tuple(
        replace(
            single_label.evaluate(
                _as_binary(task, name), part, column, sampling, prevalence=prevalence, ranked=ranked
            ),
            task=name,
        )
        for name, part, column, ranked in zip(
            task.classes, parts, label_columns, ranks, strict=True
        )
    )
    return TaskReport(
        task=task.name,
        kind=str(task.kind),
        classes=task.classes,
        positive=None,
        label_column=", ".join(label_columns),
        films=len(given.y_true),
        patients=len(np.unique(given.patients)),
        unlabelled=given.unlabelled,
        failed=len(given.failed_truth),
        estimates={
            "macro_auc": _macro_auc(task, parts, sampling.confidence),
            **macro,
            "exact_match": _exact_match(given, sampling),
            **_macro_counts(task, given, findings, sampling),
        },
        curves=tuple(curve for finding in findings for curve in finding.curves),
        precision_recall=tuple(c for finding in findings for c in finding.precision_recall),
        findings=findings,
    )


def main_numbers(task: Task, given: Answers, sampling: Sampling) -> dict[str, Estimate]:
    """The few numbers that are made of parts of the films."""
    parts = [_of_finding(given, k) for k in range(len(task.classes))]
    return {"macro_auc": _macro_auc(task, parts, sampling.confidence)}


def ranked_parts(task: Task, given: Answers) -> list[ranking.Part]:
    """Each finding to be ranked, on the films labelled for it; empty without probabilities."""
    parts = [_of_finding(given, k) for k in range(len(task.classes))]
    return _ranked(task, parts)


def _as_binary(task: Task, finding: str) -> Task:
    return Task(task.name, TaskKind.BINARY, (f"no {finding}", finding), finding)


def _of_finding(given: Answers, k: int) -> Answers:
    labelled = given.y_true[:, k] != MASKED
    failed = given.failed_truth[:, k] != MASKED
    present = None if given.y_prob is None else given.y_prob[labelled, k]
    return Answers(
        given.y_true[labelled, k],
        given.y_pred[labelled, k],
        None if present is None else np.stack([1 - present, present], axis=1),
        given.patients[labelled],
        given.failed_truth[failed, k],
        given.failed_patients[failed],
        given.unlabelled + int((~labelled).sum()) + int((~failed).sum()),
        given.rows[labelled],
    )


def _ranks(
    task: Task, parts: Sequence[Answers], sampling: Sampling
) -> tuple[list[RankEstimates | None], dict[str, Estimate]]:
    """What ranking by score gives each finding, and their mean: from one pass over the draws."""
    ranked = _ranked(task, parts)
    if not ranked:
        return [None] * len(parts), {}
    found = rank_estimates(ranked, sampling)
    alone = [RankEstimates((one,), one[AVERAGE_PRECISION]) for one in found.parts]
    return list(alone), {"macro_average_precision": found.macro_average_precision}


def _exact_match(given: Answers, sampling: Sampling) -> Estimate:
    whole = (given.y_true != MASKED).all(axis=1)
    right = (given.y_true == given.y_pred).all(axis=1)
    reason = "no film is labelled for every finding"
    return proportion(right[whole], given.patients[whole], reason, sampling.confidence)


def _macro_auc(task: Task, parts: Sequence[Answers], confidence: float) -> Estimate:
    ranked = _ranked(task, parts)
    if not ranked:
        return Estimate.undefined(single_label.NO_PROBABILITIES, len(parts[0].y_true))
    return ranking.macro_auc(ranked, confidence)


def _ranked(task: Task, parts: Sequence[Answers]) -> list[ranking.Part]:
    return [
        ranking.Part(part.y_true == _PRESENT, part.y_prob[:, _PRESENT], part.patients, name)
        for part, name in zip(parts, task.classes, strict=True)
        if part.y_prob is not None
    ]


def _macro_counts(
    task: Task, given: Answers, findings: Sequence[TaskReport], sampling: Sampling
) -> dict[str, Estimate]:
    # one cell for every finding, truth and answer: all findings of a patient are drawn together
    size = len(task.classes)
    films, columns = np.nonzero(given.y_true != MASKED)
    truth, guess = given.y_true[films, columns], given.y_pred[films, columns]
    found = patterns(columns * 4 + truth * 2 + guess, given.patients[films], size * 4)

    def statistics(cells: NDArray[np.int64]) -> NDArray[np.float64]:
        counts = cells.reshape(*cells.shape[:-1], size, 2, 2)
        means = [of(counts)[..., _PRESENT].mean(-1) for of in MACRO.values()]
        pooled = counts.sum(axis=-3)
        micro = [of(pooled)[..., _PRESENT] for of in MICRO.values()]
        return np.stack(means + micro, axis=-1)

    samples = count_samples(found, statistics, sampling.resamples, sampling.seed)
    estimates = {}
    for name, sample in zip(MICRO, samples[len(MACRO) :], strict=True):
        reason = "no finding is present, and none was predicted"
        estimates[f"micro_{name}"] = sample.estimate(reason, len(given.y_true), sampling.confidence)
    for name, sample in zip(MACRO, samples, strict=False):
        missing = [f.task for f in findings if f.estimates[name].value is None]
        reason = f"{name} is undefined for {', '.join(missing)}"
        n = len(given.y_true)
        estimates[f"macro_{name}"] = sample.estimate(reason, n, sampling.confidence)
    return estimates
