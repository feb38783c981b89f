"""Heads whose answers really differ from film to film.

An untrained network answers every film with nearly the same probabilities, and passes any
comparison. So before answers are compared, heads are given weights along the directions in which
the embeddings of the films differ, until the probabilities cover most of 0–1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.testing.contract import Broken
from xraybatch.training.heads import Head, OrdinalHead

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SPREAD = 0.5  # of a probability over the films, in every task
_LEAST_DIFFERENCE = 1e-4  # of embeddings between films, relative to their size
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
    used = int((deviations > 0.2 * deviations[0]).sum())
    scaled = directions[:used].T / deviations[:used]  # (D, used): unit deviation each
    for number, head in enumerate(heads):
        if isinstance(head, OrdinalHead):
            kernel = _LOGITS * scaled[:, :1]
            steps = np.full((1, len(head.task.classes) - 1), 0.5)
            steps[0, 0] = (middle @ kernel)[0] - 1.0
            head.thresholds.kernel.assign(steps)
            head.dense.kernel.assign(kernel)
            continue
        mix = np.random.default_rng(number).normal(size=(used, len(head.task.classes)))
        mix -= mix.mean(axis=1, keepdims=True) if len(head.task.classes) == 2 else 0
        kernel = scaled @ (_LOGITS * mix / np.sqrt((mix**2).sum(axis=0)))
        head.dense.kernel.assign(kernel)
        head.dense.bias.assign(-(middle @ kernel))


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
