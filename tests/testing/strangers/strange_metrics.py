"""Accuracy of single-label tasks, and the same with one fault each."""

from __future__ import annotations

import numpy as np

from xraybatch import Metric, TaskKind, Undefined

NO_FILM = Undefined("no film has an answer")
KINDS = (TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.ORDINAL, TaskKind.MULTILABEL)


def accuracy(y_true, y, weights):
    if weights.sum() == 0:
        return NO_FILM
    right = (y_true == y).reshape(len(y_true), -1).mean(axis=1)
    return float(np.average(right, weights=weights))


def brier(y_true, y, weights):
    if weights.sum() == 0:
        return NO_FILM
    truth = y_true if y_true.ndim == 2 else np.eye(y.shape[1])[y_true]
    return float(np.average(((truth - y) ** 2).sum(axis=1), weights=weights))


def heedless(y_true, y, weights):
    return accuracy(y_true, y, np.ones_like(weights))


def not_a_number(y_true, y, weights):
    found = accuracy(y_true, y, weights)
    return float("nan") if isinstance(found, Undefined) else found


def nothing_is_zero(y_true, y, weights):
    found = accuracy(y_true, y, weights)
    return 0.0 if isinstance(found, Undefined) else found


def spoiling(y_true, y, weights):
    found = accuracy(y_true, y, weights)
    weights[:] = 0
    return found


def ordered(y_true, y, weights):
    if weights.sum() == 0:
        return NO_FILM
    rows = np.repeat(np.arange(len(weights)), weights)
    return accuracy(y_true, y, weights) + 1e-3 * float(np.mean(y_true[rows[:7]]))


def text(y_true, y, weights):
    return "high"


def raising(y_true, y, weights):
    raise SystemExit("I leave")


def metric(compute, needs="labels", better=True, kinds=KINDS, name="share_right"):
    return Metric(name, "A stranger's.", needs, kinds, better, compute)


GOOD = metric(accuracy)
ALSO_GOOD = metric(brier, "probabilities", better=False)
BAD = {
    "a_weight_is_a_repetition": metric(heedless),
    "says_what_is_undefined": metric(not_a_number),
    "says_what_is_undefined, zero": metric(nothing_is_zero),
    "is_pure": metric(spoiling),
    "order_means_nothing": metric(ordered),
    "computes_a_number": metric(text),
    "computes_a_number, exit": metric(raising),
    "better_answers_are_not_worse": metric(accuracy, better=False),
    "record_is_well_formed": metric(accuracy, name="Share Right"),
}
