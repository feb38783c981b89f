"""Prediction, the use case: films and a model to a results table with one row for every film."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError
from xraybatch.core.log import logged
from xraybatch.core.progress import SILENT, Progress
from xraybatch.extension.registry import registry
from xraybatch.images.pool import DecodingPool
from xraybatch.models.model import Model, doubts
from xraybatch.models.selftest import check_decoder
from xraybatch.models.session import Session
from xraybatch.prediction.dispatch import dispatch
from xraybatch.prediction.engine import Seconds
from xraybatch.prediction.job import Job
from xraybatch.prediction.job_file import unusable
from xraybatch.prediction.local import LocalEngine
from xraybatch.prediction.options import ALL, PredictOptions, columns_of
from xraybatch.prediction.places import check_may_write, check_places
from xraybatch.prediction.publish import Published, check_suffix, publish
from xraybatch.prediction.record import (
    PredictionRecord,
    deciding_versions,
    write_record,
)
from xraybatch.prediction.resuming import begin_or_go_on, identity_of, resumed_sentences
from xraybatch.sources.item import Item


def predict_items(
    items: Sequence[Item],
    model: Model,
    out: Path,
    *,
    options: PredictOptions | None = None,
    skipped: Mapping[str, int] | None = None,
    progress: Progress = SILENT,
) -> PredictionRecord:
    """Classify films and publish one row for each, going on where an earlier run stopped.

    Parameters
    ----------
    items : sequence of Item
        In the order of their keys, as `find_films` gives them.
    model : Model
    out : Path
        ``.csv``, ``.parquet`` or ``.jsonl``.
    options : PredictOptions, optional
    skipped : mapping of str to int, optional
        Files that are no films, by reason, for the record.
    progress : Progress

    Returns
    -------
    PredictionRecord
        Written beside `out` too.

    Raises
    ------
    UsageError
        If `out` has another suffix or is a folder.
    InputError
        If `out` is there and may not be overwritten, another run writes it, or its job is of
        another model or rule.
    ModelError
        If the self-test fails or the device cannot be had: before the first film is read.
    Interrupted
        If stopped; the same call goes on.
    """
    options = options or PredictOptions()
    job_path = options.job or out.with_name(out.name + ".job")
    try:
        return _predict(items, model, out, job_path, options, skipped or {}, logged(progress))
    except sqlite3.Error as error:
        raise unusable(job_path, error) from error
    except OSError as error:
        where = error.filename or out
        raise InputError(
            f"{where} cannot be written: {error.strerror or error}.",
            "See whether the disk is full or read-only; the same command then goes on.",
        ) from error


def _predict(
    items: Sequence[Item],
    model: Model,
    out: Path,
    job_path: Path,
    options: PredictOptions,
    skipped: Mapping[str, int],
    progress: Progress,
) -> PredictionRecord:
    check_suffix(out)
    started = datetime.now(UTC)
    begin = time.perf_counter()
    check_places(out, job_path, overwrite=options.overwrite)
    notes = _warned(model, progress)
    check_decoder(model.card)
    # in processes also where films are few: a decoder that crashes, whosever it is, costs one film
    with ExitStack() as opened:
        pool = opened.enter_context(
            DecodingPool(
                model.card.rule,
                workers=options.workers,
                timeout=options.timeout,
                limits=options.limits,
                isolate=True,
                asked=options.asked,
            )
        )
        pool.start(len(items))  # while the session is made
        session = Session(
            model, device=options.device, batch_size=options.batch_size, threads=options.threads
        )
        identity = identity_of(model, session, options)
        job = opened.enter_context(Job(job_path))
        check_may_write(out, job, overwrite=options.overwrite)
        state = begin_or_go_on(job, items, identity)
        if session.note:
            progress.warn("Device", session.note)
            notes.append(session.note)
        if state is not None:
            going_on, left_out = resumed_sentences(state, job, identity)
            for note in going_on:
                progress.note(note)
            for note in left_out:
                progress.warn("Note", note)
            notes += [*going_on, *left_out]
        before = job.count_rows()
        columns = columns_of(model, options)
        seconds = _classify(job, pool, session, model, options, progress)
        predicting = time.perf_counter() - begin
        check_may_write(out, job, overwrite=options.overwrite)
        published = publish(job, columns, out)
        record = PredictionRecord(
            **_what_ran(model, session, options, out),
            **_what_came_out(job, published, skipped),
            resumed={} if state is None else asdict(state),
            workers=pool.processes,
            seconds={
                "total": round(time.perf_counter() - begin, 3),
                "decoding": round(seconds.decoding, 3),
                "classifying": round(seconds.classifying, 3),
            },
            films_per_second=round((job.count_rows() - before) / max(predicting, 1e-9), 2),
            started=started.isoformat(timespec="seconds"),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            notes=notes,
        )
        write_record(record, out)
        job.mark_published()
    if not record.films:
        progress.warn("No film", "--where left out every film; the table has no rows.")
    if options.discard_job:
        job_path.unlink()
    return record


def _warned(model: Model, progress: Progress) -> list[str]:
    """Say what a person must know before the first film; also with --quiet."""
    said = [*doubts(model), *registry().sentences()]
    for sentence in said:
        progress.warn("Note", sentence)
    return said


def _classify(
    job: Job,
    pool: DecodingPool,
    session: Session,
    model: Model,
    options: PredictOptions,
    progress: Progress,
) -> Seconds:
    seen = model.card.seen_in_training() if model.card.hashes else None
    with progress.stage("predicting", job.count()) as stage:
        stage.advance(job.count_done())
        engine = LocalEngine(session, pool, seen, all_frames=options.frames == ALL)
        try:
            dispatch(job, engine, stage)
        finally:
            engine.close()
        return engine.seconds


def _what_ran(model: Model, session: Session, options: PredictOptions, out: Path) -> dict[str, Any]:
    return {
        "out": out.name,
        "tasks": model.card.to_dict()["tasks"],
        "model": {
            "name": model.card.name,
            "file": model.path.name,
            "seal": model.seal,
            "broken_seal": model.broken_seal,
            "demonstration": model.card.demonstration,
        },
        "card": model.card.to_dict(hashes=False),
        "rule": model.card.rule.to_dict(),
        "options": options.to_dict(),
        "device": session.device,
        "processor": session.processor,
        "batch_size": session.batch_size,
        "self_test_difference": session.self_test_difference,
        "versions": deciding_versions(),
    }


def _what_came_out(job: Job, published: Published, skipped: Mapping[str, int]) -> dict[str, Any]:
    return {
        "results_sha256": published.sha256,
        "films": published.rows,
        "by_status": job.counts_by_status(),
        "classes": published.classes,
        "skipped": {**skipped, **job.left_out()},
        "film_notes": published.notes,
    }
