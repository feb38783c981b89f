"""Prediction, the use case: films and a model to a results table with one row for every film."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xraybatch.core.cores import available_cores
from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError, Interrupted, XraybatchError
from xraybatch.core.log import logged
from xraybatch.core.progress import SILENT, Progress
from xraybatch.extension.registry import registry
from xraybatch.images.pool import DecodingPool
from xraybatch.models.model import Model, doubts
from xraybatch.models.selftest import check_decoder, decoder_check
from xraybatch.models.session import Session
from xraybatch.prediction.bar import Watch
from xraybatch.prediction.bottleneck import Stages, bottleneck
from xraybatch.prediction.dispatch import dispatch
from xraybatch.prediction.embeddings import write_embeddings
from xraybatch.prediction.engine import Seconds
from xraybatch.prediction.job import Job
from xraybatch.prediction.job_file import MEND, unusable
from xraybatch.prediction.local import LocalEngine
from xraybatch.prediction.options import ALL, PredictOptions, columns_of
from xraybatch.prediction.pace import Pace
from xraybatch.prediction.places import check_may_write, check_places
from xraybatch.prediction.publish import Published, check_suffix, publish
from xraybatch.prediction.record import (
    PredictionRecord,
    deciding_versions,
    write_record,
)
from xraybatch.prediction.resuming import begin_or_go_on, identity_of
from xraybatch.prediction.unlike import Comparison, Likeness
from xraybatch.sources.item import Item

_CHECK_SECONDS = 60.0  # that the check of the decoder may take in its process


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
        If `out` has another suffix or is a folder, or ``embeddings`` is the same file.
    InputError
        If `out` (or ``embeddings``) is there and may not be overwritten, another run writes it, or
        its job is of another model or rule.
    ModelError
        If the self-test fails, the device cannot be had, or embeddings are asked of a model that
        gives none: before the first film is read.
    BarMissed
        If ``max_failures`` cannot be met any more; the job is kept.
    Interrupted
        If stopped; the same call goes on.
    """
    options = options or PredictOptions()
    job_path = options.job or out.with_name(out.name + ".job")
    try:
        return _predict(items, model, out, job_path, options, skipped or {}, logged(progress))
    except KeyboardInterrupt:  # while it started, or wrote the table
        raise Interrupted(
            "Stopped; nothing of what was done is lost.", "The same command goes on from there."
        ) from None
    except sqlite3.Error as error:
        raise unusable(job_path, error) from error
    except OSError as error:
        where = error.filename or out
        raise InputError(
            f"{where} cannot be written: {error.strerror or error}.",
            MEND,
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
    check_places(out, job_path, options)
    notes = _warned(model, progress)
    with ExitStack() as opened:
        pool = opened.enter_context(
            DecodingPool(
                model.card.rule,
                workers=options.workers,
                timeout=options.timeout,
                limits=options.limits,
                asked=options.asked,
            )
        )
        # a process checks how it decodes, while the session is made here
        checked = pool.start(len(items), decoder_check(model.card))
        session = Session(
            model, device=options.device, batch_size=options.batch_size, threads=options.threads
        )
        width = session.embedding_width() if options.embeddings else 0
        _wait_for_check(checked, model)
        identity = identity_of(model, session, options)
        job = opened.enter_context(Job(job_path))
        check_may_write(out, job, options)
        begun = begin_or_go_on(job, items, identity, options)
        if session.note:
            progress.warn("Device", session.note)
            notes.append(session.note)
        for note in begun.said:
            progress.note(note)
        for note in begun.warned:
            progress.warn("Note", note)
        notes += [*begun.said, *begun.warned]
        before = job.count_rows()
        columns = columns_of(model, options)
        first = time.perf_counter()
        seconds = _classify(job, pool, session, model, options, progress)
        predicting = time.perf_counter() - begin
        stages = _stages(time.perf_counter() - first, seconds, pool, session, model, options)
        check_may_write(out, job, options)
        # before the table: where that is, all is
        embedded = (
            write_embeddings(job, options.embeddings, width, frames=options.frames == ALL)
            if options.embeddings
            else None
        )
        compared = Comparison(model.card)
        published = publish(job, columns, out, compared.add)
        unlike = compared.finish()
        for sentence in unlike.sentences:
            progress.warn("Unlike the training films", sentence)
        notes += unlike.sentences
        record = PredictionRecord(
            **_what_ran(model, session, options, out),
            **_what_came_out(job, published, skipped),
            resumed={} if begun.state is None else asdict(begun.state),
            workers=pool.processes,
            seconds={
                "total": round(time.perf_counter() - begin, 3),
                "decoding": round(seconds.decoding, 3),
                "classifying": round(seconds.classifying, 3),
            },
            films_per_second=round((job.count_rows() - before) / max(predicting, 1e-9), 2),
            bottleneck=bottleneck(stages),
            embeddings={} if embedded is None else asdict(embedded),
            unlike=unlike.to_dict(),
            started=started.isoformat(timespec="seconds"),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            mixed=begun.mixed,
            notes=notes,
        )
        write_record(record, out)
        job.mark_published(published.sha256, "" if embedded is None else embedded.sha256)
    if not record.films:
        progress.warn("No film", "--where left out every film; the table has no rows.")
    if options.discard_job:
        job_path.unlink(missing_ok=True)  # with its folder
    return record


def _wait_for_check(checked: Future[object] | None, model: Model) -> None:
    """Wait until a decoding process has decoded the reference films as the model wants.

    Where none is there, or none lived to say so, this process does.
    """
    if checked is not None:
        wait([checked], _CHECK_SECONDS)
        error = checked.exception() if checked.done() else TimeoutError()
        if error is None:
            return
        if isinstance(error, XraybatchError):
            raise error
    check_decoder(model.card)


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
    watch = Watch(job, options.max_failures, several_frames=options.frames == ALL)
    with progress.stage("predicting", job.count()) as stage:
        stage.advance(job.count_done())
        likeness = Likeness(model.card)
        engine = LocalEngine(
            *(session, pool, seen, likeness),
            all_frames=options.frames == ALL,
            embeddings=options.embeddings is not None,
        )
        try:
            working = counted(pool.workers, "process") if pool.workers else "threads"
            dispatch(job, engine, stage, watch, Pace(f"{session.device}, {working}"))
        finally:
            engine.close()
        return engine.seconds


def _stages(
    wall: float,
    seconds: Seconds,
    pool: DecodingPool,
    session: Session,
    model: Model,
    options: PredictOptions,
) -> Stages:
    cores = available_cores()
    return Stages(
        wall=wall,
        classifying=seconds.classifying,
        waiting=max(0.0, wall - seconds.classifying),  # the session's process does little else
        decoding=seconds.decoding,
        workers=pool.processes or cores,
        threads=options.threads or cores,
        cores=cores,
        device=session.device,
        precision=str(model.card.precision.get("format", "fp32")),
    )


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
