"""What a run did, for a program that called it: the JSON of ``predict --json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xraybatch.prediction.record import PredictionRecord

SCHEMA = "1.0"


def summary(
    record: PredictionRecord, out: Path | str, job: Path | None, embeddings: Path | None = None
) -> dict[str, Any]:
    """A summary of a run; ``docs/results.md`` is its schema.

    Parameters
    ----------
    record : PredictionRecord
    out : Path or str
        The results, as they were named; an address is text.
    job : Path or None
        The state of the run; None where it was discarded.
    embeddings : Path or None
        As they were named; None where they were not asked for.
    """
    return {
        "schema": SCHEMA,
        "results": str(out),
        "results_sha256": record.results_sha256,
        "record": f"{out}.run.json",
        "job": None if job is None else str(job),
        "embeddings": None if embeddings is None else str(embeddings),
        "films": record.films,
        "failed": record.failed,
        "by_status": record.by_status,
        "classes": record.classes,
        "skipped": record.skipped,
        "resumed": record.resumed,
        "seconds": record.seconds,
        "films_per_second": record.films_per_second,
        "bottleneck": record.bottleneck or None,
        "device": record.device,
        "workers": record.workers,
        "batch_size": record.batch_size,
        "model": {word: record.model[word] for word in ("name", "file", "seal")},
        "notes": record.notes,
    }
