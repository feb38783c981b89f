"""Prediction, the use case: films and a model to a results table with one row for every film."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.progress import SILENT, Progress
from xraybatch.extension.records import ImageReader
from xraybatch.extension.registry import registry
from xraybatch.images.pool import DecodingPool
from xraybatch.models.model import Model
from xraybatch.models.selftest import check_decoder
from xraybatch.models.session import Session
from xraybatch.prediction.dispatch import dispatch
from xraybatch.prediction.engine import Seconds
from xraybatch.prediction.job import Job, Reconciled
from xraybatch.prediction.local import LocalEngine
from xraybatch.prediction.publish import Published, check_suffix, publish
from xraybatch.prediction.record import PredictionRecord, deciding_versions, write_record
from xraybatch.prediction.rows import Columns
from xraybatch.sources.discover import Discovery, Item, discover


@dataclass(frozen=True)
class PredictOptions:
    """How to predict.

    Attributes
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    batch_size, workers, threads : int, optional
        None: chosen by the device, the cores that this process may use.
    timeout : float
        Seconds that one film may take to decode.
    overwrite : bool
        Replace results that are there.
    job : Path, optional
        Where the state of the run is kept; ``<out>.job`` by default.
    discard_job : bool
        Remove the job after publishing.
    """

    device: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    threads: int | None = None
    timeout: float = 60.0
    overwrite: bool = False
    job: Path | None = None
    discard_job: bool = False


def find_films(arguments: Sequence[str | Path]) -> Discovery:
    """Everything below `arguments` that is a film for the readers installed here.

    Raises
    ------
    InputError
        If an argument does not exist, two films have the same key, or there is no film at all.
    """
    readers = [owned.record for owned in registry().records(ImageReader)]
    found = discover(
        arguments,
        suffixes=frozenset(suffix for reader in readers for suffix in reader.suffixes),
        sniffers=[reader.sniff for reader in readers],
    )
    if not found.items:
        looked_at = sum(found.skipped.values())
        raise InputError(
            f"There is no film in {', '.join(str(a) for a in arguments)}"
            + (f" ({looked_at:,} other files were skipped)." if looked_at else "."),
            "Name a folder with PNG, JPEG, TIFF or DICOM files.",
        )
    return found


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
    check_suffix(out)
    job_path = options.job or out.with_name(out.name + ".job")
    started = datetime.now(UTC)
    begin = time.perf_counter()
    notes = [model.broken_seal] if model.broken_seal else []
    _check_may_write(out, job_path, options)
    check_decoder(model.card)
    session = Session(
        model, device=options.device, batch_size=options.batch_size, threads=options.threads
    )
    notes += [session.note] if session.note else []
    identity = _identity(model, session)
    job_path.parent.mkdir(parents=True, exist_ok=True)
    with Job(job_path) as job:
        state = _begin_or_go_on(job, items, identity)
        if state is not None:
            notes += _resumed_sentences(state, job, identity)
        for note in notes:
            progress.note(note)
        before = job.count_done()
        columns = Columns(model.card.tasks, seen=bool(model.card.hashes))
        seconds, workers = _classify(job, session, model, options, progress)
        predicting = time.perf_counter() - begin
        published = publish(job, columns, out)
        record = PredictionRecord(
            **_what_ran(model, session, options, out),
            **_what_came_out(job, published, skipped or {}),
            resumed={} if state is None else asdict(state),
            workers=workers,
            seconds={
                "total": round(time.perf_counter() - begin, 3),
                "decoding": round(seconds.decoding, 3),
                "classifying": round(seconds.classifying, 3),
            },
            films_per_second=round((published.rows - before) / max(predicting, 1e-9), 2),
            started=started.isoformat(timespec="seconds"),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            notes=notes,
        )
        write_record(record, out)
    if options.discard_job:
        job_path.unlink()
    return record


def _check_may_write(out: Path, job_path: Path, options: PredictOptions) -> None:
    for place in (out, job_path):
        if place.parent.exists() and not place.parent.is_dir():
            raise UsageError(f"{place.parent} is not a folder.")
    if out.exists() and not options.overwrite:
        raise InputError(
            f"{out} is there already and is not overwritten.",
            "Choose another --out, or give --overwrite.",
        )


def _begin_or_go_on(job: Job, items: Sequence[Item], identity: dict[str, Any]) -> Reconciled | None:
    if job.published:  # its results were deleted, or may be overwritten
        job.forget()
    if not job.begun:
        job.begin(items, identity)
        return None
    for word in ("model", "decisions", "rule"):
        if job.identity.get(word) != identity[word]:
            raise InputError(
                f"{job.path.name} holds a run with another {_WORDS[word]}: rows of two would mix.",
                f"Finish it with that one, or delete {job.path} to start anew.",
            )
    return job.reconcile(items)


_WORDS = {"model": "model", "decisions": "set of thresholds", "rule": "decoding rule"}


def _resumed_sentences(state: Reconciled, job: Job, identity: dict[str, Any]) -> list[str]:
    said = [f"Going on: {state.done:,} of {job.count():,} films are done already."]
    if state.changed:
        said.append(f"{state.changed:,} films changed since they were read and are read anew.")
    if state.new:
        said.append(
            f"{state.new:,} films are new since the run began and are not in it: "
            "run again with another --out, or with --overwrite once this one is published."
        )
    if state.vanished:
        said.append(f"{state.vanished:,} films of the run are no longer there.")
    old = job.identity
    if (old.get("processor"), old.get("versions")) != (
        identity["processor"],
        identity["versions"],
    ):
        said.append(
            "The run began on another processor or with other library versions: probabilities are "
            "equal within tolerance, not to the last bit."
        )
    return said


def _identity(model: Model, session: Session) -> dict[str, Any]:
    return {
        "model": hashlib.sha256(model.content).hexdigest(),
        "decisions": [entry["thresholds"] for entry in model.card.to_dict()["tasks"]],
        "rule": model.card.rule.to_dict(),
        "processor": session.processor,
        "versions": deciding_versions(),
    }


def _classify(
    job: Job, session: Session, model: Model, options: PredictOptions, progress: Progress
) -> tuple[Seconds, int]:
    seen = model.card.seen_in_training() if model.card.hashes else None
    total = job.count()
    with (
        progress.stage("predicting", total) as stage,
        DecodingPool(model.card.rule, workers=options.workers, timeout=options.timeout) as pool,
    ):
        stage.advance(job.count_done())
        engine = LocalEngine(session, pool, seen)
        try:
            dispatch(job, engine, stage)
        finally:
            engine.close()
        return engine.seconds, engine.workers()


def _what_ran(model: Model, session: Session, options: PredictOptions, out: Path) -> dict[str, Any]:
    asked = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(options).items()}
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
        "options": asked,
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
        "skipped": dict(skipped),
        "film_notes": published.notes,
    }
