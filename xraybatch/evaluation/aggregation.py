"""Answers to the films of a study, put together to one answer: the rules, on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xraybatch.core.tasks import Task, TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEAN, MAX, VOTE, NOISY_OR = RULES = ("mean", "max", "vote", "noisy-or")
OF_FINDINGS = frozenset({TaskKind.BINARY, TaskKind.MULTILABEL})  # those of MAX and NOISY_OR


class Together(NamedTuple):
    """One answer a unit; of units without a film it means nothing.

    Attributes
    ----------
    probabilities : ndarray of float64, shape (units, K)
        Of `VOTE`: the shares of the films that were answered so.
    codes : ndarray of int64, shape (units,) or (units, K)
        Class indices; of findings 0 and 1.
    """

    probabilities: NDArray[np.float64]
    codes: NDArray[np.int64]


def put_together(
    probabilities: NDArray[np.float64],
    codes: NDArray[np.int64],
    unit: NDArray[np.intp],
    units: int,
    task: Task,
    thresholds: Sequence[float],
    rule: str,
) -> Together:
    """Answer units from the answers to their films.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n, K)
    codes : ndarray of int64, shape (n,) or (n, K)
        The films' own answers, which `VOTE` counts.
    unit : ndarray of int, shape (n,)
        Of each film, below `units`.
    units : int
    task : Task
        Of a kind in `OF_FINDINGS` for `MAX` and `NOISY_OR`.
    thresholds : sequence of float
        Binary: one, for the positive class; multilabel: K; of other kinds not used. Compared as
        float32, as `xraybatch.models.card.decide` does.
    rule : str
        `MEAN` of the probabilities; `MAX`, the highest of the positive class or finding; `VOTE`,
        the answer of most films, of equally many the one with the higher mean probability;
        `NOISY_OR`, one less the product of the films' probabilities of being negative.
    """
    films = np.bincount(unit, minlength=units)
    mean = _sums(probabilities, unit, films) / np.maximum(films, 1)[:, None]
    if rule == MEAN:
        found = mean
    elif rule == MAX:
        found = _highest(probabilities, unit, films, task)
    elif rule == VOTE:
        found = _votes(codes, unit, films, task)
    else:
        found = _any_of(probabilities, unit, films, task)
    return Together(found, _decide(found, mean, task, np.asarray(thresholds, np.float32), rule))


def _decide(
    found: NDArray[np.float64],
    mean: NDArray[np.float64],
    task: Task,
    bars: NDArray[np.float32],
    rule: str,
) -> NDArray[np.int64]:
    if task.kind is TaskKind.MULTILABEL:
        if rule == VOTE:
            tied = found == 0.5
            return np.where(tied, mean.astype(np.float32) >= bars, found > 0.5).astype(np.int64)
        return (found.astype(np.float32) >= bars).astype(np.int64)
    if rule == VOTE or task.kind is not TaskKind.BINARY:
        # equal votes: the class of the higher mean probability, then the first
        best = found == found.max(axis=1, keepdims=True)
        codes: NDArray[np.int64] = np.where(best, mean, -1.0).argmax(axis=1).astype(np.int64)
        return codes
    k = task.positive_index
    return np.where(found[:, k].astype(np.float32) >= bars[0], k, 1 - k)


def _sums(
    values: NDArray[np.float64], unit: NDArray[np.intp], films: NDArray[np.intp]
) -> NDArray[np.float64]:
    parts = [np.bincount(unit, column, len(films)) for column in values.T]
    return np.stack(parts, axis=1)


def _highest(
    p: NDArray[np.float64], unit: NDArray[np.intp], films: NDArray[np.intp], task: Task
) -> NDArray[np.float64]:
    top = np.zeros((len(films), p.shape[1]))
    np.maximum.at(top, unit, p)
    return _both(top, task)


def _any_of(
    p: NDArray[np.float64], unit: NDArray[np.intp], films: NDArray[np.intp], task: Task
) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):  # a probability of 1 decides alone: exp(-inf) is 0
        none = np.exp(_sums(np.log1p(-np.clip(p, 0.0, 1.0)), unit, films))
    return _both(1 - none, task)


def _both(found: NDArray[np.float64], task: Task) -> NDArray[np.float64]:
    if task.kind is TaskKind.BINARY:
        k = task.positive_index
        found[:, 1 - k] = 1 - found[:, k]
    return found


def _votes(
    codes: NDArray[np.int64], unit: NDArray[np.intp], films: NDArray[np.intp], task: Task
) -> NDArray[np.float64]:
    size = len(task.classes)
    votes = codes if codes.ndim == 2 else np.eye(size)[codes]
    return _sums(votes.astype(np.float64), unit, films) / np.maximum(films, 1)[:, None]
