"""Every pair of several models: differences, adjusted over the pairs, and a plain verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite

import numpy as np

from xraybatch.core.counting import counted, verb
from xraybatch.core.errors import UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import verdict
from xraybatch.evaluation.bars import AT_MOST_1
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.disagreement import RightAndWrong, right_and_wrong
from xraybatch.evaluation.estimate import FEW, with_clusters
from xraybatch.evaluation.holm import holm
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.paired import Side, differences, lower_is_better
from xraybatch.evaluation.planning import PlanningApart, plan_apart
from xraybatch.evaluation.verdict import NonInferiority

_MARGIN_CONFIDENCE = 0.95  # whose lower end is the one-sided 97.5 % bound
# what models are compared by unless a person says; the next where one does not exist
_PRIMARY = {
    TaskKind.BINARY: ("auc", "accuracy"),
    TaskKind.MULTICLASS: ("macro_auc", "accuracy"),
    TaskKind.ORDINAL: ("quadratic_kappa", "accuracy"),
    TaskKind.MULTILABEL: ("macro_auc", "macro_f1"),
}


@dataclass(frozen=True)
class Wish:
    """What a person wants models to be told apart by.

    Attributes
    ----------
    primary : str or None
        A number of the report, as JSON calls it; ``auc`` is the mean one where there are several.
        None: AUC, for ordered grades the quadratic kappa.
    margin : float or None
        How much worse than the first a model may be; None: not asked.

    Raises
    ------
    UsageError
        If the margin is not above 0, or so large that every model is within it.
    """

    primary: str | None = None
    margin: float | None = None

    def __post_init__(self) -> None:
        if self.margin is not None and not (self.margin > 0 and isfinite(self.margin)):
            raise UsageError(
                f"A margin of {self.margin:g} says nothing.",
                "Give how much worse a model may be, such as --margin 0.02.",
            )
        bounded = self.primary is None or self.primary in AT_MOST_1
        if bounded and self.margin is not None and self.margin >= 1:
            raise UsageError(
                f"A margin of {self.margin:g} allows any model: the number it is of is at most 1.",
                "Give how much worse a model may be, in its own units: --margin 0.02.",
            )

    def check(self, tasks: Sequence[TaskComparison]) -> None:
        """Raise `UsageError` if models cannot be compared by the primary number in any task."""
        if self.primary is None:
            return
        compared = [task.pairs[0].differences for task in tasks]
        known = {name for names in compared for name in names}
        if not any(self.in_names(names) for names in compared):
            raise UsageError(
                f"--primary {self.primary}: models are not compared by such a number here.",
                did_you_mean(self.primary, known),
            )

    def in_names(self, names: Mapping[str, object]) -> str | None:
        """What the primary number is called among these; None if it is not there."""
        for name in (self.primary, f"macro_{self.primary}"):
            if name is not None and name in names:
                return name
        return None


@dataclass(frozen=True)
class Pair:
    """Two models of a comparison.

    Attributes
    ----------
    first, other : int
        Which models, from 0; differences are `other` less `first`.
    differences : mapping of str to Difference
        By number.
    disagreement : tuple of RightAndWrong
        Of all films, then of each true class or finding.
    verdict : str
        By the primary number, in a sentence.
    non_inferiority : NonInferiority or None
        By the primary number, where a margin was given and `first` is the first model.
    planning : PlanningApart or None
        Patients it would take to tell them apart by the primary number.
    """

    first: int
    other: int
    differences: Mapping[str, Difference]
    disagreement: tuple[RightAndWrong, ...]
    verdict: str
    non_inferiority: NonInferiority | None
    planning: PlanningApart | None


@dataclass(frozen=True)
class TaskComparison:
    """One task of a comparison.

    Attributes
    ----------
    task : str
    primary : str
        The number that models are told apart by.
    pairs : tuple of Pair
        Every one: the first model with each further one, then the second, and so on.
    tests : int
        Pairs that the p-values of each number are adjusted for; 1: not adjusted.
    verdicts : tuple of str
        Which models cannot be told apart on these films by the primary number, and which are
        better than which, in sentences.
    sentences : tuple of str
        What must be known to trust these.
    """

    task: str
    primary: str
    pairs: tuple[Pair, ...]
    tests: int
    verdicts: tuple[str, ...]
    sentences: tuple[str, ...]


def compare_sides(sides: Sequence[Side], options: ScoreOptions, wish: Wish) -> TaskComparison:
    """Every pair of two or more models, on one task.

    Parameters
    ----------
    sides : sequence of Side
        Of one task, on the same films in the same order.
    options : ScoreOptions
    wish : Wish
    """
    both = list(combinations(range(len(sides)), 2))
    found = _adjusted([differences(sides[i], sides[j], options) for i, j in both])
    task = sides[0].task
    primary, sentences = _primary(task, wish, found)
    patients = len(np.unique(sides[0].answers.patients))
    if patients < FEW:
        sentences.append(
            f"There {verb('is', patients)} {counted(patients, 'patient')}: intervals and tests of "
            f"fewer than {FEW} are unreliable."
        )
    smaller = primary in lower_is_better(options)
    spoken = verdict.Spoken(primary, smaller, options.confidence, len(both))
    pairs = []
    for (i, j), its in zip(both, found, strict=True):
        first, other = sides[i], sides[j]
        shown = None
        if wish.margin is not None and i == 0:
            at = its[primary]
            if options.confidence != _MARGIN_CONFIDENCE:
                strict = replace(options, confidence=_MARGIN_CONFIDENCE)
                at = differences(first, other, strict)[primary]
            shown = verdict.non_inferiority(at.estimate, wish.margin, lower_is_better=smaller)
        said = verdict.of_pair(spoken, first.name, other.name, its[primary])
        if shown is not None:
            said = f"{said} {verdict.of_margin(first.name, other.name, shown)}"
        pairs.append(
            Pair(
                i,
                j,
                its,
                right_and_wrong(task, first.answers, other.answers),
                said,
                shown,
                plan_apart(primary, its[primary], patients, confidence=options.confidence),
            )
        )
    compared = TaskComparison(
        task.name,
        primary,
        tuple(pairs),
        len(both),
        _verdicts(spoken, [side.name for side in sides], pairs),
        tuple(sentences),
    )
    marked: TaskComparison = with_clusters(compared, patients)
    return marked


def _verdicts(say: verdict.Spoken, names: Sequence[str], pairs: Sequence[Pair]) -> tuple[str, ...]:
    if len(pairs) == 1:
        return (pairs[0].verdict,)
    named = [(names[p.first], names[p.other], p.differences[say.number]) for p in pairs]
    margins = (
        verdict.of_margin(names[0], names[p.other], p.non_inferiority)
        for p in pairs
        if p.non_inferiority is not None
    )
    return (*verdict.of_pairs(say, named), *margins)


def _adjusted(found: Sequence[Mapping[str, Difference]]) -> list[dict[str, Difference]]:
    adjusted: list[dict[str, Difference]] = [{} for _ in found]
    for name in found[0]:
        tested = [its[name].p for its in found]
        p_values = iter(holm([p for p in tested if p is not None]))
        for mine, its, p in zip(adjusted, found, tested, strict=True):
            mine[name] = replace(its[name], p_adjusted=None if p is None else next(p_values))
    return adjusted


def _primary(
    task: Task, wish: Wish, found: Sequence[Mapping[str, Difference]]
) -> tuple[str, list[str]]:
    """What the models are told apart by, and what is to be said of that."""
    if asked := wish.in_names(found[0]):
        return asked, []
    usual = [name for name in _PRIMARY[task.kind] if name in found[0]]
    for name in usual:
        if any(its[name].estimate.value is not None for its in found):
            if name == usual[0]:
                return name, []
            reason = found[0][usual[0]].estimate.reason
            return name, [
                f"{verdict.spoken(usual[0])} cannot be compared ({reason}): the models are told "
                f"apart by {verdict.spoken(name)} instead."
            ]
    return usual[0], []
