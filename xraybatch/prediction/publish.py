"""Publishing: the job's rows, in order, into a table that is whole or not there."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from xraybatch.core.errors import UsageError
from xraybatch.core.files import atomic_path, sha256_of
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import TaskKind
from xraybatch.prediction.job import Job
from xraybatch.prediction.rows import NO_FRAME, Columns, Row

WriteRow = Callable[[list[str | None]], None]

_ROWS = 1_000
_PARQUET_ROWS = 10_000


@dataclass(frozen=True)
class Published:
    """What was written.

    Attributes
    ----------
    rows : int
    sha256 : str
        Of the results file.
    classes : dict of str to dict
        Films by predicted class, for each task; for multilabel films by finding.
    notes : dict of str to int
        What was noted of films (a suffix that lies, colour that became grey), and of how many.
    """

    rows: int
    sha256: str
    classes: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)


def check_suffix(out: Path) -> None:
    """Raise `UsageError` unless results can be written to a file of this name."""
    if out.suffix.lower() not in _WRITERS:
        raise UsageError(
            f"'{out.name}' does not say in which form results are to be written.",
            f"End it with one of: {', '.join(_WRITERS)}.",
        )
    if out.is_dir():
        raise UsageError(f"{out} is a folder.", "Give the name of a file for the results.")


def publish(
    job: Job,
    columns: Columns,
    out: Path,
    look: Callable[[Sequence[Row]], None] = lambda _: None,
) -> Published:
    """Write every row of the job to `out`.

    Parameters
    ----------
    job : Job
    columns : Columns
    out : Path
    look : callable, optional
        Is shown the rows, some at a time.

    Raises
    ------
    RuntimeError
        If an item has no row, or not each of its frames once: a fault of ours, and nothing is
        written.
    """
    total, done = job.count(), job.count_done()
    if done != total:
        raise RuntimeError(f"{total - done} of {total} items have no row")
    rows = 0
    answers: dict[str, Counter[str]] = {entry.task.name: Counter() for entry in columns.tasks}
    notes: Counter[str] = Counter()
    at = {name: i for i, name in enumerate(columns.names)}
    job.mark_publishing()
    with (
        atomic_path(out) as temporary,
        _WRITERS[out.suffix.lower()](temporary, columns) as write,
    ):
        last = Row(-1, NO_FRAME, FilmStatus.OK)
        found = job.results()
        while some := list(islice(found, _ROWS)):
            look([row for _, row in some])
            for (_, row), cells in zip(some, columns.cells_of(some), strict=True):
                if row.frame != (last.frame + 1 if row.item == last.item else min(row.frame, 0)):
                    raise RuntimeError(f"item {row.item} has not each frame once")
                last = row
                write(cells)
                rows += 1
                notes.update(row.notes)
                if row.status is FilmStatus.OK:
                    _count(answers, columns, cells, at)
    digest = sha256_of(out)
    classes = {task: dict(found) for task, found in answers.items()}
    return Published(rows, digest, classes, dict(notes.most_common()))


def _count(
    answers: dict[str, Counter[str]],
    columns: Columns,
    cells: list[str | None],
    at: dict[str, int],
) -> None:
    for entry in columns.tasks:
        if entry.task.kind is TaskKind.MULTILABEL:
            prefix = f"{entry.task.name}." if len(columns.tasks) > 1 else ""
            for name in entry.task.classes:
                answers[entry.task.name][name] += cells[at[f"{prefix}pred.{name}"]] == "1"
        else:
            answers[entry.task.name][cells[at[entry.task.name]] or ""] += 1


@contextmanager
def _csv(path: Path, columns: Columns) -> Iterator[WriteRow]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)  # RFC 4180: comma, CRLF, quotes where needed
        writer.writerow(columns.names)
        yield lambda cells: writer.writerow(cells)


@contextmanager
def _json_lines(path: Path, columns: Columns) -> Iterator[WriteRow]:
    numbers = [name in columns.floats for name in columns.names]

    with path.open("w", encoding="utf-8", newline="\n") as file:

        def write(cells: list[str | None]) -> None:
            record: dict[str, Any] = {}
            for name, number, cell in zip(columns.names, numbers, cells, strict=True):
                record[name] = float(cell) if number and cell is not None else cell
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path, columns: Columns) -> Iterator[WriteRow]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [(n, pa.float32() if n in columns.floats else pa.string()) for n in columns.names]
    )
    waiting: list[list[str | None]] = []

    def flush() -> None:
        table = {
            name: [
                np.float32(row[i]) if name in columns.floats and row[i] is not None else row[i]
                for row in waiting
            ]
            for i, name in enumerate(columns.names)
        }
        writer.write_table(pa.table(table, schema=schema))
        waiting.clear()

    def write(cells: list[str | None]) -> None:
        waiting.append(cells)
        if len(waiting) >= _PARQUET_ROWS:
            flush()

    with pq.ParquetWriter(path, schema) as writer:
        yield write
        flush()


_WRITERS = {".csv": _csv, ".parquet": _parquet, ".jsonl": _json_lines}
