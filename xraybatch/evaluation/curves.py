"""Curves of a report: what pictures are drawn from, and the tables under them are read from.

All of them are of one class against the rest, named by the class; no single film's score is in
them.
"""

from __future__ import annotations

from dataclasses import dataclass

from xraybatch.evaluation.estimate import Estimate

MAX_CORNERS = 400  # of one curve: as many as show it


@dataclass(frozen=True)
class RocCurve:
    """Corners of one curve, from (0, 0) to (1, 1), at most `MAX_CORNERS` of them."""

    name: str
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision and recall at the distinct scores, highest first; steps, never straight lines.

    Attributes
    ----------
    name : str
    recall, precision : tuple of float
        Of equal length, at most `MAX_CORNERS`; recall does not fall.
    prevalence : float
        The precision of calling every film positive.
    """

    name: str
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    prevalence: float


@dataclass(frozen=True)
class ReliabilityBin:
    """Films whose probability of the class lies in ``[low, high)``, or ``[low, 1]`` in the last.

    Attributes
    ----------
    low, high : float
    films : int
        More than 0; empty bins are left out.
    predicted : float
        Mean probability.
    observed : Estimate
        Share of the films that are of the class.
    """

    low: float
    high: float
    films: int
    predicted: float
    observed: Estimate


@dataclass(frozen=True)
class ReliabilityCurve:
    """Observed against predicted share of one class, in ten bins of equal width."""

    name: str
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit of acting on the model, of acting on every film, and on none (which is 0).

    Attributes
    ----------
    name : str
    thresholds : tuple of float
        Probabilities from which one acts, rising, within 0 and 1.
    model : tuple of Estimate
        Net benefit (Vickers and Elkin 2006) of acting where the probability reaches the threshold.
    everyone : tuple of float
        Of acting on every film.
    """

    name: str
    thresholds: tuple[float, ...]
    model: tuple[Estimate, ...]
    everyone: tuple[float, ...]


@dataclass(frozen=True)
class ThresholdCounts:
    """Films called positive at every threshold of a grid: what a slider shows.

    Attributes
    ----------
    name : str
    thresholds : tuple of float
        0, 0.001, … 1; a film is called positive where its probability, as float32, reaches it.
    positives, negatives : int
        Films of the class, and of the others.
    true_positives, false_positives : tuple of int
        Of them, those called positive.
    """

    name: str
    thresholds: tuple[float, ...]
    positives: int
    negatives: int
    true_positives: tuple[int, ...]
    false_positives: tuple[int, ...]
