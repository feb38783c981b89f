"""A report as sections of sentences and tables, before any medium: Markdown and HTML render these.

All text is plain; a medium escapes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import ConfusionMatrix, Report, TaskReport
from xraybatch.reports import words


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
    join = Table(("", ""), tuple(words.join_rows(report.join)))
    yield Section("Films", (join, *_bullets(report.join.sentences)))
    for task in report.tasks:
        yield Section(words.task_title(task), tuple(_task(task, report)))
    files = Table(
        ("", "file", "SHA-256"), tuple((s.role, s.name, s.sha256) for s in report.sources)
    )
    closing = _bullets(tuple(words.closing(report)))
    yield Section("How it was made", (*closing, *((files,) if files.rows else ())))


def _task(task: TaskReport, report: Report) -> Iterator[Block]:
    yield words.task_films(task, report)
    yield Table(
        ("", "value", words.confidence(report), "n", "interval by"),
        tuple(
            (
                words.title(name),
                words.value(e),
                words.interval(e),
                f"{e.n:,}",
                e.method or words.NO_VALUE,
            )
            for name, e in task.estimates.items()
        ),
    )
    if found := words.by_class(task):
        yield Table(
            (found.heading, found.counted, *map(words.title, found.columns)),
            tuple(
                (name, f"{films:,}", *(_cell(estimates[column]) for column in found.columns))
                for name, films, estimates in found.rows
            ),
        )
    if task.confusion:
        yield "Rows are the truth, columns the prediction."
        yield _confusion(task.confusion)
    yield from _bullets((*task.sentences, *words.missing(task)))


def _confusion(matrix: ConfusionMatrix) -> Table:
    return Table(
        ("", *matrix.classes, "films"),
        tuple(
            (name, *(f"{c:,} ({words.percent(c, sum(row))})" for c in row), f"{sum(row):,}")
            for name, row in zip(matrix.classes, matrix.counts, strict=True)
        ),
    )


def _cell(estimate: Estimate) -> str:
    known = estimate.low is not None
    return words.value(estimate) + (f" ({words.interval(estimate)})" if known else "")


def _bullets(sentences: tuple[str, ...]) -> tuple[Bullets, ...]:
    return (Bullets(sentences),) if sentences else ()
