"""What a single-label task's probabilities are worth: ranking, calibration, net benefit, curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from xraybatch.core.cores import in_threads
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.calibration import calibration, multiclass_calibration
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.curves import (
    DecisionCurve,
    PrecisionRecallCurve,
    ReliabilityCurve,
    RocCurve,
    ThresholdCounts,
)
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.pairwise import ovo_auc
from xraybatch.evaluation.proportions import proportion
from xraybatch.evaluation.rank_bootstrap import RankEstimates, rank_estimates
from xraybatch.evaluation.ranking import Part
from xraybatch.evaluation.reliability import calibration_errors, reliability_curve, top_label
from xraybatch.evaluation.roc import roc_curve
from xraybatch.evaluation.threshold_counts import precision_recall_curve, threshold_counts, top_k
from xraybatch.evaluation.utility import decision_curve

if TYPE_CHECKING:
    from xraybatch.evaluation.answers import Answers

_TOP = (2, 3)
_MANY_FILMS = 50_000
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Curves:
    """Curves of the classes, those that exist."""

    roc: tuple[RocCurve, ...] = ()
    precision_recall: tuple[PrecisionRecallCurve, ...] = ()
    reliability: tuple[ReliabilityCurve, ...] = ()
    decision: tuple[DecisionCurve, ...] = ()
    explorer: tuple[ThresholdCounts, ...] = ()


@dataclass(frozen=True)
class OfProbabilities:
    """All that is made of probabilities.

    Attributes
    ----------
    overall : mapping of str to Estimate
        Of all classes together; of a binary task those of its positive class.
    by_class : tuple of mapping of str to Estimate
        Of each part given.
    curves : Curves
    """

    overall: Mapping[str, Estimate]
    by_class: tuple[Mapping[str, Estimate], ...]
    curves: Curves


def of_probabilities(
    task: Task,
    given: Answers,
    parts: Sequence[Part],
    sampling: Sampling,
    ranked: RankEstimates | None = None,
) -> OfProbabilities:
    """Everything that probabilities say.

    Parameters
    ----------
    task : Task
        Not multilabel.
    given : Answers
        With probabilities and films.
    parts : sequence of Part
        Classes against the rest: of a binary task its positive class, else all.
    sampling : Sampling
    ranked : RankEstimates, optional
        Of `parts`, where they were made together with others already.
    """
    ranked = ranked or rank_estimates(parts, sampling)
    calibrated = _of_each(parts, lambda part: _calibrated(part, sampling))
    by_class = tuple(
        {**ranks, **values} for ranks, values in zip(ranked.parts, calibrated, strict=True)
    )
    if task.kind is TaskKind.BINARY:
        return OfProbabilities(by_class[0], by_class, _curves(parts, sampling))
    assert given.y_prob is not None
    overall = {
        "ovo_auc": ovo_auc(
            given.y_true, given.y_prob, given.patients, task.classes, sampling.confidence
        ),
        "macro_average_precision": ranked.macro_average_precision,
    }
    for k in _TOP:
        if k < len(task.classes):
            inside = top_k(given.y_true, given.y_prob, k)
            overall[f"top_{k}_accuracy"] = proportion(
                inside, given.patients, NO_FILMS, sampling.confidence
            )
    overall |= multiclass_calibration(given.y_true, given.y_prob, given.patients, sampling)
    overall |= calibration_errors(*top_label(given.y_true, given.y_prob))
    return OfProbabilities(overall, by_class, _curves(parts, sampling))


def _calibrated(part: Part, sampling: Sampling) -> dict[str, Estimate]:
    errors = calibration_errors(part.positive, part.scores)
    return {**calibration(*part, sampling), **errors}


def _curves(parts: Sequence[Part], sampling: Sampling) -> Curves:
    roc = _of_each(parts, lambda p: roc_curve(p.positive, p.scores, p.name))
    recall = _of_each(parts, lambda p: precision_recall_curve(p.positive, p.scores, p.name))
    decision = _of_each(parts, lambda p: decision_curve(*p, sampling))
    return Curves(
        tuple(curve for curve in roc if curve is not None),
        tuple(curve for curve in recall if curve is not None),
        tuple(_of_each(parts, lambda p: reliability_curve(*p, sampling))),
        tuple(curve for curve in decision if curve is not None),
        tuple(threshold_counts(p.positive, p.scores, p.name) for p in parts),
    )


def _of_each(parts: Sequence[Part], work: Callable[[Part], _Result]) -> list[_Result]:
    # on short arrays threads only wait for each other
    many = max(len(part.positive) for part in parts) > _MANY_FILMS
    return in_threads(work, parts, None if many else 1)
