"""Heads whose answers really differ from film to film.

An untrained network answers every film with nearly the same probabilities, and passes any
comparison. So before answers are compared, heads are given weights along the directions in which
the embeddings of the films differ, until the probabilities cover most of 0–1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.tasks import TaskKind
from xraybatch.testing.contract import Broken
from xraybatch.training.heads import Head, OrdinalHead

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SPREAD = 0.5  # of a probability over the films, in every task
_LEAST_DIFFERENCE = 1e-4  # of embeddings between films, relative to their size
_CLEAR = 1e3  # by which embeddings of different films differ more than those of one
_WEAK = 0.5  # of the largest deviation of embeddings: what is smaller is not made as large as it
_LOGITS = 2.5  # standard deviation that logits are given


def spread_heads(embeddings: NDArray[np.float32], heads: Sequence[Head]) -> None:
    """Give heads weights by which films like these are answered differently.

    Parameters
    ----------
    embeddings : ndarray of float32, shape (n, D)
        Of different films.
    heads : sequence of Head

    Raises
    ------
    Broken
        If the embeddings are no numbers, or the same for all films.
    """
    given = embeddings.astype(np.float64)
    if not np.isfinite(given).all():
        raise Broken("The embedding of a film holds values that are no number, or infinite.")
    middle = given.mean(axis=0)
    _, sizes, directions = np.linalg.svd(given - middle, full_matrices=False)
    deviations = sizes / np.sqrt(len(given))
    size = np.sqrt((given**2).sum(axis=1).mean())
    if deviations[0] <= _LEAST_DIFFERENCE * size or size == 0:
        raise Broken(
            "Very different films get the same embedding: the features do not depend on the film."
        )
    # of one deviation each, and the less the more rounding has its part in how films differ
    known = deviations / np.maximum(deviations, _WEAK * deviations[0]) ** 2
    scaled = directions.T * known  # (D, directions)
    for number, head in enumerate(heads):
        if isinstance(head, OrdinalHead):
            kernel = _LOGITS * scaled[:, :1]
            steps = np.full((1, len(head.task.classes) - 1), 0.5)
            steps[0, 0] = (middle @ kernel)[0] - 1.0
            head.thresholds.kernel.assign(steps)
            head.dense.kernel.assign(kernel)
            continue
        found = head.task.kind is TaskKind.MULTILABEL
        mix = np.random.default_rng(number).normal(size=(len(deviations), len(head.task.classes)))
        if not found:  # what the logits of all classes have in common changes no answer
            mix -= mix.mean(axis=1, keepdims=True)
        logits = (given - middle) @ scaled @ mix
        kernel = scaled @ (_LOGITS * mix / (logits.std(axis=0) if found else logits.std()))
        head.dense.kernel.assign(kernel)
        # no two classes answer alike, even where films differ along one direction only
        head.dense.bias.assign(np.linspace(-0.5, 0.5, mix.shape[1]) - middle @ kernel)


def check_told_apart(embeddings: NDArray[np.float32], again: NDArray[np.float32]) -> None:
    """See that it is the film that embeddings differ by, and not its place in a batch.

    Parameters
    ----------
    embeddings, again : ndarray of float32, shape (n, D)
        Of the same films, in the same order here; at other places of a batch when they were made.

    Raises
    ------
    Broken
        If rounding, or the other films in the batch, decide about them.
    """
    first, second = embeddings.astype(np.float64), again.astype(np.float64)
    between = float(np.sqrt(((first - first.mean(axis=0)) ** 2).sum(axis=1).mean()))
    within = float(np.sqrt(((first - second) ** 2).sum(axis=1).mean()))
    if not between > _CLEAR * within:
        raise Broken(
            f"Embeddings of very different films differ by {between:.1e}, and those of one film at "
            f"two places of a batch by {within:.1e}: the features do not depend on the film alone."
        )


def check_spread(answers: Mapping[str, Any]) -> float:
    """The smallest range, over tasks, that probabilities cover.

    Raises
    ------
    Broken
        If it is too small for a comparison to say anything.
    """
    spread = min(float(np.ptp(values, axis=0).max()) for values in answers.values())
    if not spread >= LEAST_SPREAD:
        raise Broken(
            f"Probabilities of very different films differ by {spread:.2g} at most, so a "
            "comparison of them would say nothing."
        )
    return spread
