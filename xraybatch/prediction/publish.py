"""Publishing: the job's rows, in order, into a table that is whole or not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from xraybatch.core.files import atomic_path, sha256_of
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import TaskKind
from xraybatch.prediction.engine import CHUNK
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.rows import NO_FRAME, Columns, Row
from xraybatch.prediction.sharding.shards import Shard, written_form
from xraybatch.prediction.writing import Header, table_writer

_ROWS = 1_000


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


def publish(
    job: Job,
    columns: Columns,
    out: Path,
    look: Callable[[Sequence[Row]], None] = lambda _: None,
    *,
    shard: Shard | None = None,
) -> Published:
    """Write every row of the job to `out`.

    Parameters
    ----------
    job : Job
    columns : Columns
    out : Path
    look : callable, optional
        Is shown the rows, some at a time.
    shard : Shard, optional
        Which part of a run this is: of a part in Parquet a chunk can be read alone.

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
    header = Header(columns.names, columns.floats)
    groups = {} if shard is None else {"group": CHUNK}
    job.mark_publishing()
    with (
        atomic_path(out) as temporary,
        table_writer(temporary, written_form(out), header, **groups) as write,
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
                if row.notes:
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
