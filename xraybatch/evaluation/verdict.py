"""What a difference allows to say of two models, in a plain sentence.

Never that models are equal: a test that finds nothing has not shown that there is nothing. The
interval says how far apart they may still be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.estimate import Estimate

_ZERO = 1e-12  # below, the error of arithmetic
_SHORT = {"auc": "AUC", "mcc": "MCC", "ppv": "PPV", "npv": "NPV", "f1": "F1"}


@dataclass(frozen=True)
class NonInferiority:
    """Whether a model is shown to be not much worse than the first.

    Attributes
    ----------
    margin : float
        How much worse it may be; given beforehand.
    bound : float or None
        How much better it is at least, by the one-sided 97.5 % bound of the difference; below 0
        where it may be worse. None: there is no interval.
    is_shown : bool
        Whether the bound is above minus the margin.
    """

    margin: float
    bound: float | None
    is_shown: bool


@dataclass(frozen=True)
class Spoken:
    """The number that models are told apart by, and how sure one wants to be.

    Attributes
    ----------
    number : str
    lower_is_better : bool
    confidence : float
    tests : int
        Pairs that p-values are adjusted for.
    """

    number: str
    lower_is_better: bool
    confidence: float
    tests: int


def spoken(number: str) -> str:
    """``macro_auc`` → ``macro AUC``, within a sentence."""
    return " ".join(_SHORT.get(word, word) for word in number.split("_"))


def non_inferiority(
    estimate: Estimate, margin: float, *, lower_is_better: bool = False
) -> NonInferiority:
    """Hold a difference against a margin.

    Parameters
    ----------
    estimate : Estimate
        The difference with its two-sided 95 % interval.
    margin : float
        Above 0.
    lower_is_better : bool
        Of the number.
    """
    if estimate.low is None or estimate.high is None:
        return NonInferiority(margin, None, False)
    bound = -estimate.high if lower_is_better else estimate.low
    return NonInferiority(margin, bound, bound > -margin)


def of_pair(say: Spoken, first: str, other: str, found: Difference) -> str:
    """What may be said of two models by one number."""
    number, e = spoken(say.number), found.estimate
    if e.value is None:
        return f"By {number}, {first} and {other} cannot be compared: {e.reason}."
    if e.low is None or e.high is None:
        return (
            f"By {number}, {first} and {other} cannot be told apart on this test set: "
            f"{e.interval_reason}."
        )
    if not found.differs(say.confidence):
        return (
            f"By {number}, {first} and {other} cannot be told apart on this test set: {other} "
            f"minus {first} is {signed(e.value)} ({_how_sure(say, found)})."
        )
    better, worse, least = _better(say, first, other, e)
    return (
        f"By {number}, {better} is better than {worse}: by {_size(abs(e.value))} on these films, "
        f"and by {_size(least)} at least ({other} minus {first}: {_how_sure(say, found)})."
    )


def of_pairs(say: Spoken, pairs: Sequence[tuple[str, str, Difference]]) -> tuple[str, ...]:
    """What may be said of more than two models: who cannot be told apart, and who is better."""
    alike, better, reasons = [], [], []
    for first, other, found in pairs:
        if found.estimate.value is None:
            reasons.append(f"{first} and {other} ({found.estimate.reason})")
        elif not found.differs(say.confidence):
            alike.append(f"{first} and {other}")
        else:
            winner, loser, least = _better(say, first, other, found.estimate)
            better.append(f"{winner} than {loser} by {_size(least)} at least")
    number = spoken(say.number)
    adjusted = f"p adjusted for {say.tests} pairs"
    said = []
    if alike:
        said.append(
            f"By {number}, these cannot be told apart on this test set ({adjusted}): "
            f"{'; '.join(alike)}."
        )
    if better:
        said.append(f"By {number}, better ({adjusted}): {'; '.join(better)}.")
    if reasons:
        said.append(f"By {number}, these cannot be compared: {'; '.join(reasons)}.")
    return tuple(said)


def of_margin(first: str, other: str, found: NonInferiority) -> str:
    """What may be said of a model that need not be better than the first."""
    if found.bound is None:
        return (
            f"That {other} is not worse than {first} by more than {found.margin:g} cannot be shown."
        )
    bound = f"the one-sided 97.5 % bound of its gain is {signed(found.bound)}"
    if found.is_shown:
        return (
            f"{other} is not worse than {first} by more than the margin of {found.margin:g}: "
            f"{bound}."
        )
    return (
        f"That {other} is not worse than {first} by more than the margin of {found.margin:g} is "
        f"not shown: {bound}."
    )


def signed(number: float) -> str:
    """``+0.031``, ``−0.010``; what is not 0 has a digit that says so: ``−0.0004``."""
    if abs(number) < _ZERO:
        return "0.000"
    shown = f"{number:+.3f}" if abs(number) >= 0.0005 else f"{number:+.1g}"
    return shown.replace("-", "−")


def p_value(p: float) -> str:
    """``0.034``, ``<0.001``: three digits, and never 0."""
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def _better(say: Spoken, first: str, other: str, e: Estimate) -> tuple[str, str, float]:
    """The better and the worse model, and by how much at least."""
    assert e.value is not None
    assert e.low is not None
    assert e.high is not None
    least = min(abs(e.low), abs(e.high))
    names = (other, first) if (e.value > 0) != say.lower_is_better else (first, other)
    return *names, least


def _how_sure(say: Spoken, found: Difference) -> str:
    e = found.estimate
    assert e.low is not None
    assert e.high is not None
    adjusted = f" adjusted for {say.tests} pairs" if say.tests > 1 else ""
    p = "" if found.p_adjusted is None else f", p {p_value(found.p_adjusted)}{adjusted}"
    return f"{100 * say.confidence:g} % interval {signed(e.low)}…{signed(e.high)}{p}"


def _size(number: float) -> str:
    return f"{number:.3f}" if number >= 0.0005 else f"{number:.1g}"
