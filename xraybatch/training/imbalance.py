"""Rare classes, shown more often; weighing them more, and focal loss, are matters of the heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def oversampled(
    train: NDArray[np.int64],
    weights: Mapping[str, NDArray[np.float32]],
    codes: Mapping[str, NDArray[np.int64]],
    seed: int,
) -> NDArray[np.int64]:
    """Training positions, those of rare classes several times.

    With one task of single labels every class is then there as often as the most frequent one, but
    for one film. With several tasks or findings a film counts by the mean of its classes' weights,
    so what is rare in one of them is shown more often without any being exactly equal.

    Parameters
    ----------
    train : ndarray of int64
        Positions of the training films.
    weights : mapping of str to ndarray of float32
        By task, one row a film, balanced, as `Head.weights` makes them; 0: no label.
    codes : mapping of str to ndarray of int64
        The truth, by task, one row a film.
    seed : int
        Of which films are repeated once more than their like.
    """
    rows = [values[train].reshape(len(train), -1) for values in weights.values()]
    cells = np.concatenate(rows, axis=1).astype(np.float64)
    labelled = cells > 0
    # of those with a label alone: that it is missing elsewhere makes no class of it rarer
    cells *= labelled.sum(axis=0) / np.maximum(cells.sum(axis=0), np.finfo(float).tiny)
    weight = cells.sum(axis=1) / np.maximum(labelled.sum(axis=1), 1)
    least = weight[weight > 0].min(initial=np.inf)
    times = np.where(weight > 0, weight / least, 1.0) if np.isfinite(least) else np.ones(len(train))
    # systematic sampling: among films of equal labels each stands floor or ceil of its times, and
    # all together as often as their sum
    order = np.random.default_rng(seed).permutation(len(train))
    labels = np.concatenate([c[train].reshape(len(train), -1) for c in codes.values()], axis=1)
    order = order[np.lexsort(labels[order].T)]
    ends = np.floor(np.cumsum(times[order]) + 1e-6).astype(np.int64)
    counts = np.diff(ends, prepend=0)
    return np.sort(np.repeat(train[order], counts))
