"""The model among the readers: how far each two of them agree, and each with the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import classification
from xraybatch.evaluation.answers import MASKED
from xraybatch.evaluation.bootstrap import Sampling, count_samples, patterns
from xraybatch.evaluation.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRUTH, MODEL = "truth", "model"


@dataclass(frozen=True)
class Agreement:
    """Two who read the same films.

    Attributes
    ----------
    one, other : str
        A reader's column, `TRUTH` or `MODEL`.
    films : int
        That both read.
    kappa, agreement : Estimate
        Cohen's kappa, of ordered grades with quadratic weights; share of films alike.
    """

    one: str
    other: str
    films: int
    kappa: Estimate
    agreement: Estimate


@dataclass(frozen=True)
class ReaderReport:
    """All pairs of truth, model and readers.

    Attributes
    ----------
    weights : str
        ``none`` or ``quadratic``: of kappa.
    pairs : tuple of Agreement
        Those with the truth first, then with the model, then among readers.
    """

    weights: str
    pairs: tuple[Agreement, ...]


def agreements(
    task: Task,
    y_true: NDArray[np.int64],
    y_pred: NDArray[np.int64],
    readers: Mapping[str, NDArray[np.int64]],
    patients: NDArray[np.int64],
    sampling: Sampling,
) -> ReaderReport:
    """Compare everybody with everybody.

    Parameters
    ----------
    task : Task
        Of one class a film.
    y_true, y_pred : ndarray of int64, shape (n,)
    readers : mapping of str to ndarray of int64, shape (n,)
        Classes that each gave, `MASKED` where a reader has not read a film.
    patients : ndarray of int64, shape (n,)
    sampling : Sampling
    """
    everybody = {TRUTH: y_true, MODEL: y_pred, **readers}
    weigh = task.kind is TaskKind.ORDINAL
    pairs = tuple(
        _pair(task, names, everybody, patients, sampling, weigh)
        for names in combinations(everybody, 2)
    )
    return ReaderReport("quadratic" if weigh else "none", pairs)


def _pair(
    task: Task,
    names: tuple[str, str],
    everybody: Mapping[str, NDArray[np.int64]],
    patients: NDArray[np.int64],
    sampling: Sampling,
    weigh: bool,
) -> Agreement:
    one, other = (everybody[name] for name in names)
    both = (one != MASKED) & (other != MASKED)
    size = len(task.classes)
    of_kappa = classification.quadratic_kappa if weigh else classification.kappa

    def statistics(cells: NDArray[np.int64]) -> NDArray[np.float64]:
        counts = cells.reshape(*cells.shape[:-1], size, size)
        return np.stack([of_kappa(counts), classification.accuracy(counts)], axis=-1)

    found = patterns(one[both] * size + other[both], patients[both], size * size)
    n = int(both.sum())
    if not n:
        nothing = Estimate.undefined("no film was read by both")
        return Agreement(*names, 0, nothing, nothing)
    kappa, share = count_samples(found, statistics, sampling.resamples, sampling.seed)
    reason = "both gave one class to every film"
    return Agreement(
        *names,
        n,
        kappa.estimate(reason, n, sampling.confidence),
        share.estimate(reason, n, sampling.confidence),
    )


def mean_kappa(pairs: Sequence[Agreement], name: str) -> float | None:
    """Mean kappa of one with all readers, truth left out; None where one is undefined."""
    mine = [p for p in pairs if name in (p.one, p.other) and TRUTH not in (p.one, p.other)]
    values = [p.kappa.value for p in mine]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
