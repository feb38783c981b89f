"""A report as Markdown: for a repository, a wiki, an appendix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from xraybatch.evaluation.report import ConfusionMatrix, Estimate, Report, TaskReport
from xraybatch.reports import words

_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "\\`*_[]|~#$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)


def to_markdown(report: Report) -> str:
    """The whole report as Markdown with tables (GitHub's dialect); all text of tables escaped."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def escape(text: str) -> str:
    """Text of a table as Markdown that shows just these characters."""
    return words.printable(text).translate(_SPECIAL)


def _lines(report: Report) -> Iterator[str]:
    yield "# Score"
    yield ""
    for sentence in report.sentences:
        yield f"> **{escape(sentence)}**"
        yield ""
    yield "## Films"
    yield ""
    yield from _table(("", ""), words.join_rows(report.join))
    yield from _bullets(report.join.sentences)
    for task in report.tasks:
        yield from _task(task, report)
    yield "## How it was made"
    yield ""
    yield from _bullets(words.closing(report))
    if report.sources:
        rows = ((s.role, s.name, s.sha256) for s in report.sources)
        yield from _table(("", "file", "SHA-256"), rows)


def _task(task: TaskReport, report: Report) -> Iterator[str]:
    yield f"## {escape(words.task_title(task))}"
    yield ""
    yield escape(words.task_films(task, report))
    yield ""
    yield from _table(
        ("", "value", words.confidence(report), "n", "interval by"),
        (
            (words.title(name), *_number(e), f"{e.n:,}", e.method or words.NO_VALUE)
            for name, e in task.estimates.items()
        ),
    )
    if found := words.by_class(task):
        yield from _table(
            (found.heading, found.counted, *(words.title(c) for c in found.columns)),
            (
                (name, f"{films:,}", *(" ".join(_cell(estimates[c])) for c in found.columns))
                for name, films, estimates in found.rows
            ),
        )
    if task.confusion:
        yield from _confusion(task.confusion)
    yield from _bullets([*task.sentences, *words.missing(task)])


def _confusion(matrix: ConfusionMatrix) -> Iterator[str]:
    yield "Rows are the truth, columns the prediction."
    yield ""
    yield from _table(
        ("", *matrix.classes, "films"),
        (
            (name, *(f"{c:,} ({words.percent(c, sum(row))})" for c in row), f"{sum(row):,}")
            for name, row in zip(matrix.classes, matrix.counts, strict=True)
        ),
    )


def _number(estimate: Estimate) -> tuple[str, str]:
    return words.value(estimate), words.interval(estimate)


def _cell(estimate: Estimate) -> Iterator[str]:
    yield words.value(estimate)
    if estimate.low is not None:
        yield f"({words.interval(estimate)})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _row(head)
    yield _row_of_dashes(len(head))
    for row in rows:
        yield _row(row)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def _row_of_dashes(columns: int) -> str:
    return "|" + "|".join([" --- "] + [" ---: "] * (columns - 1)) + "|"


def _bullets(sentences: Sequence[str]) -> Iterator[str]:
    for sentence in sentences:
        yield f"- {escape(sentence)}"
    if sentences:
        yield ""
