"""Sets of classes against the truth: their coverage, their size, what is left to a person.

Coverage is promised for films like those that the levels were fitted on. Another hospital, another
share of ill patients, and the promise is void; what stands here was counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.evaluation.bootstrap import Sampling, count_samples, patterns
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import proportion

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_FILMS = "no film has a label and an answer"
_POINTS = 20  # of the risk-coverage curve


@dataclass(frozen=True)
class ClassCoverage:
    """The films of one class: how many are in their sets, and how many go to a person."""

    name: str
    films: int
    coverage: Estimate
    referred: Estimate


@dataclass(frozen=True)
class SetSize:
    """How many films have sets of so many classes."""

    size: int
    films: int
    share: Estimate


@dataclass(frozen=True)
class RiskPoint:
    """If only the surest films were answered: how many those are, and how many of them wrongly.

    Attributes
    ----------
    least : float
        The probability of the answered class that a film must reach.
    answered : float
        Share of the films that reach it.
    error : Estimate
        Wrong answers among them.
    """

    least: float
    answered: float
    error: Estimate


@dataclass(frozen=True)
class SetReport:
    """What sets of classes did on labelled films.

    Attributes
    ----------
    level : float or None
        The coverage that was stated; None: not known.
    films, patients : int
    coverage : Estimate
        Films whose class is in their set.
    by_class : tuple of ClassCoverage
    mean_size : Estimate
        Classes in a set, on average.
    sizes : tuple of SetSize
        From 0 to the number of classes, those that occur.
    referred : Estimate
        Films for a person: their set is not of one class, or not of the class that was answered.
    error_answered, error_all, error_referred : Estimate
        Wrong answers among the films that are answered, among all films as if all were, and among
        those sent to a person, had the model answered.
    curve : tuple of RiskPoint
        From the surest films to all of them; empty where probabilities are not known.
    sentences : tuple of str
    """

    level: float | None
    films: int
    patients: int
    coverage: Estimate
    by_class: tuple[ClassCoverage, ...]
    mean_size: Estimate
    sizes: tuple[SetSize, ...]
    referred: Estimate
    error_answered: Estimate
    error_all: Estimate
    error_referred: Estimate
    curve: tuple[RiskPoint, ...] = ()
    sentences: tuple[str, ...] = ()


def check_sets(
    y_true: NDArray[np.int64],
    sets: NDArray[np.bool_],
    patients: NDArray[np.int64],
    classes: Sequence[str],
    level: float | None,
    sampling: Sampling,
    *,
    y_pred: NDArray[np.int64] | None = None,
    y_prob: NDArray[np.float64] | None = None,
    abstain: NDArray[np.bool_] | None = None,
) -> SetReport:
    """Count what the sets did.

    Parameters
    ----------
    y_true : ndarray of int64, shape (n,)
        Class indices.
    sets : ndarray of bool, shape (n, K)
    patients : ndarray of int64, shape (n,)
        0 and up.
    classes : sequence of str
    level : float or None
        The stated coverage.
    sampling : Sampling
    y_pred : ndarray of int64, shape (n,), optional
        The answers. Without them a film whose set is of one class is answered with that class, and
        the errors of the others are not known.
    y_prob : ndarray of float64, shape (n, K), optional
        For the risk-coverage curve, which needs `y_pred` too.
    abstain : ndarray of bool, shape (n,), optional
        Which films were sent to a person; by default those whose set is not of one class or not of
        the class that was answered.

    Returns
    -------
    SetReport
        Shares with Wilson's interval by patients, the mean size by the bootstrap of patients.
    """
    n, confidence = len(y_true), sampling.confidence
    width = np.asarray(sets.sum(axis=1), np.int64)
    covered = np.take_along_axis(sets, y_true[:, None], axis=1)[:, 0]
    if y_pred is None:
        answers, known = np.argmax(sets, axis=1).astype(np.int64), width == 1
    else:
        answers, known = y_pred, np.ones(n, bool)
    if abstain is None:
        abstain = ~((width == 1) & np.take_along_axis(sets, answers[:, None], axis=1)[:, 0])
    wrong = answers != y_true

    def share(success: NDArray[np.bool_], among: NDArray[np.bool_], why: str) -> Estimate:
        return proportion(success[among], patients[among], why if n else NO_FILMS, confidence)

    every = np.ones(n, bool)
    coverage = share(covered, every, NO_FILMS)
    unknown = Estimate.undefined("the answers of films sent to a person are not known", n)
    return SetReport(
        level=level,
        films=n,
        patients=len(np.unique(patients)),
        coverage=coverage,
        by_class=tuple(
            ClassCoverage(
                name,
                int((y_true == k).sum()),
                share(covered, y_true == k, f"no film is of '{name}'"),
                share(abstain, y_true == k, f"no film is of '{name}'"),
            )
            for k, name in enumerate(classes)
        ),
        mean_size=_mean_size(width, patients, len(classes), sampling),
        sizes=tuple(
            SetSize(size, int((width == size).sum()), share(width == size, every, NO_FILMS))
            for size in np.unique(width).tolist()
        ),
        referred=share(abstain, every, NO_FILMS),
        error_answered=share(wrong, ~abstain, "every film is sent to a person"),
        error_all=share(wrong, every, NO_FILMS) if known.all() else unknown,
        error_referred=share(wrong, abstain, "no film is sent to a person")
        if known.all()
        else unknown,
        curve=_risk_coverage(wrong, answers, y_prob, patients, confidence)
        if y_pred is not None and y_prob is not None
        else (),
        sentences=tuple(_verdict(level, coverage)),
    )


def _verdict(level: float | None, coverage: Estimate) -> list[str]:
    if level is None or coverage.value is None:
        return []
    if coverage.high is not None and coverage.high < level:
        stated = f"{100 * level:.4g} %"
        return [
            f"The sets cover fewer films than the stated {stated}: these films are unlike those "
            "that the levels were fitted on."
        ]
    return []


def _mean_size(
    width: NDArray[np.int64], patients: NDArray[np.int64], classes: int, sampling: Sampling
) -> Estimate:
    if not len(width):
        return Estimate.undefined(NO_FILMS)
    sizes = np.arange(classes + 1)
    (sample,) = count_samples(
        patterns(width, patients, classes + 1),
        lambda counts: _mean(counts, sizes),
        sampling.resamples,
        sampling.seed,
    )
    return sample.estimate(NO_FILMS, len(width), sampling.confidence)


def _mean(counts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # no film left
        return np.asarray((counts @ sizes) / counts.sum(axis=-1))[..., None]


def _risk_coverage(
    wrong: NDArray[np.bool_],
    answers: NDArray[np.int64],
    y_prob: NDArray[np.float64],
    patients: NDArray[np.int64],
    confidence: float,
) -> tuple[RiskPoint, ...]:
    n = len(wrong)
    if n == 0:
        return ()
    sure = np.take_along_axis(y_prob, answers[:, None], axis=1)[:, 0]
    # a film more or less must not split films that are equally sure
    places = np.unique(np.ceil(np.arange(1, _POINTS + 1) / _POINTS * n).astype(int)) - 1
    bars = np.unique(np.sort(sure)[::-1][places])[::-1]
    found = []
    for bar in bars.tolist():
        chosen = sure >= bar
        error = proportion(wrong[chosen], patients[chosen], NO_FILMS, confidence)
        found.append(RiskPoint(bar, float(chosen.mean()), error))
    return tuple(found)
