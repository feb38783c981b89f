"""An audit on a terminal, from 60 columns, and as plain text where nobody looks."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from xraybatch.auditing.record import Audit
from xraybatch.reports import sections
from xraybatch.reports.audit import audit_sections
from xraybatch.reports.console import heading, text

_MOST = 8  # groups and films of a kind
_VALUES = 4  # of a property
_FIXED = 44  # columns that property, value and films take
_CLASS = 7  # columns that a class takes at least, with padding


def print_audit(audit: Audit, console: Console) -> None:
    """Print an audit; names go out as plain text, whatever they contain."""
    widths = (max(_CLASS, min(16, len(name)) + 2) for name in audit.classes)
    classes = _FIXED + sum(widths) <= console.width
    found = audit_sections(audit, most=_MOST, values=_VALUES, classes=classes)
    for section in found:
        if section.title:
            console.print()
            console.print(heading(section.title))
        for block in section.blocks:
            _print(block, console)
    if audit.classes and not classes:
        console.print()
        console.print(text("Counts by class stand in files: --report audit.md.", "dim"))


def render_audit(audit: Audit, width: int = 80) -> str:
    """The audit as plain text of a given width."""
    console = Console(width=width, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as captured:
        print_audit(audit, console)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _print(block: sections.Block, console: Console) -> None:
    match block:
        case sections.Warned():
            console.print(Panel(text(block.sentence), border_style="yellow", expand=False))
        case sections.Bullets():
            console.print(_bullets(block))
        case sections.Table():
            console.print(_table(block))
        case str():
            console.print(text(block))


def _bullets(given: sections.Bullets) -> Table:
    """Sentences, one below the other; a path that is longer than a line is folded, never cut."""
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(overflow="fold")
    for sentence in given.sentences:
        table.add_row(text("•", "dim"), text(sentence, "dim"))
    return table


def _table(given: sections.Table) -> Table:
    if not any(given.head):
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold", overflow="fold", max_width=34)
        grid.add_column(overflow="fold")
        for title, cell in given.rows:
            grid.add_row(text(title), text(cell))
        return grid
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(given.head):
        names = i == 0 or name == "value"
        table.add_column(
            text(name),
            justify="left" if names else "right",
            overflow="fold",
            max_width=22 if names else 20,
        )
    for row in given.rows:
        table.add_row(*map(text, row))
    return table
