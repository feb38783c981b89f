"""Prediction, the use case: films and a model to a results table with one row for every film."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError, Interrupted
from xraybatch.core.log import logged
from xraybatch.core.progress import SILENT, Progress
from xraybatch.extension.registry import registry
from xraybatch.images.fetching import Fetch
from xraybatch.models.model import Model, doubts
from xraybatch.prediction.bar import Watch
from xraybatch.prediction.bottleneck import Stages, bottleneck
from xraybatch.prediction.dispatch import dispatch
from xraybatch.prediction.embeddings import write_embeddings
from xraybatch.prediction.engine import Engine, Facts, Seconds
from xraybatch.prediction.engines import open_engine
from xraybatch.prediction.jobs.file import MEND, unusable
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.jobs.resuming import begin_or_go_on, identity_of
from xraybatch.prediction.options import ALL, PredictOptions, columns_of
from xraybatch.prediction.pace import Pace
from xraybatch.prediction.places import check_may_write, check_places
from xraybatch.prediction.portion import Portion, portion
from xraybatch.prediction.publish import Published, publish
from xraybatch.prediction.record import PredictionRecord, write_record
from xraybatch.prediction.sharding.facts import finished, shard_facts
from xraybatch.prediction.unlike import Comparison
from xraybatch.prediction.writing import check_suffix
from xraybatch.sources.item import Item

_MIXED = (
    "Several kinds of processor or versions of libraries worked on this run: probabilities are "
    "equal within tolerance, not to the last bit."
)


def predict_items(
    items: Sequence[Item],
    model: Model,
    out: Path,
    *,
    options: PredictOptions | None = None,
    skipped: Mapping[str, int] | None = None,
    progress: Progress = SILENT,
    fetch: Fetch | None = None,
) -> PredictionRecord:
    """Classify films and publish one row for each, going on where an earlier run stopped.

    Parameters
    ----------
    items : sequence of Item
        In the order of their keys, as `find_films` gives them, or a `Manifest`.
    model : Model
    out : Path
        ``.csv``, ``.parquet`` or ``.jsonl``; of a shard, that of the whole.
    options : PredictOptions, optional
    skipped : mapping of str to int, optional
        Files that are no films, by reason, for the record; a manifest knows its own.
    progress : Progress
    fetch : Fetch, optional
        Reads films that are elsewhere; None: all lie in the file system.

    Returns
    -------
    PredictionRecord
        Written beside `out` too.

    Raises
    ------
    UsageError
        If `out` has another suffix or is a folder, or ``embeddings`` is the same file; if a shard
        is asked for of films that are no manifest.
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
    XraybatchError
        If films cannot be fetched any more; the job is kept.
    """
    part = portion(items, out, options or PredictOptions(), skipped or {})
    job_path = part.options.job or part.out.with_name(part.out.name + ".job")
    try:
        return _predict(part, model, job_path, out, logged(progress), fetch)
    except KeyboardInterrupt:  # while it started, or wrote the table
        raise Interrupted(
            "Stopped; nothing of what was done is lost.", "The same command goes on from there."
        ) from None
    except sqlite3.Error as error:
        raise unusable(job_path, error) from error
    except OSError as error:
        where = error.filename or part.out
        raise InputError(
            f"{where} cannot be written: {error.strerror or error}.",
            MEND,
        ) from error


def _predict(
    part: Portion,
    model: Model,
    job_path: Path,
    whole: Path,
    progress: Progress,
    fetch: Fetch | None,
) -> PredictionRecord:
    items, out, options = part.items, part.out, part.options
    check_suffix(out)
    if (record := finished(part, model)) is not None:
        progress.note(f"Shard {options.shard} is done already: {out}.")
        return record
    started = datetime.now(UTC)
    begin = time.perf_counter()
    check_places(out, job_path, options)
    notes = _warned(model, progress)
    with ExitStack() as opened:
        engine = opened.enter_context(open_engine(model, options, items, progress, fetch))
        facts = engine.facts
        identity = identity_of(model, facts, options, part.manifest)
        job = opened.enter_context(Job(job_path))
        check_may_write(out, job, options)
        begun = begin_or_go_on(job, items, identity, options)
        if facts.note:
            progress.warn("Device", facts.note)
            notes.append(facts.note)
        for note in begun.said:
            progress.note(note)
        for note in begun.warned:
            progress.warn("Note", note)
        notes += [*begun.said, *begun.warned]
        before = job.count_rows()
        columns = columns_of(model, options)
        first = time.perf_counter()
        seconds = _classify(job, engine, options, progress)
        predicting = time.perf_counter() - begin
        stages = _stages(time.perf_counter() - first, engine, model)
        stages = replace(stages, io_threads=0 if fetch is None else fetch.threads)
        facts = engine.facts  # also of those that came later
        notes += facts.happened
        if facts.mixed:
            progress.warn("Note", _MIXED)
            notes.append(_MIXED)
        check_may_write(out, job, options)
        # before the table: where that is, all is
        embedded = (
            write_embeddings(
                job, options.embeddings, facts.embedding_width, frames=options.frames == ALL
            )
            if options.embeddings
            else None
        )
        compared = Comparison(model.card)
        published = publish(job, columns, out, compared.add, shard=options.shard)
        unlike = compared.finish()
        for sentence in unlike.sentences:
            progress.warn("Unlike the training films", sentence)
        notes += unlike.sentences
        record = PredictionRecord(
            **_what_ran(model, facts, options, out),
            **_what_came_out(job, published, part.skipped),
            resumed={} if begun.state is None else asdict(begun.state),
            workers=engine.workers(),
            seconds={
                "total": round(time.perf_counter() - begin, 3),
                "decoding": round(seconds.decoding, 3),
                "classifying": round(seconds.classifying, 3),
                **({"fetching": round(seconds.fetching, 3)} if seconds.fetching else {}),
            },
            films_per_second=round((job.count_rows() - before) / max(predicting, 1e-9), 2),
            bottleneck=bottleneck(stages),
            embeddings={} if embedded is None else asdict(embedded),
            unlike=unlike.to_dict(),
            started=started.isoformat(timespec="seconds"),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            shard=shard_facts(part, whole, job, model, columns, compared),
            shards=[],
            mixed=begun.mixed or facts.mixed,
            notes=notes,
        )
        write_record(record, out)
        job.mark_published(published.sha256, "" if embedded is None else embedded.sha256)
    if not record.films and items:
        progress.warn("No film", "--where left out every film; the table has no rows.")
    if options.discard_job:
        job_path.unlink(missing_ok=True)  # with its folder
    return record


def _warned(model: Model, progress: Progress) -> list[str]:
    """Say what a person must know before the first film; also with --quiet."""
    said = [*doubts(model), *registry().sentences()]
    for sentence in said:
        progress.warn("Note", sentence)
    return said


def _classify(job: Job, engine: Engine, options: PredictOptions, progress: Progress) -> Seconds:
    watch = Watch(job, options.max_failures, several_frames=options.frames == ALL)
    with progress.stage("predicting", job.count()) as stage:
        stage.advance(job.count_done())
        try:
            dispatch(job, engine, stage, watch, Pace(engine.facts.works, nodes=engine.nodes))
        finally:
            engine.close()
        return engine.seconds


def _stages(wall: float, engine: Engine, model: Model) -> Stages:
    """Where the time went, of a session that stands for all of them."""
    facts, seconds = engine.facts, engine.seconds
    classifying = seconds.classifying / facts.sessions
    return Stages(
        wall=wall,
        classifying=classifying,
        waiting=max(0.0, wall - classifying),  # the session's process does little else
        decoding=seconds.decoding / facts.sessions,
        fetching=seconds.fetching / facts.sessions,
        workers=engine.workers() // facts.sessions or facts.cores,
        threads=facts.threads,
        cores=facts.cores,
        device=facts.device,
        batch_size=facts.batch_size,
        precision=str(model.card.precision.get("format", "fp32")),
    )


def _what_ran(model: Model, facts: Facts, options: PredictOptions, out: Path) -> dict[str, Any]:
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
        "device": facts.device,
        "processor": facts.processor,
        "batch_size": facts.batch_size,
        "self_test_difference": facts.self_test_difference,
        "versions": facts.versions,
    }


def _what_came_out(job: Job, published: Published, skipped: Mapping[str, int]) -> dict[str, Any]:
    digest = job.identity.get("manifest", "")
    return {
        "results_sha256": published.sha256,
        "manifest": {"sha256": digest} if digest else {},
        "films": published.rows,
        "by_status": job.counts_by_status(),
        "classes": published.classes,
        "skipped": {**skipped, **job.left_out()},
        "film_notes": published.notes,
    }
