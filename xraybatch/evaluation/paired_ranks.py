"""Average precision and operating points of two models, in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation.bootstrap import Sample, Sampling
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.paired_bootstrap import as_large, difference_of, exchanges
from xraybatch.evaluation.rank_bootstrap import (
    AVERAGE_PRECISION,
    NAMES,
    RankValues,
    mean_sample,
    rank_samples,
)
from xraybatch.evaluation.ranking import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

MACRO = f"macro_{AVERAGE_PRECISION}"


class RankedScores:
    """One model's classes or findings, their numbers resampled once.

    Parameters
    ----------
    parts : sequence of Part
        One or more; models that are compared have the same films in theirs.
    sampling : Sampling
    """

    def __init__(self, parts: Sequence[Part], sampling: Sampling) -> None:
        self.sampling = sampling
        self.samples = rank_samples(parts, sampling)
        self.groups = np.unique(np.concatenate([part.patients for part in parts]))
        # ranks put the scores of two models on one scale
        self.parts = [
            part._replace(
                scores=_ranks(part.scores), patients=np.searchsorted(self.groups, part.patients)
            )
            for part in parts
        ]


def rank_differences(first: RankedScores, other: RankedScores) -> dict[str, Difference]:
    """Numbers of `other` less those of `first`, of the same films.

    Returns
    -------
    dict of str to Difference
        `MACRO`, and of a single part `rank_bootstrap.NAMES`. For the test scores are first turned
        into ranks, each model's by itself, so that exchanged films are on one scale.
    """
    sampling, parts = first.sampling, first.parts
    n = max(len(part.positive) for part in parts)
    mine, theirs = first.samples, other.samples
    names: tuple[str, ...] = NAMES if len(parts) == 1 else (AVERAGE_PRECISION,)
    differences = [
        _less(mean_sample([o[name] for o in theirs]), mean_sample([m[name] for m in mine]))
        for name in names
    ]
    observed = np.abs([sample.point for sample in differences])
    groups = len(first.groups)
    at_least = np.zeros(len(names), np.int64)
    if groups > 1 and not np.isnan(observed).all():
        columns = [NAMES.index(name) for name in names]
        pooled = [_pooled(a, b, groups) for a, b in zip(parts, other.parts, strict=True)]
        for exchanged in exchanges(groups, sampling):
            kept, gone = ~exchanged, exchanged
            own, others = (np.concatenate(w, axis=1) for w in ((kept, gone), (gone, kept)))
            each = [(of(others) - of(own))[:, columns] for of in pooled]
            at_least += as_large(np.mean(each, axis=0), observed).sum(axis=0)
    found = [
        difference_of(sample, int(times), n, sampling)
        for sample, times in zip(differences, at_least, strict=True)
    ]
    named = dict(zip(names, found, strict=True))
    return {**(named if len(parts) == 1 else {}), MACRO: named[AVERAGE_PRECISION]}


def _less(one: Sample, other: Sample) -> Sample:
    left_out = None
    if one.left_out is not None and other.left_out is not None:
        left_out = one.left_out - other.left_out
    return Sample(one.point - other.point, one.drawn - other.drawn, left_out, one.times)


def _pooled(first: Part, other: Part, groups: int) -> RankValues:
    # every patient stands there twice, with the films of either model, of which one counts
    both = Part(
        np.concatenate([first.positive, other.positive]),
        np.concatenate([first.scores, other.scores]),
        np.concatenate([first.patients, other.patients + groups]),
        first.name,
    )
    return RankValues(both, 2 * groups)


def _ranks(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 1, equal scores sharing the mean of theirs."""
    _, place, films = np.unique(scores, return_inverse=True, return_counts=True)
    found: NDArray[np.float64] = (np.cumsum(films) - (films - 1) / 2)[place]
    return found
