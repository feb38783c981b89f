"""AUC of several classes, each pair of classes by itself (Hand and Till 2001)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.ranking import Part, macro_auc

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ovo_auc(
    y_true: NDArray[Any],
    y_prob: NDArray[Any],
    patients: NDArray[Any],
    classes: Sequence[str],
    confidence: float = 0.95,
) -> Estimate:
    """Mean AUC over all ordered pairs of classes, one against one.

    Parameters
    ----------
    y_true : ndarray of int64, shape (n,)
    y_prob : ndarray of float, shape (n, K)
    patients : ndarray of int64, shape (n,)
    classes : sequence of str
    confidence : float

    Returns
    -------
    Estimate
        Undefined where a class has no film. Each pair is ranked on the films of its two classes;
        the clustered variance is that of `macro_auc`. Unlike one-against-rest it does not depend
        on how common the classes are.
    """
    missing = [name for k, name in enumerate(classes) if not (y_true == k).any()]
    if missing:
        reason = f"no film is of '{missing[0]}'" if len(y_true) else NO_FILMS
        return Estimate.undefined(reason, len(y_true))
    parts = ovo_parts(y_true, y_prob, patients, classes)
    return replace(macro_auc(parts, confidence), n=len(y_true))


def ovo_parts(
    y_true: NDArray[Any], y_prob: NDArray[Any], patients: NDArray[Any], classes: Sequence[str]
) -> Iterator[Part]:
    """Every ordered pair of classes as `ovo_auc` takes it, on the films of its two classes.

    Each is made when it is looked at: all pairs at once would be K - 1 copies of the table.
    """
    for i, j in permutations(range(len(classes)), 2):
        some = np.flatnonzero((y_true == i) | (y_true == j))
        name = f"{classes[i]} or {classes[j]}"
        yield Part(y_true[some] == i, y_prob[some, i], patients[some], name)
