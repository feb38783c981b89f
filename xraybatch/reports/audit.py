"""What an audit says, as sections of text: Markdown and the page render these, the console most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xraybatch.auditing.properties import Property, Quartiles
from xraybatch.auditing.record import Alike, Audit, Copies, Suspect
from xraybatch.auditing.shortcut import LEAST_EFFECT, LEVEL, Shortcut
from xraybatch.core.counting import counted, verb
from xraybatch.evaluation.estimate import Estimate
from xraybatch.reports import words
from xraybatch.reports.sections import Block, Bullets, Section, Table, Warned

ALL = 1_000_000  # rows: as many as there are
_FIRST = 5  # films of a group that are named; the rest is counted
CLEAN = "Nothing was found that speaks against these films."
COPIES = "Nothing but copies was found that speaks against these films."

OF_PAIRS = (
    "All but films are counted in pairs that were found. Of many copies of one film not every pair "
    "is looked for, so groups may say more. A number is how alike the least alike pair is, 1 being "
    "identical."
)


def audit_sections(
    audit: Audit, *, most: int = ALL, values: int = ALL, classes: bool = True
) -> Iterator[Section]:
    """An audit from top to bottom.

    Parameters
    ----------
    audit : Audit
    most : int
        Groups and films that are listed of each kind; the rest is counted.
    values : int
        Values of a property that are listed.
    classes : bool
        Whether there is room for a column a class.
    """
    top = tuple(Warned(sentence) for sentence in audit.sentences) or (
        COPIES if audit.copies else CLEAN,
    )
    yield Section("", top)
    yield Section("Films", (Table(("", ""), tuple(_films(audit))),))
    named = tuple(audit.classes) if classes else ()
    if audit.unreadable:
        yield Section("Cannot be read", tuple(_unreadable(audit, named, most)))
    if audit.suffix_lies:
        yield Section("Suffix against content", tuple(_suspects(audit.suffix_lies, most)))
    yield Section("Outer properties", tuple(_properties(audit, named, values)))
    yield Section("Do they give the label away?", tuple(_shortcut(audit.shortcut, most)))
    if audit.copies or audit.labelled_twice:
        yield Section("Copies", tuple(_copies(audit, most)))
    if audit.leak.parts:
        yield Section("Split", tuple(_leak(audit)))
    for title, suspects in (
        ("Nearly constant", audit.constant),
        ("Perhaps negatives", audit.inverted),
        ("Perhaps with burnt-in writing", audit.written),
    ):
        if suspects:
            yield Section(title, tuple(_suspects(suspects, most)))
    if audit.notes:
        yield Section("Notes", (Bullets(audit.notes),))


def share(estimate: Estimate) -> str:
    """``12.3 % (8.9–16.8)``, or why there is none."""
    if estimate.value is None:
        return f"{words.NO_VALUE}: {estimate.reason}"
    value = f"{100 * estimate.value:.1f} %"
    if estimate.low is None or estimate.high is None:
        return f"{value} (no interval: {estimate.interval_reason})"
    return f"{value} ({100 * estimate.low:.1f}–{100 * estimate.high:.1f})"


def alike_words(alike: Sequence[Alike]) -> str:
    """``mirrored 0.83``; of several pairs ``2 pairs identical bytes, 3 pairs mirrored 0.71+``."""
    several = sum(one.pairs for one in alike) > 1
    said = []
    for one in alike:
        pairs = f"{counted(one.pairs, 'pair')} " if several else ""
        least = "" if one.similarity == 1 else f" {one.similarity:.2f}{'+' * (one.pairs > 1)}"
        said.append(f"{pairs}{one.kind}{least}")
    return ", ".join(said)


def _films(audit: Audit) -> Iterator[tuple[str, str]]:
    yield "found", f"{audit.films:,}"
    given = "" if audit.readable.low is None else ", 95 % interval"
    yield "readable", f"{share(audit.readable)}{given}"
    if audit.skipped:
        listed = ", ".join(f"{why} {count:,}" for why, count in audit.skipped.items())
        yield "skipped", listed
    if audit.source:
        yield "labels", audit.source
    if audit.classes:
        yield "classes", ", ".join(f"{name} {count:,}" for name, count in audit.classes.items())
    if audit.classes and audit.unlabelled:
        yield "without label", f"{audit.unlabelled:,}"
    yield "patients", f"{audit.patients:,}" if audit.patients else "not known"
    if audit.leak.parts:
        yield "split", ", ".join(f"{name} {count:,}" for name, count in audit.leak.parts.items())


def _unreadable(audit: Audit, classes: Sequence[str], most: int) -> Iterator[Block]:
    rows = []
    for row in audit.unreadable:
        by_class = [f"{count:,}" for count in row.by_class] if classes else []
        rows.append((row.status, f"{row.films:,}", *by_class))
    yield Table(("why", "films", *classes), tuple(rows))
    yield Bullets(
        tuple(
            f"{row.status}: {row.sentence} For example {', '.join(row.examples[: min(3, most)])}."
            for row in audit.unreadable
        )
    )


def _properties(audit: Audit, classes: Sequence[str], values: int) -> Iterator[Block]:
    if not audit.properties:
        yield "No film has any."
        return
    rows: list[tuple[str, ...]] = []
    for one in audit.properties:
        rows += _values(one, bool(classes), values)
    yield Table(("property", "value", "films", *classes), tuple(rows))
    if audit.numbers:
        yield "Median (quartiles) of films that can be read"
        numbers = [_quartiles(one, bool(classes)) for one in audit.numbers]
        yield Table(("property", "all", *classes), tuple(numbers))


def _values(one: Property, classes: bool, most: int) -> list[tuple[str, ...]]:
    shown = list(one.values[:most])
    rows = [
        (
            one.name if k == 0 else "",
            value.value if value.stands_for == 1 else f"{value.stands_for:,} more",
            f"{value.films:,}",
            *([f"{count:,}" for count in value.by_class] if classes else []),
        )
        for k, value in enumerate(shown)
    ]
    if rest := one.values[most:]:
        by_class = [f"{sum(column):,}" for column in zip(*(v.by_class for v in rest), strict=True)]
        count = f"{sum(value.films for value in rest):,}"
        more = sum(value.stands_for for value in rest)
        rows.append(("", f"{more:,} more", count, *(by_class if classes else [])))
    return rows


def _quartiles(one: Quartiles, classes: bool) -> tuple[str, ...]:
    cells = [_three(one.all), *([_three(its) for its in one.by_class] if classes else [])]
    return (one.name, *cells)


def _three(quartiles: tuple[float, ...]) -> str:
    if not quartiles:
        return words.NO_VALUE
    low, middle, high = (f"{q:,.0f}" if q >= 100 else f"{q:.3g}" for q in quartiles)
    return f"{middle} ({low}–{high})"


def _shortcut(asked: Shortcut, most: int) -> Iterator[Block]:
    value = asked.balanced_accuracy
    if value.value is None:
        yield f"Not asked: {value.reason}."
        return
    assert asked.chance is not None
    if asked.p is None:
        verdict = "No test was asked for, so nothing is concluded."
    elif asked.found:
        verdict = "Yes."
    else:
        verdict = "It cannot be told from chance, or is too little to matter."
    yield (
        f"{verdict} A small tree that sees no pixel, cross-validated in {asked.folds} parts by "
        "patient and copies:"
    )
    rows = [
        ("balanced accuracy", f"{words.value(value)} ({words.interval(value)})"),
        ("chance", f"{asked.chance:.3f}"),
        ("of the way from chance to perfect", f"{100 * (asked.effect or 0):.0f} %"),
        ("accuracy", f"{asked.accuracy:.3f}; the most frequent class {asked.majority:.3f}"),
    ]
    if asked.p is not None:
        reach = f"; 95 % of them stay below {asked.highest_by_chance:.3f}"
        rows.append(("p", f"{words.p_value(asked.p)}, {asked.permutations:,} permutations{reach}"))
    rows.append(("films", f"{asked.films:,}, {asked.clusters:,} patients or originals"))
    yield Table(("", ""), tuple(rows))
    alone = asked.alone[:most]
    if alone:
        yield "Balanced accuracy of each property alone (not tested one by one)"
        cells = (
            (one.name, words.value(one.balanced_accuracy), words.interval(one.balanced_accuracy))
            for one in alone
        )
        yield Table(("property", "alone", "95 % interval"), tuple(cells))
    yield Bullets(
        (
            f"Said to be found where p is at most {LEVEL:g} and the effect at least "
            f"{LEAST_EFFECT:g} of the way.",
        )
    )


def _copies(audit: Audit, most: int) -> Iterator[Block]:
    yield f"Films with a copy: {share(audit.copied_films)} of those that can be read."
    rows = [
        (one.kind, f"{one.pairs:,}", f"{one.films:,}", f"{one.conflicts:,}", f"{one.leaks:,}")
        for one in audit.copy_kinds
    ]
    if rows:
        head = ("how they are alike", "pairs found", "films", "labels differ", "across parts")
        yield Table(head, tuple(rows))
        yield Bullets((OF_PAIRS,))
    wrong = [group for group in audit.copies if group.conflict]
    if wrong:
        yield "With different labels"
        yield from _listed(wrong, most)
    if audit.labelled_twice:
        yield "Named twice in the table, with different labels"
        more = len(audit.labelled_twice) - most
        further = (f"and {more:,} more",) if more > 0 else ()
        yield Bullets((*audit.labelled_twice[:most], *further))
    leaking = [group for group in audit.copies if group.leak]
    if leaking:
        yield "Across parts of the split"
        yield from _listed(leaking, most)
    others = [group for group in audit.copies if not group.leak and not group.conflict]
    if others:
        yield "Other copies"
        yield from _listed(others, most)


def _listed(groups: Sequence[Copies], most: int) -> Iterator[Block]:
    lines = [_line(group) for group in groups[:most]]
    if more := len(groups) - len(lines):
        lines.append(f"and {more:,} more {verb('group', more)}; --out and --report have them all")
    yield Bullets(tuple(lines))


def _line(group: Copies) -> str:
    named = [
        film.path + (f" ({', '.join(filter(None, said))})" if any(said) else "")
        for film in group.films[:_FIRST]
        for said in [(film.part, film.label)]
    ]
    if len(group.films) > _FIRST:
        named.append(f"{len(group.films) - _FIRST:,} more")
    many = f"{len(group.films):,} films: " if len(group.films) > 2 else ""
    return f"{many}{' = '.join(named)}; {alike_words(group.alike)}"


def _leak(audit: Audit) -> Iterator[Block]:
    leak = audit.leak
    rows = [
        ("films that are copies across parts", counted(leak.groups, "group")),
        ("  identical", counted(leak.exact_groups, "group")),
        ("films outside train with a copy in train", share(leak.copied)),
        ("patients across parts", f"{leak.patients:,}" if audit.patients else "not known"),
        ("films outside train of a patient in train", share(leak.of_patients)),
    ]
    yield Table(("", ""), tuple(rows))


def _suspects(suspects: Sequence[Suspect], most: int) -> Iterator[Block]:
    films = counted(len(suspects), "film")
    yield f"{films}."
    lines = [f"{one.path}: {one.sentence}" for one in suspects[:most]]
    if more := len(suspects) - len(lines):
        lines.append(f"and {more:,} more; --out has them all")
    yield Bullets(tuple(lines))
