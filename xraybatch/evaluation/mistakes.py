"""Which films a model got wrong, the ones it was surest of first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.answers import MASKED, Answers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xraybatch.evaluation.joined import Joined


@dataclass(frozen=True)
class Mistake:
    """One film with a wrong answer to one task.

    Attributes
    ----------
    path, frame : str
        The key of the film in the results; `frame` is empty for a film of a single frame.
    task : str
    truth, predicted : str
        Classes; of a finding of a multilabel task its name, or ``no <name>``.
    probability : float or None
        Of the predicted class; None: the results have no probabilities.
    probability_of_truth : float or None
    """

    path: str
    frame: str
    task: str
    truth: str
    predicted: str
    probability: float | None
    probability_of_truth: float | None


def mistakes(joined: Joined, given: Answers, task: Task) -> tuple[Mistake, ...]:
    """Every wrong answer to one task, by the probability of the wrong class, highest first.

    Parameters
    ----------
    joined : Joined
    given : Answers
        Of `task`, read out of `joined`.
    task : Task

    Returns
    -------
    tuple of Mistake
        Equal probabilities in the order of the join, as are all where there are none. Of a
        multilabel task one for every finding that is wrong of a film.
    """
    if task.kind is not TaskKind.MULTILABEL:
        films = np.flatnonzero(given.y_true != given.y_pred)
        return _sorted(
            joined,
            given.rows[films],
            task,
            [(task.classes[t], task.classes[p]) for t, p in _pairs(given, films)],
            _chosen(given.y_prob, films, given.y_pred),
            _chosen(given.y_prob, films, given.y_true),
        )
    films, findings = np.nonzero((given.y_true != given.y_pred) & (given.y_true != MASKED))
    sides = [(f"no {name}", name) for name in task.classes]
    truth = given.y_true[films, findings]
    of_claim = None
    if given.y_prob is not None:
        present = given.y_prob[films, findings]
        of_claim = np.where(truth == 0, present, 1 - present)
    return _sorted(
        joined,
        given.rows[films],
        task,
        [(sides[k][t], sides[k][1 - t]) for k, t in zip(findings, truth, strict=True)],
        of_claim,
        None if of_claim is None else 1 - of_claim,
    )


def _pairs(given: Answers, films: NDArray[np.int64]) -> zip[tuple[int, int]]:
    return zip(given.y_true[films].tolist(), given.y_pred[films].tolist(), strict=True)


def _chosen(
    y_prob: NDArray[np.float64] | None, films: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    return None if y_prob is None else y_prob[films, classes[films]]


def _sorted(
    joined: Joined,
    rows: NDArray[np.int64],
    task: Task,
    said: Sequence[tuple[str, str]],
    predicted: NDArray[np.float64] | None,
    truth: NDArray[np.float64] | None,
) -> tuple[Mistake, ...]:
    keys = joined.results.iloc[rows]
    paths = keys["path"].tolist()
    frames = keys["frame"].tolist() if "frame" in keys else [""] * len(paths)
    order = range(len(rows)) if predicted is None else np.argsort(-predicted, kind="stable")
    return tuple(
        Mistake(
            paths[i],
            frames[i],
            task.name,
            *said[i],
            None if predicted is None else float(predicted[i]),
            None if truth is None else float(truth[i]),
        )
        for i in map(int, order)
    )
