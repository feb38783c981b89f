"""The ROC curve itself: its corners, as few as show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation.curves import MAX_CORNERS, RocCurve
from xraybatch.evaluation.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray


def roc_curves(
    y_true: NDArray[np.int64],
    y_prob: NDArray[Any],
    classes: Sequence[str],
    wanted: Iterable[int] | None = None,
) -> tuple[RocCurve, ...]:
    """ROC curve of each class against the rest, leaving out those without films on both sides.

    Parameters
    ----------
    y_true : ndarray of int64, shape (n,)
        Class indices.
    y_prob : ndarray of float, shape (n, K)
    classes : sequence of str
    wanted : iterable of int, optional
        Which classes; all of them by default.
    """
    chosen = range(len(classes)) if wanted is None else wanted
    found = (roc_curve(y_true == k, y_prob[:, k], classes[k]) for k in chosen)
    return tuple(curve for curve in found if curve is not None)


def roc_curve(positive: NDArray[np.bool_], scores: NDArray[Any], name: str) -> RocCurve | None:
    """Corners of the ROC curve of the class `name`; None where only one side has films.

    Corners on a straight line are left out (they do not show); of more than `MAX_CORNERS`, those
    nearest to even steps along the curve are kept, so that no point moves by more than 1/200.
    """
    if positive.all() or not positive.any():
        return None
    false, true = Ranking(positive, scores).corners()
    right, up = np.diff(false), np.diff(true)
    keep = np.flatnonzero(np.r_[True, right[:-1] * up[1:] != right[1:] * up[:-1], True])
    x, y = false[keep] / false[-1], true[keep] / true[-1]
    if len(keep) > MAX_CORNERS:
        steps = np.searchsorted(x + y, np.linspace(0, 2, MAX_CORNERS))
        some = np.unique(np.r_[0, steps.clip(0, len(keep) - 1), len(keep) - 1])[:MAX_CORNERS]
        x, y = x[some], y[some]
    return RocCurve(name, tuple(x.tolist()), tuple(y.tolist()))
