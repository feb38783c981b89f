"""The embeddings of a run as a Parquet file: one row for each film with an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.core.files import atomic_path, sha256_of
from xraybatch.core.status import FilmStatus
from xraybatch.prediction.engine import CHUNK
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.rows import NO_FRAME

if TYPE_CHECKING:
    import pyarrow as pa

Vector = tuple[str, int, bytes]  # path, frame, and an embedding as float32, little endian


@dataclass(frozen=True)
class Embeddings:
    """What was written; the run record holds it.

    Attributes
    ----------
    file : str
        Its name.
    sha256 : str
    width : int
        Numbers of one embedding, the D of ``[batch, D]``.
    films : int
        Rows: films with an answer.
    """

    file: str
    sha256: str
    width: int
    films: int


def write_embeddings(job: Job, target: Path, width: int, *, frames: bool) -> Embeddings:
    """Write the embedding of every row with an answer, in the order of the table.

    Columns are ``path``, with `frames` ``frame`` (int32, null for an item of one film), and
    ``embedding`` (a list of `width` float32). A row group has 256 rows, whatever the memory, the
    batch or the history of the job, so that equal embeddings are equal bytes.

    Parameters
    ----------
    job : Job
        Begun with embeddings, with all its rows.
    target : Path
        Replaced in one step.
    width : int
    frames : bool
        Whether there is a column ``frame``.

    Raises
    ------
    RuntimeError
        If a row with an answer has no embedding: a fault of ours, and nothing is written.
    """
    job.mark_publishing(target)
    answered = job.counts_by_status().get(FilmStatus.OK, 0)
    return write_vectors(job.embeddings(), target, width, answered, frames=frames)


def write_vectors(
    found: Iterator[Vector], target: Path, width: int, answered: int, *, frames: bool
) -> Embeddings:
    """Write embeddings in the order in which they come; see `write_embeddings`.

    Raises
    ------
    RuntimeError
        If they are not as many as the rows with an answer, `answered`; nothing is written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [("path", pa.string()), ("frame", pa.int32())][: 1 + frames]
    schema = pa.schema([*fields, ("embedding", pa.list_(pa.float32(), width))])
    films = 0
    with atomic_path(target) as temporary:
        # no two paths are the same, and few numbers are: a dictionary of either is only larger
        with pq.ParquetWriter(temporary, schema, use_dictionary=False) as writer:
            while some := list(islice(found, CHUNK)):
                writer.write_table(_table(some, schema))
                films += len(some)
        if films != answered:
            raise RuntimeError(f"{answered} rows have an answer, {films} of them an embedding")
    return Embeddings(target.name, sha256_of(target), width, films)


def _table(some: Sequence[Vector], schema: pa.Schema) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    keys, frames, blobs = zip(*some, strict=True)
    numbers = pa.array(np.frombuffer(b"".join(blobs), "<f4"))
    columns: dict[str, Any] = {
        "path": pa.array(keys, pa.string()),
        "frame": pa.array([None if f == NO_FRAME else f for f in frames], pa.int32()),
        "embedding": pa.FixedSizeListArray.from_arrays(
            numbers, type=schema.field("embedding").type
        ),
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)
