"""A report as a fragment of HTML, as a notebook shows it; whatever it holds is shown as text."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence

from xraybatch.evaluation.report import Report
from xraybatch.reports.sections import Block, Bullets, Section, Table, Warned, sections
from xraybatch.reports.words import printable

_WARNED = "border-left:4px solid #d55e00;padding:.5em 1em;max-width:50em"


def score_html(report: Report) -> str:
    """The whole report as one ``<div>`` without script, outside file or style sheet."""
    return sections_html(sections(report))


def sections_html(parts: Iterable[Section]) -> str:
    """Sections as one ``<div>`` without script, outside file or style sheet."""
    return "\n".join(["<div>", *_parts(parts), "</div>"])


def text(raw: str) -> str:
    """Text of a table as HTML that shows just these characters."""
    return html.escape(printable(raw))


def row(tag: str, cells: Sequence[str]) -> str:
    """A row of cells, `tag` being ``td`` or ``th``."""
    return f"<tr>{''.join(f'<{tag}>{text(cell)}</{tag}>' for cell in cells)}</tr>"


def _parts(parts: Iterable[Section]) -> Iterator[str]:
    for section in parts:
        if section.title:
            yield f"<h4>{text(section.title)}</h4>"
        for block in section.blocks:
            yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Table():
            yield "<table>"
            if any(block.head):
                yield row("th", block.head)
            yield from (row("td", cells) for cells in block.rows)
            yield "</table>"
        case Warned():
            yield f'<p style="{_WARNED}"><strong>{text(block.sentence)}</strong></p>'
        case Bullets():
            yield f"<ul>{''.join(f'<li>{text(s)}</li>' for s in block.sentences)}</ul>"
        case str():
            yield f"<p>{text(block)}</p>"
