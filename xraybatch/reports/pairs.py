"""What a comparison says of pairs of models: differences, who is right, patients needed.

Tables of text, which Markdown and the console show alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xraybatch.core.counting import counted
from xraybatch.evaluation.comparison import Comparison
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.disagreement import RightAndWrong
from xraybatch.evaluation.estimate import FEW, Estimate
from xraybatch.evaluation.pairs import Pair, TaskComparison
from xraybatch.evaluation.verdict import p_value, signed, spoken
from xraybatch.reports import words
from xraybatch.reports.families import FAMILIES, families
from xraybatch.reports.sections import Bullets, Section, Table

ALL_FILMS = "all films"
_ONE_AT_MOST = frozenset(FAMILIES["Ranking by probability"]) | {
    *("sensitivity", "specificity", "ppv", "npv", "f1", "accuracy", "exact_match"),
    *("balanced_accuracy", "kappa", "quadratic_kappa", "linear_kappa", "mcc", "within_one_grade"),
    *FAMILIES["Averages over classes"],
}
_HOW_TO_READ = (
    "Where the interval holds 0 or p is above {level:.2g}, the models cannot be told apart by that "
    "number: that is no proof that they are alike."
)
_AT_ODDS = (
    "{titles}: the interval leaves out 0 and p is above {level:.2g}. The two are made by different "
    "methods, and the difference is at the edge of what these films can show: it counts as not "
    "told apart."
)


@dataclass(frozen=True)
class PairTable:
    """A titled table of pairs, and how to read it."""

    title: str
    table: Table
    notes: tuple[str, ...]


def pair_sections(found: Comparison, task: TaskComparison) -> Iterator[Section]:
    """Everything of a task's pairs, as sections."""
    further = found.models[1:]
    if len(further) > 1:
        head = ("", *(model.name for model in further))
        rows = tuple(
            (title, *map(_in_one, its))
            for title, its in difference_rows(found, task, terminal=False)
        )
        title = f"Difference to {found.models[0].name}, {level(found)}, p"
        yield Section(
            title, (Table(head, rows), *_bullets(difference_notes(found, task, terminal=False)))
        )
    for one in pair_tables(found, task, terminal=False):
        yield Section(one.title, (one.table, *_bullets(one.notes)))


def pair_tables(found: Comparison, task: TaskComparison, *, terminal: bool) -> Iterator[PairTable]:
    """Tables that are narrow enough for a terminal, however many models there are."""
    number = spoken(task.primary)
    head = ("", "difference", level(found), "p")
    if len(task.pairs) == 1:
        title = f"Difference to {found.models[0].name}, paired"
        shown = difference_rows(found, task, terminal=terminal)
        rows = tuple((name, *columns(its[0])) for name, its in shown)
        notes = difference_notes(found, task, terminal=terminal)
        yield PairTable(title, Table(head, rows), notes)
    else:
        rows = tuple((_name(found, p), *columns(p.differences[task.primary])) for p in task.pairs)
        yield PairTable(f"Every pair by {number}", Table(head, rows), ())
    yield _who_is_right(found, task)
    if planned := [pair for pair in task.pairs if pair.planning is not None]:
        yield _patients_needed(found, task, planned)


def numbers(found: Comparison, task: TaskComparison, *, terminal: bool) -> list[str]:
    """Names of a task's numbers in the order of their families, as a score has them."""
    t = [one.task for one in found.models[0].tasks].index(task.task)
    shown = families(found.models[0].tasks[t], terminal=terminal)
    return [name for family in shown for name in family.estimates]


def difference_rows(
    found: Comparison, task: TaskComparison, *, terminal: bool
) -> Iterator[tuple[str, tuple[Difference, ...]]]:
    """Name of a number, and each further model's difference to the first."""
    to_first = [pair for pair in task.pairs if pair.first == 0]
    for name in numbers(found, task, terminal=terminal):
        if name in to_first[0].differences:
            yield words.title(name), tuple(pair.differences[name] for pair in to_first)


def difference_notes(found: Comparison, task: TaskComparison, *, terminal: bool) -> tuple[str, ...]:
    """How to read the differences, how they were made, and why some have no value or interval."""
    rows = list(difference_rows(found, task, terminal=terminal))
    methods: dict[str, dict[str, None]] = {}
    for title, its in rows:
        for one in its:
            if one.test:
                how = _made_by(one.estimate.method, one.test)
                methods.setdefault(how, {})[title] = None
    made = (f"{'; '.join(titles)}: {how}." for how, titles in methods.items())
    lacking = (
        f"{model.name}: {sentence}"
        for i, model in enumerate(found.models[1:])
        for sentence in words.reasons([(title, its[i].estimate) for title, its in rows])
    )
    level = 1 - found.settings.confidence
    at_odds = [title for title, its in rows if any(_is_at_odds(one, level) for one in its)]
    odd = [_AT_ODDS.format(titles=", ".join(at_odds), level=level)] if at_odds else []
    return (_HOW_TO_READ.format(level=level), *odd, _adjusted(task), *made, *lacking)


def _is_at_odds(one: Difference, level: float) -> bool:
    low, high, p = one.estimate.low, one.estimate.high, one.p_adjusted
    if low is None or high is None or p is None:
        return False
    return not low <= 0 <= high and p > level


def columns(one: Difference) -> tuple[str, str, str]:
    """Difference, interval and p-value."""
    value = one.estimate.value
    shown = words.NO_VALUE if value is None else signed(value)
    return shown, signed_interval(one.estimate), p_of(one)


def p_of(one: Difference) -> str:
    """The adjusted p-value in three digits; a dash of nothing."""
    return words.NO_VALUE if one.p_adjusted is None else p_value(one.p_adjusted)


def signed_interval(estimate: Estimate) -> str:
    """``−0.010…+0.072``; a dash of nothing."""
    if estimate.low is None or estimate.high is None:
        return words.NO_VALUE
    return f"{signed(estimate.low)}…{signed(estimate.high)}"


def level(found: Comparison) -> str:
    """``95 % interval``."""
    return f"{100 * found.settings.confidence:g} % interval"


def _in_one(one: Difference) -> str:
    value, interval, p = columns(one)
    return f"{value} ({interval}), p {p}"


def _adjusted(task: TaskComparison) -> str:
    alone = f"{spoken(task.primary)} alone decides"
    if task.tests == 1:
        return f"p-values are two-sided, not adjusted for how many numbers there are: {alone}."
    return (
        f"p-values are two-sided, adjusted for the {task.tests} pairs of models (Holm), not for "
        f"how many numbers there are: {alone}. Each interval is of its pair alone."
    )


def _made_by(interval: str, test: str) -> str:
    if interval == test:
        return f"interval and p by {test}"
    return f"interval by {interval}, p by {test}" if interval else f"p by {test}"


def _who_is_right(found: Comparison, task: TaskComparison) -> PairTable:
    note: tuple[str, ...] = ()
    if len(task.pairs) == 1:
        (pair,) = task.pairs
        only = [f"only {found.models[i].name}" for i in (pair.first, pair.other)]
        rows = tuple(_counts(one.name or ALL_FILMS, one) for one in pair.disagreement)
        otherwise = pair.disagreement[0].answered_otherwise
        films = pair.disagreement[0].films
        note = (
            f"They answered {counted(otherwise, 'film')} of {films:,} differently "
            f"({words.percent(otherwise, films)}).",
        )
    else:
        only = ["only the first", "only the other"]
        rows = tuple(
            _counts(
                f"{found.models[p.first].name}, {found.models[p.other].name}", p.disagreement[0]
            )
            for p in task.pairs
        )
        note = ()
    head = ("", "films", "both right", *only, "both wrong")
    return PairTable("Who is right", Table(head, rows), note)


def _counts(name: str, one: RightAndWrong) -> tuple[str, ...]:
    counts = (one.films, one.both_right, one.only_first, one.only_other, one.both_wrong)
    return name, *(f"{count:,}" for count in counts)


def _patients_needed(found: Comparison, task: TaskComparison, planned: list[Pair]) -> PairTable:
    number = spoken(task.primary)
    plans = [pair.planning for pair in planned if pair.planning is not None]
    sizes = [one.difference for one in plans[0].needed if one.power_now is not None]
    head = ("true difference", "as seen here", *(f"{size:g}" for size in sizes))
    rows = []
    for pair, plan in zip(planned, plans, strict=True):
        seen = [f"{one.patients:,}" for one in plan.needed if one.power_now is None]
        others = [one for one in plan.needed if one.power_now is not None]
        rows.append(
            (_name(found, pair), *(seen or [words.NO_VALUE]), *(f"{o.patients:,}" for o in others))
        )
        if len(planned) == 1:
            powers = (f"{100 * (o.power_now or 0):.0f} %" for o in others)
            rows.append((f"power of the {plan.patients:,} here", words.NO_VALUE, *powers))
    notes = [
        f"Patients in all for {100 * plans[0].power:.0f} % power, {plans[0].assumption}; never so "
        f"few that the test would rest on fewer than {FEW}. A difference as seen here may be "
        "chance: plan with the one that would matter."
    ]
    if any(plan.rests_on < plan.patients for plan in plans):
        fewest = min(plan.rests_on for plan in plans)
        notes.append(
            f"{number[:1].upper()}{number[1:]} rests on the patients with films of the rarest "
            f"class: {fewest:,} of the {plans[0].patients:,} here."
        )
    notes += _out_of_reach(found, task, sizes)
    title = f"Patients needed to tell apart by {number}"
    return PairTable(title, Table(head, tuple(rows)), tuple(notes))


def _out_of_reach(found: Comparison, task: TaskComparison, sizes: Sequence[float]) -> Iterator[str]:
    """Which differences no better model can have, a number being 1 at most."""
    first = found.models[0]
    estimates = next(one for one in first.tasks if one.task == task.task).estimates
    value = estimates[task.primary].value
    if task.primary not in _ONE_AT_MOST or value is None:
        return
    if beyond := [f"{size:g}" for size in sizes if value + size > 1]:
        yield (
            f"{first.name} has {spoken(task.primary)} {value:.3f}, so that no model can be better "
            f"by {' or '.join(beyond)}: there such a difference is of a worse one."
        )


def _name(found: Comparison, pair: Pair) -> str:
    return f"{found.models[pair.other].name} minus {found.models[pair.first].name}"


def _bullets(sentences: tuple[str, ...]) -> tuple[Bullets, ...]:
    return (Bullets(sentences),) if sentences else ()
