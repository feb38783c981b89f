"""From a model file's probabilities to those that are shown, and to sets of classes.

The graph stays raw. What `xraybatch calibrate` fitted stands in the card and is applied here and
nowhere else, so that self-test and parity gate go on comparing what the graph says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.models.calibration_checks import LAC, PLATT, TEMPERATURE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xraybatch.models.card import TaskCard

_LEAST = 2.0**-126  # a probability of 0 is one that float32 could not hold
_MOST = 1 - 2.0**-25


def calibrated(probabilities: NDArray[np.float32], entry: TaskCard) -> NDArray[np.float32]:
    """Probabilities as the card's calibration has them.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, K)
        As the graph gives them.
    entry : TaskCard
        Without a calibration nothing changes.

    Returns
    -------
    ndarray of float32, shape (n, K)
        A film's row does not depend on the other films. ``temperature``: softmax of log p / T, for
        multilabel each finding's logit / T of its own. ``platt``, of a binary task's positive class
        and of findings: the sigmoid of a + b logit p. ``isotonic``: the line through the stored
        knots, flat beyond them; of a binary task for the positive class, the other being the
        rest; of several classes each by itself, then divided by their sum.
    """
    if entry.calibration is None:
        return probabilities
    if entry.calibration["method"] == TEMPERATURE:
        return tempered(probabilities, entry.calibration["temperature"], entry.task.kind)
    if entry.calibration["method"] == PLATT:
        line = entry.calibration["slope"], entry.calibration["intercept"]
        return on_line(probabilities, *line, entry.task)
    return by_knots(probabilities, entry.calibration["knots"], entry.task)


def tempered(
    probabilities: NDArray[np.float32], temperature: Sequence[float], kind: TaskKind
) -> NDArray[np.float32]:
    """Probabilities at a temperature; above 1 they move towards each other."""
    import numpy as np

    logits = log_odds(probabilities, kind) / np.asarray(temperature, np.float64)
    if kind is TaskKind.MULTILABEL:
        return _sigmoid(logits).astype(np.float32)
    parts = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(parts / parts.sum(axis=1, keepdims=True), np.float32)


def log_odds(probabilities: NDArray[np.float32], kind: TaskKind) -> NDArray[np.float64]:
    """What a temperature divides: log p, for multilabel log p − log(1 − p); always finite."""
    import numpy as np

    p = np.ascontiguousarray(probabilities, np.float64).clip(_LEAST, 1.0)
    if kind is TaskKind.MULTILABEL:
        return np.asarray(np.log(p) - np.log1p(-p.clip(None, _MOST)))
    return np.asarray(np.log(p))


def on_line(
    probabilities: NDArray[np.float32],
    slope: Sequence[float],
    intercept: Sequence[float],
    task: Task,
) -> NDArray[np.float32]:
    """Probabilities whose log odds are moved along a line; one line a finding."""
    import numpy as np

    odds = log_odds(probabilities, task.kind)
    if task.kind is TaskKind.MULTILABEL:
        return _sigmoid(np.asarray(slope) * odds + np.asarray(intercept)).astype(np.float32)
    k = task.positive_index
    moved = slope[0] * (odds[:, k] - odds[:, 1 - k]) + intercept[0]
    both = np.empty_like(odds)
    both[:, k], both[:, 1 - k] = _sigmoid(moved), _sigmoid(-moved)
    return both.astype(np.float32)


def by_knots(
    probabilities: NDArray[np.float32], knots: Sequence[Mapping[str, Any]], task: Task
) -> NDArray[np.float32]:
    """Probabilities on lines through knots, one line for each of `knots`."""
    import numpy as np

    p = probabilities.astype(np.float64)
    if task.kind is TaskKind.BINARY:
        k = task.positive_index
        found = np.interp(p[:, k], knots[0]["x"], knots[0]["y"])
        both = np.empty_like(p)
        both[:, k], both[:, 1 - k] = found, 1 - found
        return both.astype(np.float32)
    out = np.stack(
        [np.interp(p[:, k], line["x"], line["y"]) for k, line in enumerate(knots)], axis=1
    )
    if task.kind is not TaskKind.MULTILABEL:
        total = out.sum(axis=1, keepdims=True)
        out = np.where(total > 0, out / np.where(total > 0, total, 1.0), 1 / out.shape[1])
    return np.asarray(out, np.float32)


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    small = np.exp(-np.abs(logits))  # never above 1
    return np.asarray(np.where(logits < 0, small, 1.0) / (1 + small))


# ── sets ───────────────────────────────────────────────────────────────────────────────────────


def nonconformity(probabilities: NDArray[np.float32], score: str) -> NDArray[np.float64]:
    """How strange each class would be as the truth of each film; smaller is more at home.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, K)
        As the graph gives them.
    score : str
        ``lac``: one less the class's probability (Sadinle, Lei and Wasserman 2019). ``aps``: the
        probability of all classes before it, the most probable first (Romano, Sesia and Candès
        2020) without their random number, so that no set is empty.

    Returns
    -------
    ndarray of float64, shape (n, K)
    """
    import numpy as np

    p = np.ascontiguousarray(probabilities, np.float64)
    if score == LAC:
        return np.asarray(1 - p)
    order = np.argsort(-p, axis=1, kind="stable")  # as argmax: the first of equal classes
    ranked = np.take_along_axis(p, order, axis=1)
    before = np.zeros_like(ranked)
    before[:, 1:] = np.cumsum(ranked, axis=1)[:, :-1]
    found = np.empty_like(before)
    np.put_along_axis(found, order, before, axis=1)
    return found


def sets(probabilities: NDArray[np.float32], entry: TaskCard) -> NDArray[np.bool_]:
    """Which classes each film may be of, so that the truth is among them as often as was stated.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, K)
        As the graph gives them, not calibrated: levels and calibration may then be fitted on the
        same films without loss of the guarantee.
    entry : TaskCard
        With conformal levels.

    Raises
    ------
    ValueError
        If the card has no conformal levels for the task.
    """
    if entry.conformal is None:
        raise ValueError(f"task '{entry.task.name}' has no conformal levels")
    return within(probabilities, entry.conformal["score"], entry.conformal["levels"])


def within(
    probabilities: NDArray[np.float32], score: str, levels: Sequence[float | None]
) -> NDArray[np.bool_]:
    """The classes whose nonconformity does not pass their level; None: no level, always in."""
    import numpy as np

    bars = np.array([np.inf if level is None else level for level in levels])
    return np.asarray(nonconformity(probabilities, score) <= bars)


def abstains(inside: NDArray[np.bool_], answers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which films are for a person: the set is not one class, or not the class that was answered.

    Parameters
    ----------
    inside : ndarray of bool, shape (n, K)
    answers : ndarray of int64, shape (n,)
        Of `xraybatch.models.card.decide`.
    """
    import numpy as np

    alone = inside.sum(axis=1) == 1
    return np.asarray(~(alone & np.take_along_axis(inside, answers[:, None], axis=1)[:, 0]))


# ── what a card may hold ───────────────────────────────────────────────────────────────────────
