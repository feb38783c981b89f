"""A comparison on a terminal: four models fit into 80 columns, more go into tables below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from xraybatch.evaluation.comparison import Comparison
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.pairs import TaskComparison
from xraybatch.reports import comparison as said
from xraybatch.reports import pairs, sections, words
from xraybatch.reports.console import bullets, films_table, heading, text

_NAMES = 18  # columns that the names of numbers take: "Balanced accuracy"; longer ones are folded
_CELL = 15  # columns of "−0.010…+0.072" and its padding


def print_comparison(found: Comparison, console: Console) -> None:
    """Print a comparison; names go out as plain text, whatever they contain."""
    for sentence in found.sentences:
        console.print(Panel(text(sentence), border_style="yellow", expand=False))
    console.print(heading("Films"))
    console.print(films_table(found.join))
    for t, task in enumerate(found.models[0].tasks):
        console.print()
        console.print(heading(words.task_title(task)))
        compared = found.tasks[t]
        for sentence in compared.verdicts:
            console.print(text(sentence, "bold"))
        if compared.sentences:
            console.print(bullets(compared.sentences))
        names = pairs.numbers(found, compared, terminal=True)
        rows = [
            (words.title(name), [_value(found, t, name, i) for i in range(len(found.models))])
            for name in names
        ]
        _print_tables(found, 0, rows, console)
        console.print(bullets(said.task_notes(found, t, names)))
        _print_pairs(found, compared, console)
    console.print()
    rows = [(title, [text(cell) for cell in cells]) for title, *cells in said.cost_rows(found)]
    if rows:
        console.print(heading("What they cost"))
        _print_tables(found, 0, rows, console)
    console.print(bullets([*said.cost_notes(found), *said.closing(found)]))


def render_comparison(found: Comparison, width: int = 80) -> str:
    """The comparison as plain text of a given width."""
    console = Console(width=width, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as captured:
        print_comparison(found, console)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _print_pairs(found: Comparison, task: TaskComparison, console: Console) -> None:
    if len(found.models) > 2:
        rows = [
            (title, [_difference(one) for one in its])
            for title, its in pairs.difference_rows(found, task, terminal=True)
        ]
        console.print()
        title = f"Difference to {found.models[0].name}, {pairs.level(found)}, p"
        console.print(text(title, "bold"))
        _print_tables(found, 1, rows, console)
        console.print(bullets(pairs.difference_notes(found, task, terminal=True)))
    for one in pairs.pair_tables(found, task, terminal=True):
        console.print()
        console.print(text(one.title, "bold"))
        console.print(_narrow(one.table))
        if one.notes:
            console.print(bullets(one.notes))


def _narrow(given: sections.Table) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(text(given.head[0]), overflow="fold")
    for name in given.head[1:]:
        table.add_column(text(name), justify="right", overflow="fold")
    for title, *cells in given.rows:
        table.add_row(text(title), *map(text, cells))
    return table


def _print_tables(
    found: Comparison, begin: int, rows: Sequence[tuple[str, Sequence[Text]]], console: Console
) -> None:
    """As many models side by side as fit, in equal parts; `rows` begin with model `begin`."""
    names = [words.printable(model.name) for model in found.models[begin:]]
    fits = max(1, (console.width - _NAMES - 2) // _CELL)
    tables = -(-len(names) // fits)
    each = -(-len(names) // tables)
    for first in range(0, len(names), each):
        some = slice(first, first + each)
        console.print(_table(names[some], ((title, cells[some]) for title, cells in rows)))


def _table(names: Sequence[str], rows: Iterable[tuple[str, Sequence[Text]]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", width=_NAMES, overflow="fold")
    for name in names:
        table.add_column(text(name), justify="right", min_width=_CELL - 2, overflow="fold")
    for title, cells in rows:
        table.add_row(text(title), *cells)
    return table


def _value(found: Comparison, t: int, name: str, model: int) -> Text:
    estimate = found.models[model].tasks[t].estimates[name]
    best = said.is_best(found, t, name, model)
    cell = Text(
        f"{said.BEST} " if best else "", style="bold green" if best else "", justify="right"
    )
    cell.append(words.value(estimate))
    return _with_interval(cell, words.interval(estimate))


def _difference(one: Difference) -> Text:
    value, interval, p = pairs.columns(one)
    cell = _with_interval(Text(value, style="bold", justify="right"), interval)
    if p != words.NO_VALUE:
        cell.append(f"\np {p}", style="not bold dim")
    return cell


def _with_interval(cell: Text, interval: str) -> Text:
    if interval != words.NO_VALUE:
        cell.append(f"\n{interval}", style="not bold dim")
    return cell
