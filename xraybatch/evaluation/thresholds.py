"""Where probabilities are cut: rules that choose a threshold, and what they choose on one table.

A film is called positive where its probability, as float32, reaches the threshold, as
`xraybatch.models.card.decide` does it. Thresholds are chosen among the films' own probabilities,
by whole numbers of films, so that neither the order of the rows nor rounding moves one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xraybatch.core.errors import UsageError
from xraybatch.core.names import did_you_mean, number_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

YOUDEN = "youden"
F1 = "f1"
COST = "cost"
SENSITIVITY = "sensitivity"
SPECIFICITY = "specificity"
NUMBER = "number"

RULES = "youden, f1, cost=FN:FP, 'sensitivity>=X', 'specificity>=X', or a number from 0 to 1"
_FORM = re.compile(r"\s*([^\s=:><≥]*)\s*(>=|≥|=|:|>)?\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True)
class ThresholdRule:
    """How a threshold is chosen.

    Attributes
    ----------
    kind : str
        ``youden``, ``f1``, ``cost``, ``sensitivity``, ``specificity`` or ``number``.
    value : float or None
        Of ``sensitivity`` and ``specificity``: what is wanted at least, above 0 and up to 1. Of
        ``number``: the threshold, from 0 to 1.
    cost_missed, cost_false : float or None
        Of ``cost``: what a missed positive film and a false alarm cost, above 0. Only their ratio
        matters.
    """

    kind: str
    value: float | None = None
    cost_missed: float | None = None
    cost_false: float | None = None

    @property
    def text(self) -> str:
        """The rule as it is typed; `parse_rule` reads it back."""
        if self.kind == COST:
            return f"{COST}={_plain(self.cost_missed)}:{_plain(self.cost_false)}"
        if self.kind == NUMBER:
            return _plain(self.value)
        if self.kind in (SENSITIVITY, SPECIFICITY):
            return f"{self.kind}>={_plain(self.value)}"
        return self.kind

    @property
    def meaning(self) -> str:
        """What the rule does, for a methods paragraph."""
        if self.kind == YOUDEN:
            return "the threshold with the highest sensitivity + specificity − 1 (Youden)"
        if self.kind == F1:
            return "the threshold with the highest F1"
        if self.kind == COST:
            missed, false = _plain(self.cost_missed), _plain(self.cost_false)
            return (
                f"the threshold with the lowest total cost where a missed positive film costs "
                f"{missed} and a false alarm {false}: the highest net benefit at these odds"
            )
        if self.kind == NUMBER:
            return f"the threshold {self.text}, given beforehand"
        other = SPECIFICITY if self.kind == SENSITIVITY else SENSITIVITY
        return (
            f"the highest {other} among thresholds with a {self.kind} of "
            f"{_plain(self.value)} or more"
        )


@dataclass(frozen=True)
class Choice:
    """What a rule chose on one table.

    Attributes
    ----------
    threshold : float or None
        A float32 value from 0 to 1; a film is positive where its probability, as float32, is
        at least as high.
    reason : str or None
        Why there is none.
    equally_good : int
        How many of the films' probabilities serve the rule as well, the chosen one included.
    """

    threshold: float | None
    reason: str | None = None
    equally_good: int = 0


def parse_rule(text: str) -> ThresholdRule:
    """Read a rule.

    Parameters
    ----------
    text : str
        ``youden``, ``f1``, ``cost=5:1`` (a missed positive film costs five times a false alarm),
        ``sensitivity>=0.95``, ``specificity>=0.9``, or a number from 0 to 1.

    Raises
    ------
    UsageError
        If it is none of these; the hint names the nearest, or says what is wrong with its number.
    """
    number = number_of(text)
    if number is not None:
        if not 0 <= number <= 1:
            raise UsageError(
                f"'{text}' is no threshold.", "A threshold is a probability, from 0 to 1."
            )
        return ThresholdRule(NUMBER, number + 0.0)
    found = _FORM.fullmatch(text.lower())
    name, sign, rest = found.groups() if found else ("", None, "")
    if name in (YOUDEN, F1) and not sign and not rest:
        return ThresholdRule(name)
    if name == COST:
        return _cost(text, rest if sign == "=" else "")
    if name in (SENSITIVITY, SPECIFICITY):
        return _at_least(text, name, rest if sign in (">=", "≥") else "")
    near = did_you_mean(name, (YOUDEN, F1, COST, SENSITIVITY, SPECIFICITY))
    near = f"{near} " if near.startswith("Did") else ""
    raise UsageError(f"'{text}' is no rule for a threshold.", f"{near}Rules are {RULES}.")


def _cost(text: str, ratio: str) -> ThresholdRule:
    costs = [number_of(part) for part in ratio.split(":")]
    if len(costs) != 2 or not all(cost is not None and cost > 0 for cost in costs):
        raise UsageError(
            f"'{text}' names no costs.",
            "Give what a missed positive film and what a false alarm costs, both above 0: "
            "cost=5:1.",
        )
    return ThresholdRule(COST, cost_missed=costs[0], cost_false=costs[1])


def _at_least(text: str, name: str, wanted: str) -> ThresholdRule:
    share = number_of(wanted)
    if share is None or not 0 < share <= 1:
        raise UsageError(
            f"'{text}' does not say which {name} is wanted.",
            f"Give a share above 0, up to 1, and quote it, because > is special to the shell: "
            f"'{name}>=0.95'.",
        )
    return ThresholdRule(name, share)


def choose(
    rule: ThresholdRule,
    positive: NDArray[np.bool_],
    scores: NDArray[Any],
    name: str = "the positive class",
) -> Choice:
    """Choose a threshold on one table.

    Parameters
    ----------
    rule : ThresholdRule
    positive : ndarray of bool, shape (n,)
    scores : ndarray of float, shape (n,)
        Probabilities of the class, without NaN.
    name : str
        Of the class, for the sentences only.

    Returns
    -------
    Choice
        Youden, F1 and cost: the lowest of the best thresholds. A wanted sensitivity or
        specificity: of those that are best in the other, the one that is best in the wanted one
        too, so that nothing is given away. No threshold where a rule cannot be served: films of
        one side only, no threshold above chance (Youden), calling no film positive is cheapest
        (cost), or the wanted specificity only where no positive film is found.
    """
    if rule.kind == NUMBER:
        return Choice(_as_float32(rule.value), equally_good=1)
    if len(positive) == 0:
        return Choice(None, "no film has both a label and a probability")
    if not positive.any():
        return Choice(None, f"no film is of '{name}'")
    if positive.all():
        return Choice(None, f"every film is of '{name}'")
    cuts = _Cuts.of(positive, scores)
    merit = _merit(rule, cuts)
    if merit is None:
        return Choice(None, _why_none(rule, name))
    best = np.flatnonzero(merit == merit.max())
    return Choice(float(cuts.thresholds[best[0]]), equally_good=len(best))


class _Cuts(NamedTuple):
    """Every threshold that the films offer, lowest first, and whom it calls positive.

    Attributes
    ----------
    thresholds : ndarray of float32, shape (m,)
    true, false : ndarray of int64, shape (m,)
        Positive and negative films at or above each.
    positives, negatives : int
    """

    thresholds: NDArray[np.float32]
    true: NDArray[np.int64]
    false: NDArray[np.int64]
    positives: int
    negatives: int

    @classmethod
    def of(cls, positive: NDArray[np.bool_], scores: NDArray[Any]) -> _Cuts:
        # a float32 softmax may pass 1 by rounding, and no card takes a threshold above it
        as_float32 = np.clip(scores.astype(np.float32), 0, 1) + np.float32(0)
        thresholds = np.unique(as_float32)
        sides = [np.sort(as_float32[positive]), np.sort(as_float32[~positive])]
        true, false = (len(side) - np.searchsorted(side, thresholds) for side in sides)
        return cls(thresholds, true, false, len(sides[0]), len(sides[1]))


def _merit(rule: ThresholdRule, cuts: _Cuts) -> NDArray[Any] | None:
    """How well each threshold serves the rule; None where none does."""
    if rule.kind == YOUDEN:
        # the index times positives times negatives: whole numbers
        index = cuts.true * cuts.negatives - cuts.false * cuts.positives
        return index if index.max() > 0 else None
    if rule.kind == F1:
        # different fractions of fewer than 2^26 films are different doubles
        return 2 * cuts.true / (cuts.true + cuts.false + cuts.positives)
    if rule.kind == COST:
        # costs as typed, in whole numbers: 0.3:0.1 is 3:1, and ties stay ties
        ratio = Fraction(str(rule.cost_missed)) / Fraction(str(rule.cost_false))
        saved = float(ratio.numerator) * cuts.true - float(ratio.denominator) * cuts.false
        return saved if saved.max() >= 0 else None
    # a quotient is correctly rounded: 19 of 20 films are 0.95 as typed
    if rule.kind == SENSITIVITY:
        enough = cuts.true / cuts.positives >= (rule.value or 0.0)
        fewest = cuts.false[enough].min()
        return np.where(enough & (cuts.false == fewest), cuts.true, -1)
    enough = (cuts.negatives - cuts.false) / cuts.negatives >= (rule.value or 0.0)
    most = cuts.true[enough].max(initial=0)
    if most == 0:
        return None
    return np.where(enough & (cuts.true == most), -cuts.false, -cuts.negatives - 1)


def _why_none(rule: ThresholdRule, name: str) -> str:
    if rule.kind == YOUDEN:
        return f"no threshold finds '{name}' better than chance: Youden's index is never above 0"
    if rule.kind == COST:
        return f"at these costs calling no film '{name}' is cheapest"
    wanted = _plain(rule.value)
    return f"a specificity of {wanted} is reached only where no film of '{name}' is found"


def _as_float32(value: float | None) -> float:
    return float(np.float32(value))


def _plain(number: float | None) -> str:
    return repr(number).removesuffix(".0")
