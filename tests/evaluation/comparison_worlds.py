"""Two models that do not differ, on films of patients: worlds for tests of size and coverage."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

SIZES, SHARES = np.arange(1, 6), (0.2, 0.25, 0.25, 0.2, 0.1)
PREVALENCE, WITHIN, BETWEEN_MODELS = 0.3, 0.3, 0.5


class World(NamedTuple):
    positive: np.ndarray
    scores: np.ndarray  # (2, n)
    patients: np.ndarray


def world(rng, patients: int, auc: float = 0.9, better: float = 0.0, mixed: bool = False) -> World:
    """Normal scores of total variance 1; the films and the two models of a patient are alike.

    `better` is added to what separates the classes for the second model; `mixed`: the label is a
    film's own, else its patient's.
    """
    sizes = rng.choice(SIZES, patients, p=SHARES)
    owner = np.repeat(np.arange(patients), sizes)
    n = len(owner)
    labels = rng.random(n if mixed else patients) < PREVALENCE
    positive = labels if mixed else labels[owner]

    def alike(count: int) -> np.ndarray:
        shared = rng.normal(size=count)
        own = rng.normal(size=(2, count))
        return BETWEEN_MODELS**0.5 * shared + (1 - BETWEEN_MODELS) ** 0.5 * own

    noise = WITHIN**0.5 * alike(patients)[:, owner] + (1 - WITHIN) ** 0.5 * alike(n)
    separation = 2**0.5 * ndtri(auc) + np.array([[0.0], [better]])
    return World(positive, noise + separation * positive, owner)
