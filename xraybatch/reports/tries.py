"""Tried settings, as sections of text and on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from xraybatch.core.counting import counted
from xraybatch.evaluation.tries import Grid, TriedSetting, Tries
from xraybatch.reports import words
from xraybatch.reports.console import bullets, heading, text
from xraybatch.reports.sections import Bullets, Section, Table

CHOSEN = "*"
_OPTIMISTIC = (
    "Figures are of the validation films, which chose both epoch and setting: they are optimistic. "
    "The run's score is of films that played no part in this."
)


def tries_sections(found: Tries) -> Iterator[Section]:
    """All grids of a run."""
    for grid in found.grids:
        table = Table(_head(grid), tuple(_cells(grid, one) for one in grid.settings))
        yield Section(_title(found, grid), (table, Bullets(tuple(_notes(grid)))))


def print_tries(found: Tries, console: Console) -> None:
    """Print all grids of a run; what was chosen is marked and bold."""
    for number, grid in enumerate(found.grids):
        if number:
            console.print()
        console.print(heading(_title(found, grid)))
        table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
        head = _head(grid)
        for name in head:
            is_setting = name in grid.settings[0].values
            table.add_column(text(name), justify="left" if is_setting else "right", overflow="fold")
        for one in grid.settings:
            style = "bold green" if one.chosen and not grid.folds else ""
            table.add_row(*(text(cell, style) for cell in _cells(grid, one)))
        console.print(table)
        console.print(bullets(_notes(grid)))


def _title(found: Tries, grid: Grid) -> str:
    how = f"in each of {grid.folds} folds" if grid.folds else "on one split"
    if not grid.folds and len(found.grids) > 1:
        how = "for the model of all films"
    return f"{found.run}: {len(grid.settings):,} settings tried {how}"


def _head(grid: Grid) -> tuple[str, ...]:
    names = tuple(grid.settings[0].values)
    cost = ("trained" if "epochs" in names else "epochs", "seconds")
    if grid.folds:
        return (*names, f"mean {grid.monitor}", "range", "chosen in fold", *cost)
    return (*names, grid.monitor, *cost)


def _cells(grid: Grid, one: TriedSetting) -> tuple[str, ...]:
    values = tuple(one.values.values())
    cost = (f"{one.epochs:,}", f"{one.seconds:,.1f}")
    if grid.folds:
        known = [value for value in one.best if value is not None]
        ends = f"{_figure(min(known))}–{_figure(max(known))}" if known else words.NO_VALUE
        chosen = ", ".join(map(str, one.chosen)) or words.NO_VALUE
        return (*values, _figure(one.mean), ends, chosen, *cost)
    mark = f"{CHOSEN} " if one.chosen else ""
    return (*values, mark + _figure(one.mean), *cost)


def _notes(grid: Grid) -> list[str]:
    better = "lower is better" if grid.monitor.endswith("loss") else "higher is better"
    epochs = sum(one.epochs for one in grid.settings)
    seconds = sum(one.seconds for one in grid.settings)
    mark = "Each fold chose for itself" if grid.folds else f"{CHOSEN} chosen"
    return [
        f"{mark}, by {grid.monitor} of the best epoch: {better}.",
        f"All together: {counted(epochs, 'epoch')}, {seconds:,.1f} seconds.",
        *_without_figure(grid),
        _OPTIMISTIC,
    ]


def _without_figure(grid: Grid) -> Iterator[str]:
    for one in grid.settings:
        name = ", ".join(f"{name} {value}" for name, value in one.values.items())
        for k, reason in enumerate(one.reasons):
            if reason:
                yield f"{name}{f' in fold {k}' if grid.folds else ''}: {reason}"


def _figure(value: float | None) -> str:
    return words.NO_VALUE if value is None else f"{value:.4g}"
