"""Tables of a closer look at a task: slices, readers, operating points, films not seen before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xraybatch.core.counting import counted, many
from xraybatch.evaluation.estimate import FEW, Estimate
from xraybatch.evaluation.operating_point import OperatingPoint
from xraybatch.evaluation.planning import Planning
from xraybatch.evaluation.readers import MODEL, TRUTH, ReaderReport, mean_kappa
from xraybatch.evaluation.report import TaskReport
from xraybatch.evaluation.sets import SetReport
from xraybatch.evaluation.slices import Slice, SliceReport
from xraybatch.evaluation.studies import FILM
from xraybatch.reports import words

Cell = Estimate | str
_SIDES = ("sensitivity", "specificity")
_OF_POINTS = ("sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True)
class Look:
    """One table with its title and what is to be said below it.

    Attributes
    ----------
    title : str
    head : tuple of str
    rows : tuple of tuple of Estimate or str
        An estimate is shown with its interval; the first cell names the row.
    sentences : tuple of str
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sentences: tuple[str, ...] = ()

    @property
    def estimates(self) -> list[tuple[str, Estimate]]:
        """Every estimate with what it is called, for sentences on those that lack something."""
        return [
            (f"{column} of {row[0]}", cell)
            for row in self.rows
            for column, cell in zip(self.head, row, strict=True)
            if isinstance(cell, Estimate)
        ]


def looks(task: TaskReport, *, narrow: bool, unit: str = FILM) -> Iterator[Look]:
    """What there is of a closer look at a task.

    Parameters
    ----------
    task : TaskReport
    narrow : bool
        Whether slices show only the number that they are compared by, and agreement.
    unit : str
        What is scored.
    """
    if task.without_seen:
        yield _unseen(task, unit)
    if task.operating_points:
        yield _operating_points(task.operating_points, narrow, unit)
    for column in task.slices:
        yield _slices(column, narrow, unit, task.positive)
    if task.readers is not None:
        yield _readers(task.readers, unit)
    if task.sets is not None:
        yield _sets(task.sets)
    if not narrow and any(found.wanted for found in task.planning):
        yield _planning(task.planning)


def _unseen(task: TaskReport, unit: str) -> Look:
    rows = tuple(
        (words.title(name), task.estimates.get(name, "–"), estimate)
        for name, estimate in task.without_seen.items()
    )
    return Look(
        f"Without the {counted(task.seen, unit)} that the model was trained on",
        ("", f"all {many(unit)}", f"{many(unit)} not seen"),
        rows,
    )


def _operating_points(found: Sequence[OperatingPoint], narrow: bool, unit: str) -> Look:
    names = list(found[0].estimates)
    if narrow:
        names = [name for name in names if name in _OF_POINTS]
    several = len({point.name for point in found}) > 1
    rows: list[tuple[Cell, ...]] = []
    for point in found:
        rule = f"{point.rule} ({point.name})" if several else point.rule
        at = "–" if point.threshold is None else f"{point.threshold:.4g}"
        rows.append((rule, at, *(point.estimates[name] for name in names)))
    origins = dict.fromkeys(f"{point.rule}: {point.origin}." for point in found)
    for point in found:
        of = f" of {point.name}" if several else ""
        sides = [point.estimates[name].n for name in _SIDES if name in point.estimates]
        if len(sides) < len(_SIDES):
            continue
        origins[
            f"Sensitivity{of} is of {sides[0]:,} {many(unit)}, specificity of {sides[1]:,}."
        ] = None
    head = ("rule", "from", *map(words.title, names))
    return Look("At other thresholds", head, tuple(rows), tuple(origins))


def _slices(found: SliceReport, narrow: bool, unit: str, positive: str | None) -> Look:
    names = list(found.slices[0].estimates) if found.slices else []
    if narrow:
        names = [name for name in names if name == found.compared or name.endswith("kappa")]
    # what sensitivity is of
    of = "" if positive is None else f"of these {positive}"
    rows = [_slice(one, names, of) for one in found.slices]
    said = list(found.sentences)
    if found.too_small:
        listed = ", ".join(f"{value} ({films:,})" for value, films in found.too_small.items())
        said.append(f"Too few {many(unit)} to be shown: {listed}.")
    tests = sum(one.p_value is not None for one in found.slices)
    if tests:
        said.append(
            f"Difference: {words.title(found.compared)} of a slice less that of all other "
            f"{many(unit)}. p after Holm's correction for {counted(tests, 'test')}."
        )
    if not found.slices:
        said.append(f"No slice has {many(unit)} enough.")
    counts = (many(unit), of) if of else (many(unit),)
    head = (found.column, *counts, *map(words.title, names), "difference", "p (Holm)")
    return Look(f"By {found.column}, worst first", head, tuple(rows), tuple(said))


def _slice(one: Slice, names: Sequence[str], of: str) -> tuple[Cell, ...]:
    return (
        one.value,
        f"{one.films:,}",
        *([f"{one.estimates['sensitivity'].n:,}"] if of else []),
        *(one.estimates[name] for name in names),
        one.difference,
        words.p_value(one.adjusted),
    )


def _sets(found: SetReport) -> Look:
    stated = "" if found.level is None else f", stated {found.level:.4g}"
    shares: list[tuple[str, Estimate]] = [
        ("coverage" + stated, found.coverage),
        *((f"coverage of {one.name}", one.coverage) for one in found.by_class),
        ("classes in a set", found.mean_size),
        *((f"sets of {size.size}", size.share) for size in found.sizes),
        ("for a person", found.referred),
        ("wrong among answered", found.error_answered),
        ("wrong among those for a person", found.error_referred),
        ("wrong, had all been answered", found.error_all),
    ]
    rows = tuple((name, share, f"{share.n:,}") for name, share in shares)
    return Look("Sets of classes", ("", "share", "n"), rows, found.sentences)


def _planning(found: Sequence[Planning]) -> Look:
    widths = [wanted.half_width for wanted in next(p.wanted for p in found if p.wanted)]
    rows = tuple(
        (
            words.title(p.metric),
            "–" if p.half_width is None else f"{p.half_width:.3f}",
            f"{p.patients:,}",
            f"{p.rests_on:,}",
            *(f"{wanted.patients:,}" for wanted in p.wanted),
        )
        for p in found
        if p.wanted
    )
    needed = (f"patients for ±{width:g}" for width in widths)
    head = ("", "half width now", "patients now", "of them it rests on", *needed)
    said = (
        f"Patients that intervals of these half widths need in all, {found[0].assumption}.",
        "An AUC rests on the patients with films of the rarest class, and sensitivity and "
        "specificity on those with films of their class. No number of patients is given that would "
        f"leave fewer than {FEW} of these: their intervals are unreliable.",
    )
    return Look("Sample size", head, rows, said)


def _readers(found: ReaderReport, unit: str) -> Look:
    kind = "quadratic kappa" if found.weights == "quadratic" else "kappa"
    rows = tuple(
        (f"{pair.one} – {pair.other}", f"{pair.films:,}", pair.kappa, pair.agreement)
        for pair in found.pairs
    )
    people = sorted({n for pair in found.pairs for n in (pair.one, pair.other)} - {TRUTH})
    means = [(name, mean_kappa(found.pairs, name)) for name in people] if len(people) > 2 else []
    listed = ", ".join(f"{name} {value:.3f}" for name, value in means if value is not None)
    mean = (
        f"Mean {kind} with all others but the truth: {listed}; without interval, as these pairs "
        "share their readers."
    )
    said = (mean,) if listed else ()
    title = "The model among the readers" if MODEL in people else "Readers"
    return Look(title, ("", many(unit), kind, "alike"), rows, said)
