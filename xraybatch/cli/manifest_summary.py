"""What ``xraybatch list`` and ``xraybatch merge`` print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from xraybatch.cli.predict_summary import (
    add_found,
    bytes_in_words,
    counts_in_words,
    say_next,
    two_columns,
)
from xraybatch.core.counting import counted

if TYPE_CHECKING:
    from rich.console import Console

    from xraybatch.prediction.record import PredictionRecord
    from xraybatch.sources.listing import Listed

SCHEMA = "1.0"


def listed_as_json(listed: Listed) -> dict[str, Any]:
    """What was listed, for a program that called; ``docs/cluster.md`` is its schema."""
    facts = listed.facts
    return {
        "schema": SCHEMA,
        "manifest": str(listed.manifest),
        "manifest_sha256": facts.digest,
        "films": facts.films,
        "bytes": listed.size,
        "skipped": facts.skipped,
    }


def show_listed(listed: Listed, console: Console) -> None:
    """Print what was listed, and how to go on."""
    facts = listed.facts
    table = two_columns()
    table.add_row("films", f"{counted(facts.films, 'file')}, {bytes_in_words(listed.size)}")
    if facts.skipped:
        table.add_row("skipped", counts_in_words(facts.skipped))
    table.add_row("manifest", escape(str(listed.manifest)))
    table.add_row("hash", facts.digest[:16])
    console.print(table)
    console.print(
        f"[dim]Next:[/] xraybatch predict --manifest {escape(str(listed.manifest))} --out "
        "results.csv --shard 0/4",
        soft_wrap=True,
    )


def merged_as_json(record: PredictionRecord, out: Path) -> dict[str, Any]:
    """What was merged, for a program that called; ``docs/cluster.md`` is its schema."""
    return {
        "schema": SCHEMA,
        "results": str(out),
        "results_sha256": record.results_sha256,
        "record": f"{out}.run.json",
        "embeddings": record.embeddings.get("file"),
        "manifest_sha256": record.manifest.get("sha256"),
        "shards": len(record.shards),
        "films": record.films,
        "failed": record.failed,
        "by_status": record.by_status,
        "classes": record.classes,
        "skipped": record.skipped,
        "seconds": record.seconds,
        "mixed": record.mixed,
        "notes": record.notes,
    }


def show_merged(record: PredictionRecord, out: Path, console: Console) -> None:
    """Print what the whole run did."""
    table = two_columns()
    table.add_row("shards", f"{len(record.shards):,}")
    add_found(record, table)
    table.add_row("time", f"{record.seconds['total']:,.1f} s, summed over the shards")
    table.add_row("results", escape(str(out)))
    if record.embeddings:
        table.add_row("embeddings", escape(record.embeddings["file"]))
    table.add_row("record", escape(f"{out}.run.json"))
    console.print(table)
    say_next(record, out, console)
