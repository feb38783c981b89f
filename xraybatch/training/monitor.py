"""How well the validation films are answered after each epoch: what the best epoch is chosen by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.training.heads import UNLABELLED, Head

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_monitor(
    monitor: str, tasks: Sequence[Task], codes: Mapping[str, NDArray[np.int64]]
) -> None:
    """Refuse a figure that the validation films leave undefined, whatever the network answers.

    Parameters
    ----------
    monitor : str
        As for `judge`, or ``loss``.
    tasks : sequence of Task
    codes : mapping of str to ndarray of int64
        The truth of the validation films, by task; without any film nothing is monitored.

    Raises
    ------
    UsageError
    """
    if monitor == "loss" or not any(len(values) for values in codes.values()):
        return
    for task in tasks:
        truth = codes[task.name]
        count = len(task.classes)
        if figure(monitor, task, truth, np.full((len(truth), count), 1 / count)) is not None:
            return
    raise _undefined(monitor)


def judge(
    monitor: str, heads: Sequence[Head], codes: Mapping[str, NDArray[np.int64]], data: Any
) -> Any:
    """A Keras callback that adds ``val_<monitor>`` to each epoch's figures.

    Parameters
    ----------
    monitor : str
        ``accuracy``, ``balanced-accuracy``, ``macro-auc`` or ``kappa``; the mean of several tasks'.
    heads : sequence of Head
    codes : mapping of str to ndarray of int64
        The truth of the validation films, by task.
    data : keras.utils.PyDataset
        The validation films, in order; what follows them, for equal shares, does not count.
    """
    from keras import callbacks, ops

    class Judge(callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            logits = self.model.predict(data, verbose=0)
            found = []
            for head in heads:
                truth = codes[head.task.name]
                given = ops.convert_to_numpy(head.probabilities(logits[head.task.name]))
                lost = not np.isfinite(given).all()  # training has run away
                kept = given[: len(truth)]
                found.append(np.nan if lost else figure(monitor, head.task, truth, kept))
            known = [value for value in found if value is not None]
            if not known:
                raise _undefined(monitor)
            if logs is not None:
                logs[f"val_{monitor}"] = float(np.mean(known))

    return Judge()


def _undefined(monitor: str) -> UsageError:
    return UsageError(
        f"--monitor {monitor} is undefined: the validation films are too few, or of one class.",
        "Use --monitor loss, or a larger --val-split.",
    )


def figure(
    monitor: str, task: Task, codes: NDArray[np.int64], given: NDArray[np.floating[Any]]
) -> float | None:
    """One figure of one task; None where it is undefined.

    Parameters
    ----------
    monitor : str
    task : Task
    codes : ndarray of int64
        ``(n,)``, or for multilabel ``(n, K)`` of 0, 1 and −1; −1: not labelled.
    given : ndarray of float, shape (n, K)
        Probabilities.
    """
    if task.kind is TaskKind.MULTILABEL:
        columns = [
            _figure(monitor, truth, np.stack([1 - p, p], axis=1), ordinal=False)
            for truth, p in zip(codes.T, given.T, strict=True)
        ]
        known = [value for value in columns if value is not None]
        return float(np.mean(known)) if known else None
    return _figure(monitor, codes, given, ordinal=task.kind is TaskKind.ORDINAL)


def _figure(
    monitor: str, codes: NDArray[np.int64], given: NDArray[np.floating[Any]], *, ordinal: bool
) -> float | None:
    from sklearn import metrics

    labelled = codes != UNLABELLED
    codes, given = codes[labelled], given[labelled].astype(np.float64)
    present = np.unique(codes)
    if not len(codes):
        return None
    predicted = given.argmax(axis=1)
    if monitor == "accuracy":
        return float(np.mean(predicted == codes))
    if len(present) < 2:
        return None
    if monitor == "balanced-accuracy":
        return float(np.mean([np.mean(predicted[codes == k] == k) for k in present]))
    if monitor == "kappa":
        weights = "quadratic" if ordinal else None
        return float(metrics.cohen_kappa_score(codes, predicted, weights=weights))
    one_against_rest = [metrics.roc_auc_score(codes == k, given[:, k]) for k in present]
    return float(np.mean(one_against_rest))
