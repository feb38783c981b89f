"""One task's calibration, thresholds and conformal levels, fitted on one table; and what they do.

What was fitted on films looks too good on them. So everything is fitted again without a fifth of
the patients, five times over, and judged on the fifth that was left out: the numbers shown are
of films that fitted nothing, the card holds what all films together gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.tasks import Task
from xraybatch.evaluation.answers import Answers
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.calibration_effect import changes, sides, threshold_effects
from xraybatch.evaluation.calibration_report import (
    TaskCalibration,
    sentences_of,
)
from xraybatch.evaluation.conformal import ConformalLevel, fit_levels
from xraybatch.evaluation.recalibration import NotFitted, fit
from xraybatch.evaluation.sets import NO_FILMS, check_sets
from xraybatch.evaluation.thresholds import ThresholdRule, choose
from xraybatch.models.calibration import calibrated, sets
from xraybatch.models.calibration_checks import LAC
from xraybatch.models.card import TaskCard, decide

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
FEWEST_PATIENTS = 2 * FOLDS


@dataclass(frozen=True)
class Asked:
    """What is to be fitted.

    Attributes
    ----------
    method : str or None
        ``temperature``, ``platt``, ``isotonic``; None: probabilities stay as the graph gives them.
    rule : ThresholdRule or None
        None: the default threshold.
    coverage : float or None
        Of conformal sets; None: no sets.
    score : str
        ``lac`` or ``aps``.
    by_class : bool
        A conformal level for each class.
    """

    method: str | None
    rule: ThresholdRule | None = None
    coverage: float | None = None
    score: str = LAC
    by_class: bool = False


@dataclass(frozen=True)
class _Applied:
    prob: NDArray[np.float32]
    pred: NDArray[np.int64]
    inside: NDArray[np.bool_] | None

    @classmethod
    def of(cls, entry: TaskCard, raw: NDArray[np.float32]) -> _Applied:
        prob = calibrated(raw, entry)
        return cls(prob, decide(prob, entry), sets(raw, entry) if entry.conformal else None)


def calibrate_task(
    task: Task, given: Answers, asked: Asked, sampling: Sampling
) -> tuple[TaskCard, TaskCalibration]:
    """Fit a task, and say what that does.

    Parameters
    ----------
    task : Task
    given : Answers
        With probabilities as the graph gives them.
    asked : Asked
    sampling : Sampling
        Its seed deals the patients out, too.

    Returns
    -------
    TaskCard
        Without the origin of its parts.
    TaskCalibration

    Raises
    ------
    NotFitted
        If the films do not carry what was asked for.
    """
    if given.y_prob is None or not len(given.y_true):
        raise NotFitted(NO_FILMS)
    raw, truth, patients = given.y_prob.astype(np.float32), given.y_true, given.patients
    entry = _fitted(task, truth, raw, patients, asked)
    left_out = _left_out(task, truth, raw, patients, asked, sampling.seed)
    shown = left_out or _Applied.of(entry, raw)
    levels = _levels(task, truth, raw, patients, asked)
    found = TaskCalibration(
        task=task.name,
        kind=str(task.kind),
        classes=task.classes,
        films=len(truth),
        patients=len(np.unique(patients)),
        method=asked.method or "none",
        **{
            part: tuple((entry.calibration or {}).get(part, ()))
            for part in ("temperature", "slope", "intercept")
        },
        cross_fitted=left_out is not None,
        changes=tuple(changes(task, given, raw, shown.prob, sampling)) if asked.method else (),
        rule=asked.rule.text if asked.rule else "",
        thresholds=tuple(threshold_effects(task, entry, given, shown.pred, sampling)),
        score=asked.score if levels else "",
        levels=levels,
        sets=None
        if shown.inside is None
        else check_sets(
            truth,
            shown.inside,
            patients,
            task.classes,
            asked.coverage,
            sampling,
            y_pred=shown.pred,
            y_prob=shown.prob.astype(np.float64),
        ),
        sentences=(),
    )
    return entry, replace(found, sentences=tuple(sentences_of(found)))


# ── fitting ────────────────────────────────────────────────────────────────────────────────────


def _fitted(
    task: Task,
    truth: NDArray[np.int64],
    raw: NDArray[np.float32],
    patients: NDArray[np.int64],
    asked: Asked,
) -> TaskCard:
    entry = TaskCard(task)
    if asked.method:
        entry = replace(entry, calibration=fit(asked.method, task, truth, raw, patients))
    if asked.rule:
        prob = calibrated(raw, entry)
        cuts = [_cut(asked.rule, *side) for side in sides(task, truth, prob)]
        entry = replace(entry, thresholds=tuple(cuts))
    if levels := _levels(task, truth, raw, patients, asked):
        conformal: Mapping[str, Any] = {
            "score": asked.score,
            "coverage": asked.coverage,
            "levels": [level.level for level in levels],
        }
        entry = replace(entry, conformal=conformal)
    return entry


def _levels(
    task: Task,
    truth: NDArray[np.int64],
    raw: NDArray[np.float32],
    patients: NDArray[np.int64],
    asked: Asked,
) -> tuple[ConformalLevel, ...]:
    if asked.coverage is None:
        return ()
    return fit_levels(
        truth,
        raw,
        patients,
        task.classes,
        coverage=asked.coverage,
        score=asked.score,
        by_class=asked.by_class,
    )


def _cut(
    rule: ThresholdRule, name: str, positive: NDArray[np.bool_], scores: NDArray[np.float32]
) -> float:
    chosen = choose(rule, positive, scores, name)
    if chosen.threshold is None:
        raise NotFitted(f"{rule.text} chooses no threshold: {chosen.reason}")
    return chosen.threshold


def _left_out(
    task: Task,
    truth: NDArray[np.int64],
    raw: NDArray[np.float32],
    patients: NDArray[np.int64],
    asked: Asked,
    seed: int,
) -> _Applied | None:
    """Each film by what the other patients' films fitted; None where they are too few for that."""
    known = np.unique(patients)
    if len(known) < FEWEST_PATIENTS:
        return None
    dealt = np.empty(int(known[-1]) + 1, np.int64)
    dealt[np.random.default_rng(seed).permutation(known)] = np.arange(len(known)) % FOLDS
    fold = dealt[patients]
    prob = np.empty_like(raw)
    pred = np.empty(truth.shape, np.int64)
    inside = None if asked.coverage is None else np.empty(raw.shape, bool)
    for k in range(FOLDS):
        here, rest = fold == k, fold != k
        try:
            entry = _fitted(task, truth[rest], raw[rest], patients[rest], asked)
        except NotFitted:
            return None
        applied = _Applied.of(entry, raw[here])
        prob[here], pred[here] = applied.prob, applied.pred
        if inside is not None and applied.inside is not None:
            inside[here] = applied.inside
    return _Applied(prob, pred, inside)
