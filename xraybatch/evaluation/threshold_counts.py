"""What every threshold would do: films called positive, precision, recall; the top k classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation.curves import MAX_CORNERS, PrecisionRecallCurve, ThresholdCounts
from xraybatch.evaluation.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 1000


def threshold_counts(
    positive: NDArray[np.bool_], scores: NDArray[Any], name: str
) -> ThresholdCounts:
    """Count the films called positive at 0, 0.001 … 1.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
    scores : ndarray of float, shape (n,)
        Compared with the thresholds as float32, as the card decides.
    name : str
        Of the class.
    """
    grid = np.arange(STEPS + 1) / STEPS
    bars = grid.astype(np.float32)
    as_float32 = scores.astype(np.float32)
    sides = [np.sort(as_float32[side]) for side in (positive, ~positive)]
    true, false = (len(side) - np.searchsorted(side, bars, side="left") for side in sides)
    return ThresholdCounts(
        name,
        tuple(grid.tolist()),
        len(sides[0]),
        len(sides[1]),
        tuple(true.tolist()),
        tuple(false.tolist()),
    )


def precision_recall_curve(
    positive: NDArray[np.bool_], scores: NDArray[Any], name: str
) -> PrecisionRecallCurve | None:
    """Precision and recall at the distinct scores; None without positive films.

    Of more than `MAX_CORNERS` scores those nearest to even steps of recall are kept.
    """
    if not positive.any():
        return None
    prevalence = float(np.count_nonzero(positive) / len(positive))
    if positive.all():
        return PrecisionRecallCurve(name, (0.0, 1.0), (1.0, 1.0), prevalence)
    false, true = Ranking(positive, scores).corners()
    false, true = false[1:], true[1:]  # the first has called no film positive
    recall, precision = true / true[-1], true / (true + false)
    if len(recall) > MAX_CORNERS:
        wanted = np.searchsorted(recall, np.linspace(0, 1, MAX_CORNERS))
        kept = np.unique(np.r_[wanted.clip(0, len(recall) - 1), len(recall) - 1])[:MAX_CORNERS]
        recall, precision = recall[kept], precision[kept]
    return PrecisionRecallCurve(name, tuple(recall.tolist()), tuple(precision.tolist()), prevalence)


def top_k(y_true: NDArray[np.int64], y_prob: NDArray[Any], k: int) -> NDArray[np.bool_]:
    """Whether the truth ``(n,)`` is among the `k` most probable classes of ``(n, K)``.

    Among equal probabilities the first class goes before, as in the answers.
    """
    of_truth = y_prob[np.arange(len(y_true)), y_true][:, None]
    before = np.arange(y_prob.shape[1])[None, :] < y_true[:, None]
    ahead = (y_prob > of_truth) | ((y_prob == of_truth) & before)
    found: NDArray[np.bool_] = ahead.sum(axis=1) < k
    return found
