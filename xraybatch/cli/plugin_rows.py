"""Plugins as rows of tables, for ``xraybatch plugins``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from xraybatch.extension.records import (
    Architecture,
    Exporter,
    ImageReader,
    Metric,
    Preset,
    TrainingDefaults,
)
from xraybatch.extension.registry import PluginRow


def as_dicts(rows: Sequence[PluginRow], kind: str | None) -> list[dict[str, Any]]:
    """A plain JSON object for each plugin, with its records by kind."""
    return [
        {
            "owner": row.owner,
            "status": row.status,
            "reason": row.reason,
            "milliseconds": round(row.seconds * 1000, 1),
            "records": [
                {"kind": word, "name": r.name, "summary": r.summary, "details": details(r)}
                for word, records in row.records.items()
                if kind in (None, word)
                for r in records
            ],
        }
        for row in rows
    ]


_NAME = 22  # letters of a name on one line
_OURS = "xraybatch:"


def tables(rows: Sequence[PluginRow], kind: str | None) -> Iterator[Table]:
    """A table for each kind, one of the plugins, and one of those that are not usable."""
    words = [kind] if kind else list(dict.fromkeys(w for row in rows for w in row.records))
    for word in words:
        table = Table(title=f"{word}s", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("name", no_wrap=True)  # what is typed stands in one piece
        table.add_column("what it is", overflow="fold")
        for row in rows:
            for record in row.records.get(word, []):
                owner = "" if row.owner.startswith(_OURS) else f"; of {row.owner}"
                what = Text(record.summary)
                what.append(f"\n{details(record)}{owner}", style="dim")
                table.add_row(escape(_folded(record.name)), what)
        if table.row_count:
            yield table
    if not kind:
        table = Table(title="plugins", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("plugin", overflow="fold")
        table.add_column("ms to import", justify="right")
        for row in rows:
            if row.status == "ok":
                table.add_row(escape(row.owner), f"{row.seconds * 1000:.0f}")
        yield table
    bad = [row for row in rows if row.status != "ok"]
    if bad:
        table = Table(
            title="not usable", title_justify="left", title_style="yellow", box=SIMPLE_HEAD
        )
        for column in ("owner", "status", "reason"):
            table.add_column(column, overflow="fold")
        for row in bad:
            table.add_row(escape(row.owner), row.status, escape(row.reason))
        yield table


def _folded(name: str) -> str:
    return "\n".join(name[begin : begin + _NAME] for begin in range(0, len(name), _NAME))


def details(record: Architecture | Preset | Exporter | Metric | ImageReader) -> str:
    """What a person wants to know of a record beside its summary."""
    match record:
        case Architecture():
            options = " ".join(f"-O {o.name}={o.default}" for o in record.options)
            return f"{_defaults(record.defaults)} {options}".strip()
        case Preset():
            place = f"on {record.default_place} or --data PATH"
            return f"{record.architecture}, {place}; licence: {record.licence}"
        case Exporter():
            return f"{record.suffix or 'folder'}, from {record.starts_from}"
        case Metric():
            better = "higher" if record.higher_is_better else "lower"
            return f"{', '.join(record.kinds)}; {better} is better"
        case ImageReader():
            return " ".join(record.suffixes)


def _defaults(d: TrainingDefaults) -> str:
    return (
        f"{d.height}x{d.width}, {d.epochs} epochs, batch {d.batch_size}, "
        f"{d.optimizer} {d.learning_rate:g}"
    )
