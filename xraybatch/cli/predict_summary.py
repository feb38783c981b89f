"""What ``xraybatch predict`` prints: what a run did, and what a dry run foretells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch.core.counting import counted, films

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from xraybatch.prediction.dry_run import Forecast
    from xraybatch.prediction.record import PredictionRecord


def show_summary(
    record: PredictionRecord, out: Path | str, console: Console, embeddings: Path | None = None
) -> None:
    """Print what a run did: films, classes, failures and skipped files by reason, time by stage."""
    from rich.markup import escape

    table = two_columns()
    add_found(record, table)
    seconds = record.seconds
    where = counted(record.workers, "process") if record.workers else "threads"
    table.add_row(
        "speed",
        f"{record.films_per_second:,.1f} films/s on {record.device}; {seconds['total']:.1f} s "
        f"(decoding {seconds['decoding']:.1f} s in {where}, "
        f"classifying {seconds['classifying']:.1f} s{_fetching(seconds)})",
    )
    if record.bottleneck:
        table.add_row("bottleneck", escape(record.bottleneck))
    table.add_row("results", escape(str(out)))
    if embeddings is not None:
        width = record.embeddings["width"]
        table.add_row("embeddings", escape(f"{embeddings} ({width:,} numbers a film)"))
    table.add_row("record", escape(f"{out}.run.json"))
    console.print(table)
    say_next(record, out, console)


def add_found(record: PredictionRecord, table: Table) -> None:
    """Add the rows of what was found: films, classes, failures and skipped files by reason."""
    from rich.markup import escape

    ok = record.by_status.get("ok", 0)
    table.add_row(
        "films", f"{record.films:,} ({ok:,} classified, {record.failed:,} without result)"
    )
    for task, found in record.classes.items():
        table.add_row(escape(task), counts_in_words(found))
    failures = {name: n for name, n in record.by_status.items() if name != "ok"}
    if failures:
        table.add_row("[yellow]no result[/]", counts_in_words(failures))
    if record.skipped:
        table.add_row("skipped", counts_in_words(record.skipped))
    for sentence, count in record.film_notes.items():
        table.add_row("note", escape(f"{films(count)}: {sentence}"))


def say_next(record: PredictionRecord, out: Path | str, console: Console) -> None:
    """Print how to go on from results."""
    from rich.markup import escape

    if record.by_status.get("ok", 0):
        console.print(f"[dim]Next:[/] xraybatch score {escape(str(out))} YOUR-LABELS.csv")


def _fetching(seconds: dict[str, float]) -> str:
    return f", waiting for films {seconds['fetching']:.1f} s" if "fetching" in seconds else ""


def show_forecast(forecast: Forecast, console: Console) -> None:
    """Print what a run would find and take."""
    from rich.markup import escape

    table = two_columns()
    table.add_row("films", f"{counted(forecast.films, 'file')}, {bytes_in_words(forecast.bytes)}")
    if forecast.skipped:
        table.add_row("skipped", counts_in_words(forecast.skipped))
    of = f"of {films(forecast.looked_at)} looked at"
    table.add_row("formats", f"{counts_in_words(forecast.formats)}   ({of})")
    failing = {name: n for name, n in forecast.by_status.items() if name != "ok"}
    if failing:
        table.add_row(
            "[yellow]would fail[/]", f"{counts_in_words(failing)}   ({of}, by their headers)"
        )
        for sentence, count in forecast.reasons.items():
            table.add_row("", escape(f"{count:,}: {sentence}"))
    else:
        table.add_row("would fail", f"none {of}, by their headers")
    table.add_row("device", escape(forecast.device))
    if forecast.seconds is None or forecast.films_per_second is None:
        table.add_row("time", "not known: no film could be decoded")
    else:
        table.add_row(
            "time",
            f"about {_duration(forecast.seconds)} at {forecast.films_per_second:,.1f} films/s, "
            f"foretold from {films(forecast.probed)}",
        )
    for note in forecast.notes:
        table.add_row("note", escape(note))
    console.print(table)
    console.print("[dim]Nothing was written.[/]")


def two_columns() -> Table:
    """An empty table of words and what is said to them."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    return table


def counts_in_words(found: dict[str, int]) -> str:
    """``ok 12   empty 3``, with what rich would take for markup escaped."""
    from rich.markup import escape

    return escape("   ".join(f"{name} {count:,}" for name, count in found.items()))


def bytes_in_words(count: float) -> str:
    """``12 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
