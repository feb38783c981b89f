"""Heads: from an embedding to a task's answer, one class for each kind of task.

Training works on logits, for precision; the model file gives probabilities. A film without a label
weighs nothing, so it trains the tasks that it has a label for and no other.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.tasks import Task, TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNLABELLED = -1


def head_for(task: Task, *, gamma: float = 0.0, smoothing: float = 0.0) -> Head:
    """The head of a task's kind, with `Head`'s other parameters."""
    kinds = {TaskKind.ORDINAL: OrdinalHead, TaskKind.MULTILABEL: FindingsHead}
    return kinds.get(task.kind, Head)(task, gamma=gamma, smoothing=smoothing)


class Head:
    """Softmax over the classes of a binary or multiclass task.

    A head holds its Keras layers, made at first use; one head belongs to one network.

    Parameters
    ----------
    task : Task
    gamma : float
        Above 0: focal loss (Lin et al. 2017), which forgets what is answered well already; 2 is
        usual.
    smoothing : float
        Share of each target that is spread evenly over the classes.
    """

    # whether logits are a linear function of the embedding, one column a class: then there is a
    # heat map of each class
    linear = True

    def __init__(self, task: Task, *, gamma: float = 0.0, smoothing: float = 0.0) -> None:
        self.task = task
        self.gamma = gamma
        self.smoothing = smoothing

    @cached_property
    def dense(self) -> Any:
        """The layer that reads the embedding."""
        from keras import layers

        return layers.Dense(len(self.task.classes), name=f"{self.task.name}_head")

    def logits(self, embedding: Any) -> Any:
        """Keras tensor ``(batch, D)`` to ``(batch, M)``; every call shares the head's layers."""
        return self.dense(embedding)

    def probabilities(self, logits: Any) -> Any:
        """Keras tensor of logits to probabilities ``(batch, K)``."""
        from keras import ops

        return ops.softmax(logits, axis=-1)

    def targets(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the loss compares logits with, ``(n, M)``.

        Parameters
        ----------
        codes : ndarray of int64
            ``(n,)`` class indices, −1 for unlabelled; multilabel ``(n, K)`` of 0, 1 and −1.
        """
        found: NDArray[np.float32] = np.eye(len(self.task.classes), dtype=np.float32)[codes]
        found[codes == UNLABELLED] = 0
        return found

    def weights(
        self, codes: NDArray[np.int64], train: NDArray[np.int64], *, balanced: bool
    ) -> NDArray[np.float32]:
        """How much each film counts in the loss; 0 where it is not labelled.

        Scaled so that what is trained on weighs 1 on average, whatever share of it is labelled: a
        task with few labels counts as much as one with many.

        Parameters
        ----------
        codes : ndarray of int64
            As for `targets`.
        train : ndarray of int64
            Positions of the films that are trained on, each as often as it is shown: class
            frequencies are theirs.
        balanced : bool
            Whether every class weighs the same in sum.
        """
        return _class_weights(codes, train, len(self.task.classes), balanced=balanced)

    def loss(self, targets: Any, logits: Any) -> Any:
        """Cross-entropy of each film, ``(batch,)``."""
        from keras import losses, ops

        found = losses.categorical_crossentropy(
            targets, logits, from_logits=True, label_smoothing=self.smoothing
        )
        if self.gamma:
            right = ops.sum(targets * ops.softmax(logits, axis=-1), axis=-1)
            found = found * ops.power(1.0 - right, self.gamma)
        return found

    def hits(self, targets: Any, logits: Any) -> Any:
        """1 where the most probable class is the right one, ``(batch,)``."""
        from keras import metrics

        return metrics.categorical_accuracy(targets, logits)

    def _cells(self, targets: Any, logits: Any) -> Any:
        """Cross-entropy of each cell, which is a question of yes or no."""
        from keras import ops

        targets = ops.cast(targets, logits.dtype)
        smoothed = targets * (1.0 - self.smoothing) + self.smoothing / 2
        # log(1 + exp(l)) - t·l, without an overflow
        found = ops.softplus(logits) - smoothed * logits
        if self.gamma:
            yes = ops.sigmoid(logits)
            right = targets * yes + (1.0 - targets) * (1.0 - yes)
            found = found * ops.power(1.0 - right, self.gamma)
        return found


class FindingsHead(Head):
    """A sigmoid for each finding of a multilabel task; an empty cell masks that finding alone."""

    def probabilities(self, logits: Any) -> Any:
        """Keras tensor of logits to probabilities ``(batch, K)``."""
        from keras import ops

        return ops.sigmoid(logits)

    def targets(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """0 and 1, ``(n, K)``."""
        return np.maximum(codes, 0).astype(np.float32)

    def weights(
        self, codes: NDArray[np.int64], train: NDArray[np.int64], *, balanced: bool
    ) -> NDArray[np.float32]:
        """How much each cell counts, ``(n, K)``; balanced between with and without a finding."""
        columns = [_class_weights(column, train, 2, balanced=balanced) for column in codes.T]
        return np.stack(columns, axis=1)

    def loss(self, targets: Any, logits: Any) -> Any:
        """Cross-entropy of each cell, ``(batch, K)``."""
        return self._cells(targets, logits)

    def hits(self, targets: Any, logits: Any) -> Any:
        """1 where a cell is on the right side of one half, ``(batch, K)``."""
        return _cell_hits(targets, logits)


class OrdinalHead(Head):
    """One score and K − 1 ordered thresholds: P(grade > k) = sigmoid(score − threshold k).

    Ordered by construction, so the differences that are the grades' probabilities are never
    negative. Made of plain Keras layers, so a saved model opens without this program.
    """

    linear = False

    @cached_property
    def dense(self) -> Any:
        """The layer that makes the score."""
        from keras import layers

        return layers.Dense(1, use_bias=False, name=f"{self.task.name}_head")

    @cached_property
    def thresholds(self) -> Any:
        """A layer that is fed ones, so that its kernel is what is learned of the thresholds."""
        from keras import layers

        name = f"{self.task.name}_thresholds"
        steps = len(self.task.classes) - 1
        return layers.Dense(steps, use_bias=False, kernel_initializer="zeros", name=name)

    def logits(self, embedding: Any) -> Any:
        """Score minus each threshold, ``(batch, K − 1)``, falling along the last axis."""
        from keras import ops

        score = self.dense(embedding)
        free = self.thresholds(ops.ones_like(score))
        # the first is free, each further lies above by a positive gap
        parts = [free[:, :1], ops.softplus(free[:, 1:])] if free.shape[-1] > 1 else [free]
        return score - ops.cumsum(ops.concatenate(parts, axis=-1), axis=-1)

    def probabilities(self, logits: Any) -> Any:
        """Differences of neighbouring P(grade > k), ``(batch, K)``."""
        from keras import ops

        above = ops.sigmoid(logits)
        parts = [1.0 - above[:, :1], above[:, :-1] - above[:, 1:], above[:, -1:]]
        if logits.shape[-1] == 1:
            del parts[1]
        return ops.maximum(ops.concatenate(parts, axis=-1), 0.0)

    def targets(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """1 for each threshold that the grade lies above, ``(n, K − 1)``."""
        steps = np.arange(len(self.task.classes) - 1)
        return (codes[:, None] > steps).astype(np.float32)

    def weights(
        self, codes: NDArray[np.int64], train: NDArray[np.int64], *, balanced: bool
    ) -> NDArray[np.float32]:
        """A film's weight at each threshold, ``(n, K − 1)``."""
        films = super().weights(codes, train, balanced=balanced)
        return np.repeat(films[:, None], len(self.task.classes) - 1, axis=1)

    def loss(self, targets: Any, logits: Any) -> Any:
        """Cross-entropy at each threshold, ``(batch, K − 1)``."""
        return self._cells(targets, logits)

    def hits(self, targets: Any, logits: Any) -> Any:
        """1 where a threshold is on the right side, ``(batch, K − 1)``."""
        return _cell_hits(targets, logits)


def _class_weights(
    codes: NDArray[np.int64], train: NDArray[np.int64], classes: int, *, balanced: bool
) -> NDArray[np.float32]:
    from sklearn.utils.class_weight import compute_class_weight

    labelled = codes != UNLABELLED
    known = codes[train][labelled[train]]
    by_class = np.ones(classes)
    if balanced and len(known):
        present = np.unique(known)
        by_class[present] = compute_class_weight("balanced", classes=present, y=known)
    films = np.where(labelled, by_class[codes], 0.0)
    mean = films[train].mean() if len(train) else 0.0
    return (films / mean if mean > 0 else films).astype(np.float32)


def _cell_hits(targets: Any, logits: Any) -> Any:
    from keras import ops

    return ops.cast(ops.equal(targets > 0.5, logits >= 0), "float32")
