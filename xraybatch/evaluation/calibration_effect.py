"""What a calibration and thresholds do to films: before, after, and the difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.answers import MASKED, Answers
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.calibration import SMALLEST, calibration
from xraybatch.evaluation.calibration_report import Change, ChosenThreshold
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.proportions import proportion
from xraybatch.evaluation.sums import mean_samples, patient_sums
from xraybatch.models.card import TaskCard

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sides(
    task: Task, truth: NDArray[np.int64], prob: NDArray[Any]
) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[Any]]]:
    """Name, truth and column of the positive class, or of each finding where labelled."""
    if task.kind is TaskKind.MULTILABEL:
        for k, name in enumerate(task.classes):
            has = truth[:, k] != MASKED
            yield name, truth[has, k] == 1, prob[has, k]
    elif task.kind is TaskKind.BINARY:
        k = task.positive_index
        yield task.classes[k], truth == k, prob[:, k]


def changes(
    task: Task,
    given: Answers,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    sampling: Sampling,
) -> Iterator[Change]:
    """What a calibration changes: probabilities ``(n, K)`` before and after, of the same films."""
    if task.kind in (TaskKind.BINARY, TaskKind.MULTILABEL):
        found = (sides(task, given.y_true, prob) for prob in (before, after))
        films = _films_of_sides(task, given.y_true)
        for (name, positive, old), (_, _, new), has in zip(*found, films, strict=True):
            patients = given.patients[has]
            losses = [_binary_loss(positive, p) for p in (old, new)]
            yield from _lower_is_better(name, losses, patients, sampling)
            then, now = (calibration(positive, p, patients, name, sampling) for p in (old, new))
            for measure in ("calibration_slope", "calibration_intercept"):
                yield Change(name, measure, then[measure], now[measure], None)
        return
    losses = [_loss(given.y_true, p) for p in (before, after)]
    yield from _lower_is_better("", losses, given.patients, sampling)


def _lower_is_better(
    name: str,
    losses: Sequence[NDArray[np.float64]],
    patients: NDArray[np.int64],
    sampling: Sampling,
) -> Iterator[Change]:
    old, new = losses
    sums, counts = patient_sums(np.concatenate([old, new, new - old], axis=1), patients)
    found = [
        sample.estimate(NO_FILMS, len(patients), sampling.confidence)
        for sample in mean_samples(sums, counts, sampling)
    ]
    for k, measure in enumerate(("brier", "log_loss")):
        yield Change(name, measure, found[k], found[k + 2], found[k + 4])


def _films_of_sides(task: Task, truth: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    if task.kind is TaskKind.MULTILABEL:
        yield from (truth != MASKED).T
    else:
        yield np.ones(len(truth), bool)


def _binary_loss(positive: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Brier score and log loss ``(n, 2)`` of each film, as `calibration` has their means."""
    p = scores.astype(np.float64).clip(0, 1)
    of_truth = np.where(positive, p, 1 - p)
    return np.stack([(p - positive) ** 2, -np.log(of_truth.clip(SMALLEST, 1.0))], axis=1)


def _loss(true: NDArray[np.int64], prob: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same of several classes, as `multiclass_calibration` has them."""
    p = prob.astype(np.float64).clip(0, 1)
    own = np.take_along_axis(p, true[:, None], axis=1)
    squared = (np.square(p - (true[:, None] == np.arange(p.shape[1])))).sum(axis=1)
    return np.stack([squared, -np.log(own[:, 0].clip(SMALLEST, 1.0))], axis=1)


def threshold_effects(
    task: Task,
    entry: TaskCard,
    given: Answers,
    pred: NDArray[np.int64],
    sampling: Sampling,
) -> Iterator[ChosenThreshold]:
    """What the thresholds of `entry` do, by answers `pred` that may come from others."""
    if entry.thresholds is None:
        return
    found = zip(
        sides(task, given.y_true, _called(task, pred)),
        _films_of_sides(task, given.y_true),
        entry.thresholds,
        strict=True,
    )
    for (name, truth, called), has, threshold in found:
        reached, patients = called == 1, given.patients[has]
        yield ChosenThreshold(
            name,
            threshold,
            proportion(
                reached[truth], patients[truth], f"no film is of '{name}'", sampling.confidence
            ),
            proportion(
                ~reached[~truth],
                patients[~truth],
                f"every film is of '{name}'",
                sampling.confidence,
            ),
        )


def _called(task: Task, pred: NDArray[np.int64]) -> NDArray[np.int64]:
    """Answers as a column of 0 and 1 for each class."""
    if task.kind is TaskKind.MULTILABEL:
        return pred
    return np.asarray(pred[:, None] == np.arange(len(task.classes)), np.int64)
