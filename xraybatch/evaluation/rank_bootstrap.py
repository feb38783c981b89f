"""Average precision and operating points, resampled by patient: sorted once, counted often.

Films are sorted by score once. A resample gives every patient a whole number; gathered in the
order of the scores and summed up, they are the true and the false positives at every threshold,
as whole numbers: neither the order of rows, nor threads, nor a strictly increasing map of the
scores changes a digit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.cores import in_threads
from xraybatch.evaluation.average_precision import without_each_patient
from xraybatch.evaluation.bootstrap import Sample, Sampling, weighted_values
from xraybatch.evaluation.classification import NO_FILMS
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.ranking import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

AVERAGE_PRECISION = "average_precision"
YOUDEN = "youden_j"
LEVELS = (90, 95)  # per cent
NAMES = (
    AVERAGE_PRECISION,
    *(f"sensitivity_at_specificity_{level}" for level in LEVELS),
    *(f"specificity_at_sensitivity_{level}" for level in LEVELS),
    YOUDEN,
)
_BLOCK = 1 << 15  # thresholds whose numbers fit into a core's cache
OPTIMISTIC = "at the best threshold for these very films, so better than on others"


@dataclass(frozen=True)
class RankEstimates:
    """What one pass over the resamples gives for all parts of a task.

    Attributes
    ----------
    parts : tuple of mapping of str to Estimate
        Of each part: `NAMES`.
    macro_average_precision : Estimate
        Plain mean over the parts; undefined where it is for any.
    """

    parts: tuple[Mapping[str, Estimate], ...]
    macro_average_precision: Estimate


def rank_estimates(
    parts: Sequence[Part], sampling: Sampling, threads: int | None = None
) -> RankEstimates:
    """Average precision, operating points and Youden's J of classes or findings.

    Parameters
    ----------
    parts : sequence of Part
        One or more; one number is one patient in all of them, and their films may differ.
    sampling : Sampling
    threads : int, optional
        As many as there are cores by default; they change no digit.

    Returns
    -------
    RankEstimates
        ``average_precision`` is the sum of precision times rise in recall over the distinct
        scores, without interpolation; undefined without positive films. BCa by the exact
        jackknife, or percentile where patients have hundreds of films.
        ``sensitivity_at_specificity_90`` is the highest sensitivity of all thresholds whose
        specificity is 90 % or more, and so on; ``youden_j`` the highest sensitivity + specificity
        − 1. They are undefined where only one side has films. Percentile: no jackknife is right
        for what jumps from threshold to threshold. `clusters` are the patients with a positive
        film, or with a negative one, whichever are fewer.
    """
    samples = rank_samples(parts, sampling, threads)
    films = max(len(part.positive) for part in parts)
    missing = [part.name for part in parts if not part.positive.any()]
    reason = f"no film is of {', '.join(missing)}" if films else NO_FILMS
    mean = mean_sample([of[AVERAGE_PRECISION] for of in samples])
    estimates = tuple(
        _estimates(part, of, sampling.confidence) for part, of in zip(parts, samples, strict=True)
    )
    return RankEstimates(
        estimates,
        replace(
            mean.estimate(reason, films, sampling.confidence),
            clusters=min(of[AVERAGE_PRECISION].clusters for of in estimates),
        ),
    )


def rank_samples(
    parts: Sequence[Part], sampling: Sampling, threads: int | None = None
) -> tuple[dict[str, Sample], ...]:
    """What `rank_estimates` makes its intervals of: `NAMES` of each part, from the same draws.

    Two models whose parts are given together have drawn values that can be subtracted.
    """
    there = np.zeros(1 + max(int(part.patients.max(initial=-1)) for part in parts), bool)
    for part in parts:
        there[part.patients] = True
    number = np.cumsum(there) - 1
    patients = int(there.sum())
    ranked = in_threads(lambda part: _Sorted(part, number), parts, threads)
    rows = [slice(k * len(NAMES), (k + 1) * len(NAMES)) for k in range(len(parts))]

    def worker() -> Callable[[NDArray[np.int64], NDArray[np.float64]], None]:
        buffers = _Buffers(ranked, patients)

        def fill(drawn: NDArray[np.int64], row: NDArray[np.float64]) -> None:
            buffers.weights[:] = drawn
            for part, of_part in zip(ranked, rows, strict=True):
                part.values(buffers, row[of_part])

        return fill

    point = np.empty(len(parts) * len(NAMES))
    worker()(np.ones(patients, np.int64), point)
    drawn = weighted_values(patients, len(point), worker, sampling, threads)
    once = np.ones(patients, np.int64)
    left_out = in_threads(lambda part: part.average_precision_without(patients), ranked, threads)
    found = []
    for of_part, without in zip(rows, left_out, strict=True):
        columns = zip(point[of_part].tolist(), drawn[:, of_part].T, strict=True)
        samples = {name: Sample(*column) for name, column in zip(NAMES, columns, strict=True)}
        samples[AVERAGE_PRECISION] = replace(
            samples[AVERAGE_PRECISION], left_out=without, times=once
        )
        found.append(samples)
    return tuple(found)


class RankValues:
    """`NAMES` of one part for any weights of its patients; its films are sorted once.

    Parameters
    ----------
    part : Part
        Its patients are numbered below `patients`.
    patients : int
    """

    def __init__(self, part: Part, patients: int) -> None:
        self._ordered = _Sorted(part, np.arange(patients))
        self._buffers = _Buffers([self._ordered], patients)

    def __call__(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        """``(some, patients)``, how often each patient counts → ``(some, len(NAMES))``."""
        found = np.empty((len(weights), len(NAMES)))
        for row, drawn in zip(found, weights, strict=True):
            self._buffers.weights[:] = drawn
            self._ordered.values(self._buffers, row)
        return found


def mean_sample(samples: Sequence[Sample]) -> Sample:
    """The plain mean of samples from the same draws."""
    left_out = [sample.left_out for sample in samples if sample.left_out is not None]
    return Sample(
        float(np.mean([sample.point for sample in samples])),
        np.mean([sample.drawn for sample in samples], axis=0),
        np.mean(left_out, axis=0) if len(left_out) == len(samples) else None,
        samples[0].times,
    )


def _estimates(part: Part, samples: Mapping[str, Sample], confidence: float) -> dict[str, Estimate]:
    films, positives = len(part.positive), int(part.positive.sum())
    reason = f"no film is of '{part.name}'" if not positives else f"every film is of '{part.name}'"
    among = {AVERAGE_PRECISION: films, YOUDEN: films}
    sides = (part.patients[part.positive], part.patients[~part.positive])
    fewest = min(np.count_nonzero(np.bincount(side)) for side in sides)
    found = {}
    for name, sample in samples.items():
        n = among.get(name, positives if name.startswith("sensitivity") else films - positives)
        estimate = sample.estimate(reason if films else NO_FILMS, n, confidence)
        found[name] = replace(estimate, clusters=int(fewest))
    if found[YOUDEN].value is not None:
        caution = "; ".join(filter(None, [OPTIMISTIC, found[YOUDEN].caution]))
        found[YOUDEN] = replace(found[YOUDEN], caution=caution)
    return found


class _Sorted:
    """One part: the patients of its films in the order of their scores, the highest first."""

    def __init__(self, part: Part, number: NDArray[np.int64]) -> None:
        descending = -np.asarray(part.scores, np.float64)
        owner = number[part.patients]
        above, self.positives = _in_order(descending[part.positive], owner[part.positive])
        below, self.negatives = _in_order(descending[~part.positive], owner[~part.positive])
        # thresholds are the scores of positive films: elsewhere only false positives are added
        self.last = np.flatnonzero(
            np.r_[above[1:] != above[:-1], np.ones(min(1, len(above)), bool)]
        )
        self.false = np.searchsorted(below, above[self.last], side="right")
        self.tied = len(self.last) < len(above)
        self.most_of_a_patient = int(np.bincount(owner).max(initial=0))

    def values(self, use: _Buffers, row: NDArray[np.float64]) -> None:
        """Fill ``row`` with the numbers of `NAMES` for the weights in the buffers."""
        row[:] = np.nan
        weights = use.positives[: len(self.positives)]
        np.take(use.weights, self.positives, out=weights, mode="clip")
        true = np.cumsum(weights, dtype=use.dtype, out=use.true[: len(weights)])
        others = use.negatives[: len(self.negatives)]
        np.take(use.weights, self.negatives, out=others, mode="clip")
        running = use.running[: len(others) + 1]  # begins with 0
        np.cumsum(others, dtype=use.dtype, out=running[1:])
        n_true, n_false = int(true[-1]) if len(true) else 0, int(running[-1])
        if n_true == 0:
            return
        thresholds = len(self.last)
        false = np.take(running, self.false, out=use.false[:thresholds], mode="clip")
        if self.tied:
            true = np.take(true, self.last, out=use.tied[:thresholds], mode="clip")
        precision, youden = _over_thresholds(true, false, n_true, n_false, use.blocks)
        row[0] = precision / n_true
        if n_false == 0:
            return
        for i, level in enumerate(LEVELS):
            # specificity reaches it where 100 false positives <= (100 - level) negatives
            most = use.dtype(n_false * (100 - level) // 100)
            reached = int(np.searchsorted(false, most, side="right"))
            row[1 + i] = int(true[reached - 1]) / n_true if reached else 0.0
            least = use.dtype(-(-n_true * level // 100))
            reached = int(np.searchsorted(true, least))
            row[1 + len(LEVELS) + i] = (n_false - int(false[reached])) / n_false
        row[-1] = youden / (n_true * n_false)

    def average_precision_without(self, patients: int) -> NDArray[np.float64] | None:
        """Average precision without each patient, as far as it can be had."""
        if not len(self.positives):
            return None
        return without_each_patient(self.positives, self.negatives, self.last, self.false, patients)


class _Buffers:
    """Arrays that one thread writes every resample into, long enough for every part."""

    def __init__(self, parts: Sequence[_Sorted], patients: int) -> None:
        positives = max(len(part.positives) for part in parts)
        negatives = max(len(part.negatives) for part in parts)
        thresholds = max(len(part.last) for part in parts)
        # every patient drawn could be the one with the most films
        most = max(part.most_of_a_patient for part in parts)
        self.dtype: Any = np.int32 if most * patients < 2**31 else np.int64
        self.weights = np.empty(patients, self.dtype)
        self.positives = np.empty(positives, self.dtype)
        self.true = np.empty(positives, self.dtype)
        self.negatives = np.empty(negatives, self.dtype)
        self.running = np.zeros(negatives + 1, self.dtype)
        self.tied, self.false = np.empty((2, thresholds), self.dtype)
        self.blocks = np.empty((4, min(_BLOCK, thresholds)))


def _over_thresholds(
    true: NDArray[Any], false: NDArray[Any], n_true: int, n_false: int, blocks: NDArray[np.float64]
) -> tuple[float, float]:
    """Sum of precision times rise of the true positives, and the most of ``TP Q − FP P``.

    Block by block, so that what one step writes the next one finds in the cache.
    """
    total, most, before = 0.0, 0.0, 0.0
    for start in range(0, len(true), _BLOCK):
        end = min(start + _BLOCK, len(true))
        tp, fp, called, risen = (block[: end - start] for block in blocks)
        tp[:], fp[:] = true[start:end], false[start:end]
        np.add(tp, fp, out=called)
        if called[0] == 0:  # before the first weight: 0 / 0
            np.maximum(called, 1, out=called)
        np.divide(tp, called, out=called)
        risen[0] = tp[0] - before
        np.subtract(tp[1:], tp[:-1], out=risen[1:])
        before = tp[-1]
        np.multiply(called, risen, out=risen)
        total += float(risen.sum())
        # whole numbers below 2^53
        np.multiply(tp, n_false, out=tp)
        np.multiply(fp, n_true, out=fp)
        np.subtract(tp, fp, out=tp)
        most = max(most, float(tp.max()))
    return total, most


def _in_order(
    values: NDArray[np.float64], owner: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    order = np.argsort(values)
    return values[order], owner[order]
