"""``xraybatch merge``: the shards of a run to the table that one run would have written."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.files import atomic_path, sha256_of
from xraybatch.core.progress import SILENT, Progress, Stage
from xraybatch.core.status import FilmStatus
from xraybatch.prediction.embeddings import write_vectors
from xraybatch.prediction.options import ALL
from xraybatch.prediction.record import PredictionRecord, record_path, write_record
from xraybatch.prediction.sharding.files import Parts, find_shards
from xraybatch.prediction.sharding.merged_record import Summed
from xraybatch.prediction.sharding.rows import in_order, open_rows, open_vectors
from xraybatch.prediction.sharding.shards import whole_of, written_form
from xraybatch.prediction.sharding.tally import Tally
from xraybatch.prediction.writing import Header, check_suffix, table_writer
from xraybatch.sources.manifest import Manifest, open_manifest

_ELSEWHERE = (
    "The shards were computed on different processors or with different library versions: "
    "probabilities are equal within tolerance to those of one run, not to the last bit."
)
_STEP = 1_000  # rows between two words to the progress


def merge(
    out: Path,
    *,
    manifest: Path | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> PredictionRecord:
    """Write the table of a whole run from those of its shards, and its record.

    Memory grows neither with the films nor with the size of a shard.

    Parameters
    ----------
    out : Path
        As it was named in the commands of the shards, which lie beside it.
    manifest : Path, optional
        Of the run: then every one of its films is looked for by name; else films are counted.
    overwrite : bool
        Replace a table that is there.
    progress : Progress

    Returns
    -------
    PredictionRecord
        Written beside `out` too.

    Raises
    ------
    UsageError
        If `out` says no form of a table, or is a shard.
    MissingShards
        If a shard is not there or not done; nothing is written.
    InputError
        If `out` is there or cannot be written, shards are not of one run, one was changed, or a
        film is in none or two.
    """
    if (whole := whole_of(out)) != out:
        raise UsageError(f"{out} is one shard.", f"Name the whole: xraybatch merge {whole}")
    check_suffix(out)
    try:
        return _merge(out, manifest, progress, overwrite=overwrite)
    except OSError as error:
        raise InputError(
            f"{error.filename or out} cannot be read or written: {error.strerror or error}.",
            "See whether the disk is full, or the folder is gone.",
        ) from error


def _merge(
    out: Path, manifest: Path | None, progress: Progress, *, overwrite: bool
) -> PredictionRecord:
    summed = Summed()
    listed = None if manifest is None else open_manifest(manifest)
    found = find_shards(out, listed, summed.add)
    places = [out, record_path(out), *([found.embeddings_out] if found.embeddings_out else [])]
    for path in places:
        if path.exists() and not overwrite:
            raise InputError(
                f"{path} is there already and is not overwritten.",
                "Move it away, or allow it with --overwrite.",
            )
    record = summed.record(found, out, [_ELSEWHERE] if summed.is_mixed else [])
    with progress.stage("merging", record.films) as stage:
        embeddings = _write(found, listed, out, record, stage)
    record = replace(record, results_sha256=sha256_of(out), embeddings=embeddings)
    write_record(record, out)
    if summed.is_mixed:
        progress.warn("Note", _ELSEWHERE)
    for sentence in summed.unlike.sentences:
        progress.warn("Unlike the training films", sentence)
    return record


def _write(
    found: Parts, listed: Manifest | None, out: Path, record: PredictionRecord, stage: Stage
) -> dict[str, Any]:
    """Write the rows, and check that each film has its own; what the record says of embeddings."""
    told = found.first.shard
    names, form = tuple(told["columns"]), written_form(out)
    header = Header(names, frozenset(told["floats"]))
    tables = [open_rows(part.table, form, names) for part in found.parts]
    tally = Tally(found, listed, out)
    with atomic_path(out) as temporary:
        with table_writer(temporary, form, header) as write:
            for written, (number, cells) in enumerate(in_order(tables), 1):
                tally.add(number, cells)
                write(cells)
                if written % _STEP == 0:
                    stage.advance(_STEP)
        stage.advance(tally.rows % _STEP)
        tally.check(record.films)
        return _write_vectors(found, record)  # before the table is there: where that is, all is


def _write_vectors(found: Parts, record: PredictionRecord) -> dict[str, Any]:
    if found.embeddings_out is None:
        return {}
    vectors = in_order([open_vectors(path) for path in found.embeddings])
    embedded = write_vectors(
        (vector for _, vector in vectors),
        found.embeddings_out,
        record.embeddings["width"],
        record.by_status.get(FilmStatus.OK, 0),
        frames=found.first.options["frames"] == ALL,
    )
    return asdict(embedded)
