"""Tables of shards, read a stretch at a time: nothing of them is held between two stretches.

A thousand shards are merged by going round them, a chunk from each. Each file is open while its
stretch is read and not otherwise, so that neither memory nor open files grow with their number.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Generic, Protocol, TypeVar

from xraybatch.core.errors import InputError
from xraybatch.prediction.embeddings import Vector
from xraybatch.prediction.rows import NO_FRAME
from xraybatch.sources.keys import order_key

if TYPE_CHECKING:
    import pyarrow as pa

RowT = TypeVar("RowT", covariant=True)
_T = TypeVar("_T")
Cells = list[str | None]


class ShardRows(Protocol[RowT]):
    """A file whose rows are in the order of their paths.

    Attributes
    ----------
    path : Path
    head : bytes or None
        What the next row is ordered by; None at the end.
    """

    path: Path
    head: bytes | None

    def take(self, until: bytes | None) -> Iterator[RowT]:
        """The rows before `until`, or all that are left."""


def in_order(shards: Sequence[ShardRows[_T]]) -> Iterator[tuple[int, _T]]:
    """All rows in the order of their paths, each with the number of its shard.

    Raises
    ------
    InputError
        If a path is in two shards.
    """
    heads = [(shard.head, number) for number, shard in enumerate(shards) if shard.head is not None]
    heapify(heads)
    while heads:
        head, number = heappop(heads)
        until = heads[0][0] if heads else None
        if until == head:
            raise InputError(
                f"{shards[number].path.name} and {shards[heads[0][1]].path.name} have the same "
                "film.",
                "Delete the one that is of another run.",
            )
        for row in shards[number].take(until):
            yield number, row
        after = shards[number].head
        if after is not None:
            heappush(heads, (after, number))


def open_rows(path: Path, form: str, names: Sequence[str]) -> ShardRows[Cells]:
    """The rows of a shard's table as cells, None for one without a value.

    Parameters
    ----------
    path : Path
    form : str
        ``.csv``, ``.parquet`` or ``.jsonl``.
    names : sequence of str
        Of the columns that it must have.

    Raises
    ------
    InputError
        If it has other columns.
    """
    if form == ".parquet":
        return _Groups(path, _cells, names)
    return _Text(path, _csv_rows if form == ".csv" else _json_rows, names)


def open_vectors(path: Path) -> ShardRows[Vector]:
    """The embeddings of a shard."""
    return _Groups(path, _vectors)


class _Text:
    """A file of text, of which the place of the next row is remembered.

    `rows` gives the rows from where a file stands, each with the place of its end; of a line that
    belongs to no such table it raises `ValueError`.
    """

    def __init__(
        self,
        path: Path,
        rows: Callable[[BinaryIO, Sequence[str]], Iterator[tuple[Cells, int]]],
        names: Sequence[str],
    ) -> None:
        self.path = path
        self.head: bytes | None = None
        self._rows = rows
        self._names = names
        self._next = 0  # where the next row begins
        next(self.take(b""), None)  # looks at the first row

    def take(self, until: bytes | None) -> Iterator[Cells]:
        try:
            with self.path.open("rb") as file:
                file.seek(self._next)
                for cells, end in self._rows(file, self._names):
                    key = order_key(cells[0] or "")
                    if until is not None and key >= until:
                        self.head = key
                        return
                    yield cells
                    self._next = end
        except (ValueError, csv.Error):
            raise _no_such_table(self.path) from None
        self.head = None


def _csv_rows(file: BinaryIO, names: Sequence[str]) -> Iterator[tuple[Cells, int]]:
    end = file.tell()
    is_begin = not end

    def lines() -> Iterator[str]:
        nonlocal end
        while line := file.readline():
            end += len(line)
            yield line.decode()

    rows = csv.reader(lines())  # takes no line more than a row needs
    if is_begin and next(rows, None) != list(names):
        raise ValueError
    for row in rows:
        if len(row) != len(names):
            raise ValueError
        yield [cell or None for cell in row], end


def _json_rows(file: BinaryIO, names: Sequence[str]) -> Iterator[tuple[Cells, int]]:
    end = file.tell()
    while line := file.readline():
        end += len(line)
        found = json.loads(line)
        if not isinstance(found, dict) or list(found) != list(names):
            raise ValueError
        # a float64 that was read from the shortest text of a float32 has that text
        yield [None if cell is None else str(cell) for cell in found.values()], end


class _Groups(Generic[_T]):
    """Parquet, of which one row group is read at a time; `rows` makes rows of a table."""

    def __init__(
        self,
        path: Path,
        rows: Callable[[pa.Table], Iterator[_T]],
        names: Sequence[str] | None = None,
    ) -> None:
        self.path = path
        self.head: bytes | None = None
        self._rows = rows
        self._names = names
        self._group = self._row = 0
        next(self.take(b""), None)  # looks at the first row

    def take(self, until: bytes | None) -> Iterator[_T]:
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                names = file.schema_arrow.names
                if names != list(self._names or names):
                    raise ValueError
                while self._group < file.num_row_groups:
                    table = file.read_row_group(self._group)
                    keys = [order_key(path) for path in table.column("path").to_pylist()]
                    end = self._row
                    while end < len(keys) and (until is None or keys[end] < until):
                        end += 1
                    yield from self._rows(table.slice(self._row, end - self._row))
                    if end < len(keys):
                        self._row, self.head = end, keys[end]
                        return
                    self._group, self._row = self._group + 1, 0
        except ValueError:  # of pyarrow too
            raise _no_such_table(self.path) from None
        self.head = None


def _cells(table: pa.Table) -> Iterator[Cells]:
    import pyarrow as pa

    columns = (column.cast(pa.string()).to_pylist() for column in table.columns)
    return map(list, zip(*columns, strict=True))


def _vectors(table: pa.Table) -> Iterator[Vector]:
    import numpy as np

    keys = table.column("path").to_pylist()
    if not keys:
        return
    several = "frame" in table.column_names
    frames = table.column("frame").to_pylist() if several else [None] * len(keys)
    chunks = table.column("embedding").chunks
    numbers = np.concatenate([chunk.flatten().to_numpy() for chunk in chunks])
    for key, frame, vector in zip(keys, frames, numbers.reshape(len(keys), -1), strict=True):
        yield key, NO_FRAME if frame is None else frame, vector.astype("<f4", copy=False).tobytes()


def _no_such_table(path: Path) -> InputError:
    return InputError(
        f"{path} does not have the columns that its run record tells.",
        "Delete it and make that shard again.",
    )
