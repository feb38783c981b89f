"""What the run record of a shard says besides, so that it can be merged with the others."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError
from xraybatch.core.files import sha256_of
from xraybatch.models.model import Model
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.jobs.resuming import WORDS, identity_of
from xraybatch.prediction.options import FIRST, MAX_PIXELS, PredictOptions
from xraybatch.prediction.portion import Portion
from xraybatch.prediction.record import PredictionRecord, read_record, record_path
from xraybatch.prediction.rows import Columns
from xraybatch.prediction.sharding.shards import Shard
from xraybatch.prediction.unlike import Comparison


def shard_facts(
    part: Portion, out: Path, job: Job, model: Model, columns: Columns, compared: Comparison
) -> dict[str, Any]:
    """For the run record; empty for a run that is no shard.

    Parameters
    ----------
    part : Portion
    out : Path
        As a person named it, for all shards.
    job : Job
        With all its rows.
    model : Model
    columns : Columns
    compared : Comparison
        That was shown all rows.

    Returns
    -------
    dict
        ``index``, ``count``; ``items`` of this shard and of the whole ``manifest``; ``skipped`` of
        the manifest; ``columns`` and which of them are ``floats``; ``agree``, a digest of each word
        that all shards must agree in; ``unlike``, what was counted for it; the place of the
        ``embeddings`` of the whole, and the ``command`` that makes this shard.
    """
    shard, manifest = part.options.shard, part.manifest
    if shard is None or manifest is None:
        return {}
    embeddings = part.options.embeddings
    whole = (
        None
        if embeddings is None
        else embeddings.with_name(embeddings.name.removesuffix(shard.ending))
    )
    return {
        "index": shard.index,
        "count": shard.count,
        "items": job.count(),
        "manifest": len(manifest),
        "skipped": manifest.skipped,
        "columns": list(columns.names),
        "floats": sorted(columns.floats),
        "agree": agreement(job.identity),
        "unlike": compared.counts(),
        "embeddings": None if whole is None else str(whole),
        "command": _command(out, manifest.path, model, whole, part.options),
    }


def agreement(identity: Mapping[str, Any]) -> dict[str, str]:
    """A digest of each word of a job's identity that all shards must agree in.

    Digests, because the record of a run tells no more of a salt than that there is one.
    """
    words = (*WORDS, "embeddings", "manifest")
    return {
        word: hashlib.sha256(json.dumps(identity.get(word), sort_keys=True).encode()).hexdigest()[
            :16
        ]
        for word in words
        if word != "shard"
    }


def finished(part: Portion, model: Model) -> PredictionRecord | None:
    """The record of a shard that the same command has written already, whole; else None.

    A scheduler may start a task again whose end it did not learn of.
    """
    options = part.options
    if options.shard is None or options.overwrite or options.is_of_a_job:
        return None
    tables = [part.out, *([options.embeddings] if options.embeddings else [])]
    if not all(path.is_file() for path in (*tables, record_path(part.out))):
        return None
    try:
        record = read_record(part.out)
    except InputError:
        return None
    sums = [record.results_sha256, *([record.embeddings.get("sha256")] * bool(options.embeddings))]
    now = agreement(identity_of(model, None, options, part.manifest))
    same = record.shard.get("agree") == now and sums == [sha256_of(path) for path in tables]
    return record if same else None


def command_line(command: list[str], shard: int, **places: Path | None) -> str:
    """The command of another shard of the same run, to be typed.

    Parameters
    ----------
    command : list of str
        As `shard_facts` holds it.
    shard : int
    places : Path or None
        Of ``out`` and ``manifest``, where they are others.
    """
    words = list(command)
    for option, place in places.items():
        if place is not None:
            words[words.index(f"--{option}") + 1] = str(place)
    count = words[-1].partition("/")[2]
    return shlex.join([*words[:-1], f"{shard}/{count}"])


def job_of(command: list[str], shard: Shard, table: Path) -> Path:
    """Where the state of a shard lies that such a command makes."""
    if "--job" in command:
        return shard.job_place(Path(command[command.index("--job") + 1]))
    return table.with_name(table.name + ".job")


def _command(
    out: Path, manifest: Path, model: Model, embeddings: Path | None, options: PredictOptions
) -> list[str]:
    asked = options.asked
    words = ["xraybatch", "predict", "--manifest", str(manifest), "--out", str(out)]
    words += ["--model", str(model.path)]
    words += ["--allow-broken-seal"] if model.broken_seal else []
    words += [] if options.device == "auto" else ["--device", options.device]
    words += [] if options.batch_size is None else ["--batch-size", str(options.batch_size)]
    words += (
        [] if options.timeout == PredictOptions().timeout else ["--timeout", f"{options.timeout:g}"]
    )
    words += [] if options.max_pixels == MAX_PIXELS else ["--max-pixels", str(options.max_pixels)]
    words += [] if options.frames == FIRST else ["--frames", options.frames]
    for keyword, values in asked.where:
        words += ["--where", f"{keyword}={','.join(values)}"]
    words += ["--tags", ",".join(asked.tags)] if asked.tags else []
    words += ["--dicom-ids"] if asked.salt else []
    words += [] if embeddings is None else ["--embeddings", str(embeddings)]
    if (job := options.job) is not None and options.shard is not None:
        words += ["--job", str(options.shard.whole_job(job))]
    return [*words, "--shard", str(options.shard)]
