"""A report as Markdown: for a repository, a wiki, an appendix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from xraybatch.evaluation.report import Report
from xraybatch.reports import words
from xraybatch.reports.sections import Block, Bullets, Section, Table, Warned, sections

_NUMBER = re.compile(r"(▲ )?[+−<>±]?\d(?!.*[A-Za-z]{3})")
_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "\\`*_[]|~#$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)


def to_markdown(report: Report) -> str:
    """The whole report as Markdown with tables (GitHub's dialect); all text of tables escaped."""
    return of_sections("Score", sections(report))


def of_sections(title: str, parts: Iterable[Section]) -> str:
    """Sections as Markdown, under a title."""
    return "\n".join(_lines(title, parts)).rstrip() + "\n"


def escape(text: str) -> str:
    """Text of a table as Markdown that shows just these characters."""
    return words.printable(text).translate(_SPECIAL)


def _lines(title: str, parts: Iterable[Section]) -> Iterator[str]:
    yield f"# {title}"
    yield ""
    for section in parts:
        if section.title:
            yield f"## {escape(section.title)}"
            yield ""
        for block in section.blocks:
            yield from _block(block)
            yield ""


def _block(block: Block) -> Iterator[str]:
    match block:
        case Table():
            yield _row(block.head)
            yield "|" + "|".join([" --- ", *_sides(block)]) + "|"
            yield from map(_row, block.rows)
        case Warned():
            yield f"> **{escape(block.sentence)}**"
        case Bullets():
            yield from (f"- {escape(sentence)}" for sentence in block.sentences)
        case str():
            yield escape(block)


def _sides(table: Table) -> Iterator[str]:
    """Columns of numbers stand on the right, columns of words on the left."""
    for i in range(1, len(table.head)):
        cells = [row[i] for row in table.rows if row[i] not in ("", words.NO_VALUE)]
        yield " ---: " if all(_NUMBER.match(cell) for cell in cells) else " --- "


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"
