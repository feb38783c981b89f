"""The folds of a cross-validation beside what they make together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import Report, TaskReport
from xraybatch.reports import words
from xraybatch.reports.console import bullets
from xraybatch.reports.html_text import row, score_html, text
from xraybatch.reports.markdown import escape, to_markdown

_FIGURES = ("auc", "macro_auc", "accuracy")
_STYLE = "body{font:16px/1.5 sans-serif;margin:2em auto;max-width:60em}td,th{padding:.2em .6em}"


@dataclass(frozen=True)
class FoldLine:
    """One task's main figure in one fold.

    Attributes
    ----------
    fold : int
    task : str
    films, epochs : int
    figure : str
        ``auc``, ``macro_auc``, or where neither exists ``accuracy``.
    estimate : Estimate
    """

    fold: int
    task: str
    films: int
    epochs: int
    figure: str
    estimate: Estimate

    def to_dict(self) -> dict[str, Any]:
        """A row of ``scores-by-fold.csv``; ``reason``: why there is no interval, or no value."""
        found = {"fold": self.fold, "task": self.task, "films": self.films, "epochs": self.epochs}
        one = self.estimate
        ends = {"low": one.low, "high": one.high}
        why = {"reason": one.interval_reason or "", "caution": one.caution or ""}
        return found | {"figure": self.figure, "value": one.value} | ends | why


def lines_of(report: Report, fold: int, *, epochs: int) -> list[FoldLine]:
    """The lines of one fold, a task each."""
    return [
        FoldLine(fold, task.task, task.films, epochs, name, task.estimates[name])
        for task in report.tasks
        for name in [main_figure(task)]
    ]


def main_figure(task: TaskReport) -> str:
    """Name of the number that folds are compared by."""
    return next(name for name in _FIGURES if name in task.estimates)


def print_folds(report: Report, lines: Sequence[FoldLine], console: Console) -> None:
    """Print each fold's figure with the pooled one below."""
    for title, head, rows, notes in _tables(report, lines):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title)
        table.title_style, table.title_justify = "bold", "left"
        for i, name in enumerate(head):
            table.add_column(name, justify="right" if i else "left", no_wrap=True)
        for cells in rows:
            table.add_row(*(Text(words.printable(cell)) for cell in cells))
        console.print(table)
        if notes:
            console.print(bullets(notes))


def folds_markdown(name: str, report: Report, lines: Sequence[FoldLine]) -> str:
    """The cross-validation as Markdown."""
    found = [f"# Cross-validation {escape(name)}", ""]
    for title, head, rows, notes in _tables(report, lines):
        found += [f"## {escape(title)}", ""]
        found += [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
        found += [f"| {' | '.join(map(escape, cells))} |" for cells in rows]
        found += ["", *(f"- {escape(note)}" for note in notes), ""]
    return "\n".join(found) + "\n" + to_markdown(report)


def folds_html(name: str, report: Report, lines: Sequence[FoldLine]) -> str:
    """The same as one HTML page without any script or outside file."""
    parts = [f"<h1>Cross-validation {text(name)}</h1>"]
    for title, head, rows, notes in _tables(report, lines):
        parts += [f"<h2>{text(title)}</h2>", "<table>", row("th", head)]
        parts += [row("td", cells) for cells in rows] + ["</table>"]
        parts += [f"<p>{text(note)}</p>" for note in notes]
    body = "\n".join([*parts, score_html(report)])
    head_ = f'<meta charset="utf-8"><title>{text(name)}</title>\n<style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head_}</head><body>\n{body}\n</body></html>\n'


def _tables(
    report: Report, lines: Sequence[FoldLine]
) -> Iterator[tuple[str, tuple[str, ...], list[tuple[str, ...]], list[str]]]:
    """Title, head, rows, and why some have no interval, for each task."""
    for task in report.tasks:
        some = [line for line in lines if line.task == task.task]
        name = main_figure(task)
        head: tuple[str, ...] = (
            "fold",
            "films",
            "epochs",
            words.title(name),
            words.confidence(report),
        )
        rows: list[tuple[str, ...]] = [
            (
                *(str(line.fold), f"{line.films:,}", str(line.epochs)),
                words.value(line.estimate),
                words.interval(line.estimate),
            )
            for line in some
        ]
        pooled = task.estimates[name]
        rows.append(("pooled", f"{task.films:,}", "", words.value(pooled), words.interval(pooled)))
        named = [(f"fold {line.fold}", line.estimate) for line in some]
        yield f"Folds: {task.task}", head, rows, words.reasons([*named, ("pooled", pooled)])
