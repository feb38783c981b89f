"""The forms of a results table, written row by row: CSV, Parquet, JSON Lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xraybatch.core.errors import UsageError
from xraybatch.prediction.sharding.shards import written_form

WriteRow = Callable[[list[str | None]], None]

_PARQUET_ROWS = 10_000


@dataclass(frozen=True)
class Header:
    """The columns of a table.

    Attributes
    ----------
    names : tuple of str
        In order.
    floats : frozenset of str
        Those of probabilities.
    """

    names: tuple[str, ...]
    floats: frozenset[str]


def check_suffix(out: Path) -> None:
    """Raise `UsageError` unless results can be written to a file of this name."""
    if written_form(out) not in WRITERS:
        raise UsageError(
            f"'{out.name}' does not say in which form results are to be written.",
            f"End it with one of: {', '.join(WRITERS)}.",
        )
    if out.is_dir():
        raise UsageError(f"{out} is a folder.", "Give the name of a file for the results.")


def table_writer(
    path: Path, form: str, header: Header, *, group: int = _PARQUET_ROWS
) -> AbstractContextManager[WriteRow]:
    """Open a table, in the form of a suffix; what it gives writes a row of cells.

    Parameters
    ----------
    path : Path
    form : str
        ``.csv``, ``.parquet`` or ``.jsonl``.
    header : Header
    group : int
        Rows of a row group of Parquet, which is what is read at once.
    """
    return WRITERS[form](path, header, group)


@contextmanager
def _csv(path: Path, header: Header, _: int) -> Iterator[WriteRow]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)  # RFC 4180: comma, CRLF, quotes where needed
        writer.writerow(header.names)
        yield lambda cells: writer.writerow(cells)


@contextmanager
def _json_lines(path: Path, header: Header, _: int) -> Iterator[WriteRow]:
    numbers = [name in header.floats for name in header.names]

    with path.open("w", encoding="utf-8", newline="\n") as file:

        def write(cells: list[str | None]) -> None:
            record: dict[str, Any] = {}
            for name, number, cell in zip(header.names, numbers, cells, strict=True):
                record[name] = float(cell) if number and cell is not None else cell
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path, header: Header, group: int) -> Iterator[WriteRow]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [(n, pa.float32() if n in header.floats else pa.string()) for n in header.names]
    )
    waiting: list[list[str | None]] = []

    def flush() -> None:
        table = {
            name: [
                np.float32(row[i]) if name in header.floats and row[i] is not None else row[i]
                for row in waiting
            ]
            for i, name in enumerate(header.names)
        }
        writer.write_table(pa.table(table, schema=schema))
        waiting.clear()

    def write(cells: list[str | None]) -> None:
        waiting.append(cells)
        if len(waiting) >= group:
            flush()

    with pq.ParquetWriter(path, schema) as writer:
        yield write
        flush()


WRITERS: dict[str, Callable[[Path, Header, int], AbstractContextManager[WriteRow]]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".jsonl": _json_lines,
}
