"""What ``xraybatch train`` prints in the end: the score, the run folder, and what to do next."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from xraybatch.training.train import Run


def show_run(run: Run) -> None:
    """Print the score, where the run folder lies, and what to do next."""
    from rich.markup import escape

    from xraybatch.cli.console import stdout
    from xraybatch.reports.console import print_report
    from xraybatch.reports.cross_validation import print_folds

    console = stdout()
    if run.report is not None:
        console.print(escape(_whose_score(run)), style="bold")
        print_report(run.report, console)
        if run.tries:
            console.print()
            console.print(_tries(run))
        if run.folds:
            console.print()
            print_folds(run.report, run.folds, console)
    console.print()
    folder = escape(str(run.folder))
    console.print(f"[bold]Run folder:[/] {folder}", soft_wrap=True)
    following = f"xraybatch predict ./folder --out results.csv --model {folder}"
    if run.model is None:
        following = f"xraybatch score {folder}/predictions.csv {folder}/folds.csv"
        with (run.folder / "folds.csv").open(encoding="utf-8", newline="") as table:
            columns = next(csv.reader(table))
        if "study" in columns and "patient" not in columns:
            following += " --patient-column study"
        console.print(
            "[bold]Model:[/]      none of all films (--refit makes one); each fold's is in "
            f"{folder}/folds",
            soft_wrap=True,
        )
    else:
        console.print(f"[bold]Model:[/]      {escape(str(run.model))}", soft_wrap=True)
    console.print(f"[dim]Next:[/] {following}", soft_wrap=True)


def _whose_score(run: Run) -> str:
    """Which films the figures are of, and which preset or network answered them."""
    if run.card is None or run.folds:
        return "Score of every film by the fold that held it back"
    preset = run.card.settings.get("preset")
    made = f"preset {preset}, {run.card.plugin['name']}" if preset else run.card.plugin["name"]
    return f"Score of the {run.card.scores['part']} ({made})"


def _tries(run: Run) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    first = run.tries[0]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Tried on the validation films")
    table.title_style, table.title_justify = "bold", "left"
    for name in (*first.values, first.monitor, "epochs", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for line in run.tries:
        figure = "–" if line.best is None else f"{line.best:.4f}"
        cells = [*line.values.values(), figure, str(line.epochs), f"{line.seconds:.1f}"]
        style = "bold" if line.chosen else ""
        table.add_row(*(Text(cell) for cell in cells), "chosen" if line.chosen else "", style=style)
    return table
