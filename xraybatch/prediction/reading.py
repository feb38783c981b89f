"""A results table read back row by row, whichever form it was written in."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError

_HEAD = 1 << 16
_PARQUET = b"PAR1"


def is_results(path: Path) -> bool:
    """Whether a file is a results table, by its first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    if head.startswith(_PARQUET):
        return True
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].strip()
    if line.startswith(b"{"):
        return b'"path"' in line and b'"status"' in line
    return {b"path", b"status"} <= set(line.split(b","))


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a results table in their order, each cell as CSV has it; empty for no value.

    Raises
    ------
    InputError
        If the file cannot be read, or is no such table.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(_PARQUET):
            yield from _parquet(path)
        elif head.startswith(b"{"):
            yield from _json_lines(path)
        else:
            yield from _csv(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, csv.Error):
        raise InputError(
            f"{path} is no results table as `xraybatch predict` writes it.",
            "Give the table as it was written.",
        ) from None


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        names = next(rows, [])
        if not {"path", "status"} <= set(names):
            raise ValueError
        for row in rows:
            yield dict(zip(names, row, strict=True))


def _json_lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            found = json.loads(line)
            if not isinstance(found, dict) or not found.keys() >= {"path", "status"}:
                raise ValueError
            yield {name: _text(value) for name, value in found.items()}


def _parquet(path: Path) -> Iterator[dict[str, str]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:  # pyarrow's errors are ValueErrors
        if not set(file.schema_arrow.names) >= {"path", "status"}:
            raise ValueError
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                yield {name: _text(value) for name, value in row.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        import numpy as np

        return str(np.float32(value))
    return str(value)
