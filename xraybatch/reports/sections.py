"""A report as sections of sentences and tables, before any medium: Markdown and HTML render these.

All text is plain; a medium escapes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xraybatch.core.counting import many
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import ConfusionMatrix, Report, TaskReport
from xraybatch.reports import words
from xraybatch.reports.closer import looks
from xraybatch.reports.families import PROBABILITIES, families
from xraybatch.reports.methods import (
    GUIDELINES,
    LEFT_TO_YOU,
    checklist,
    methods_paragraph,
    references,
)
from xraybatch.reports.model_words import model_rows


@dataclass(frozen=True)
class Table:
    """Rows of text under a head; the first column names, the others count."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Warned:
    """What stands above every number."""

    sentence: str


@dataclass(frozen=True)
class Bullets:
    """Sentences, one below the other."""

    sentences: tuple[str, ...]


Block = Table | Warned | Bullets | str


@dataclass(frozen=True)
class Section:
    """A title (empty at the top) and what stands below it, in order; a `str` is a paragraph."""

    title: str
    blocks: tuple[Block, ...]


def sections(report: Report) -> Iterator[Section]:
    """A score from top to bottom."""
    if report.sentences:
        yield Section("", tuple(Warned(sentence) for sentence in report.sentences))
    rows = (*words.join_rows(report.join), *model_rows(report.model))
    yield Section("Films", (Table(("", ""), rows), *_bullets(report.join.sentences)))
    for task in report.tasks:
        yield Section(words.task_title(task), tuple(_task(task, report)))
    files = Table(
        ("", "file", "SHA-256"), tuple((s.role, s.name, s.sha256) for s in report.sources)
    )
    closing = _bullets(tuple(words.closing(report)))
    yield Section("How it was made", (*closing, *((files,) if files.rows else ())))
    yield Section("Methods, to paste", (methods_paragraph(report), *_bullets(references(report))))
    items = Table(("checklist item", GUIDELINES, "answered in"), tuple(checklist(report)))
    yield Section("Checklist", (items, LEFT_TO_YOU))


def _task(task: TaskReport, report: Report) -> Iterator[Block]:
    unit = report.settings.unit
    yield words.result(task, report)
    yield words.task_films(task, report)
    of_families = families(task)
    # what the probabilities are not stands above their numbers
    distortion = report.model.distortion if report.model else ""
    warned = distortion and any(family.title == PROBABILITIES for family in of_families)
    yield from _bullets((*task.sentences, *((distortion,) if warned else ())))
    for family in of_families:
        yield Table(
            (family.title, "value", words.confidence(report), "n", "interval by"),
            tuple(_number(words.title(name), e) for name, e in family.estimates.items()),
        )
    for further in (False, True):
        if found := words.by_class(task, further=further, unit=unit):
            yield Table(
                (found.heading, found.counted, *map(words.title, found.columns)),
                tuple(
                    (name, f"{films:,}", *(_cell(estimates[column]) for column in found.columns))
                    for name, films, estimates in found.rows
                ),
            )
    if task.confusion:
        yield "Rows are the truth, columns the prediction."
        yield _confusion(task.confusion, unit)
    shown = list(looks(task, narrow=False, unit=unit))
    for look in shown:
        yield look.title + "."
        cells = (tuple(c if isinstance(c, str) else _cell(c) for c in row) for row in look.rows)
        yield Table(look.head, tuple(cells))
        yield from _bullets(look.sentences)
    beside = [pair for look in shown for pair in look.estimates]
    stars = words.stars([*words.of_task(task), *beside])
    yield from _bullets((*stars, *words.missing(task), *words.reasons(beside)))


def _number(title: str, estimate: Estimate) -> tuple[str, ...]:
    method = estimate.method or words.NO_VALUE
    return title, words.value(estimate), words.interval(estimate), f"{estimate.n:,}", method


def _confusion(matrix: ConfusionMatrix, unit: str) -> Table:
    return Table(
        ("", *matrix.classes, many(unit)),
        tuple(
            (name, *(f"{c:,} ({words.percent(c, sum(row))})" for c in row), f"{sum(row):,}")
            for name, row in zip(matrix.classes, matrix.counts, strict=True)
        ),
    )


def _cell(estimate: Estimate) -> str:
    known = estimate.low is not None
    return words.value(estimate) + (f" ({words.interval(estimate)})" if known else "")


def _bullets(sentences: Sequence[str]) -> tuple[Bullets, ...]:
    return (Bullets(tuple(sentences)),) if sentences else ()
