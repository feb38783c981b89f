"""What ``xraybatch inspect`` prints of a results table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from xraybatch.cli.console import printable
from xraybatch.cli.predict_summary import counts_in_words, two_columns
from xraybatch.core.counting import counted

if TYPE_CHECKING:
    from rich.console import Console

    from xraybatch.prediction.recomputing import Recomputed
    from xraybatch.prediction.record import PredictionRecord


def show_results(record: PredictionRecord, path: Path, console: Console) -> None:
    """Print what a table was made with."""
    table = two_columns()
    table.add_row("results", escape(str(path)))
    table.add_row("films", f"{record.films:,}   {counts_in_words(record.by_status)}")
    for task, found in record.classes.items():
        table.add_row(escape(task), counts_in_words(found))
    model = record.model
    table.add_row("model", escape(f"{model['name']} ({model['file']}), seal {model['seal'][:12]}"))
    table.add_row("computed", escape(f"{record.finished} on {record.device} ({record.processor})"))
    table.add_row("versions", escape(", ".join(f"{n} {v}" for n, v in record.versions.items())))
    for note in record.notes:
        table.add_row("note", escape(printable(note)))
    console.print(table)


def show_recomputed(found: Recomputed, path: Path, console: Console) -> None:
    """Print whether a table still holds, and what differs."""
    table = two_columns()
    table.add_row("results", escape(str(path)))
    table.add_row("recomputed", f"{found.recomputed:,} of {counted(found.rows, 'row')}")
    table.add_row("same bytes", f"{found.same:,}")
    if found.close:
        table.add_row("within tolerance", f"{found.close:,} (by at most {found.tolerance:g})")
    if found.undecided:
        table.add_row("undecided", f"{found.undecided:,}, whose status depended on the day")
    table.add_row("different", f"{found.different:,}")
    if found.changed_classes:
        table.add_row("", f"{found.changed_classes:,} with another answer")
    if found.changed_statuses:
        table.add_row("", f"status: {counts_in_words(found.changed_statuses)}")
    table.add_row("largest difference", f"{found.largest_difference:.3g} of a probability")
    if found.films_changed or found.films_missing:
        table.add_row(
            "films",
            f"{found.films_changed:,} changed since the run, {found.films_missing:,} gone",
        )
    for sentence in (*found.notes, *found.elsewhere):
        table.add_row("note", escape(printable(sentence)))
    for name in found.examples:
        table.add_row("differs", escape(printable(name)))
    console.print(table)
    if not found.holds:
        console.print("[red]It does not hold.[/]")
    elif found.elsewhere:
        console.print(
            "[green]It holds[/], within tolerance: processor or versions are others than those of "
            "the run, so that the last bits may be too."
        )
    else:
        console.print("[green]It holds[/], to the last bit.")
