"""What an engine is opened from: a model, how to predict, and the items that wait for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from xraybatch.core.cores import available_cores
from xraybatch.core.counting import counted
from xraybatch.core.errors import XraybatchError
from xraybatch.core.interrupts import is_done, uninterrupted
from xraybatch.core.progress import Progress
from xraybatch.images.fetching import Fetch
from xraybatch.images.pool import DecodingPool
from xraybatch.models.model import Model
from xraybatch.models.selftest import check_decoder, decoder_check
from xraybatch.models.session import Session
from xraybatch.models.sessions import device_of, open_sessions
from xraybatch.prediction.engine import Engine, Facts, as_one
from xraybatch.prediction.local import LocalEngine
from xraybatch.prediction.options import ALL, RAY, PredictOptions
from xraybatch.prediction.record import deciding_versions
from xraybatch.prediction.unlike import Likeness
from xraybatch.sources.item import Item

_CHECK_SECONDS = 60.0  # that the check of the decoder may take in its process


@contextmanager
def open_engine(
    model: Model,
    options: PredictOptions,
    items: Sequence[Item],
    progress: Progress,
    fetch: Fetch | None = None,
) -> Iterator[Engine]:
    """Open the engine that was asked for, checked and ready for its first chunk.

    Parameters
    ----------
    model : Model
    options : PredictOptions
    items : sequence of Item
        What it will be asked to do.
    progress : Progress
    fetch : Fetch, optional
        Reads films that are elsewhere.

    Raises
    ------
    ModelError
        If a self-test fails, the device cannot be had, or embeddings are asked of a model that
        gives none.
    MissingExtra, InputError, UsageError
        Of a cluster: if Ray is not installed, there is no cluster, or none that can do it.
    """
    if options.engine == RAY:
        from xraybatch.prediction.ray.opening import open_ray

        with open_ray(model, options, items, progress, fetch) as far:
            yield far
    else:
        with open_local(model, options, len(items), fetch) as engine:
            yield engine


@contextmanager
def open_local(
    model: Model, options: PredictOptions, films: int, fetch: Fetch | None = None
) -> Iterator[LocalEngine]:
    """Open the engine of this machine for about so many films."""
    with DecodingPool(
        model.card.rule,
        workers=options.workers,
        timeout=options.timeout,
        limits=options.limits,
        asked=options.asked,
        fetch=fetch,
    ) as pool:
        # a process checks how it decodes, while the session is made here
        checked = pool.start(films, decoder_check(model.card))
        sessions = open_sessions(
            model,
            device=options.device,
            batch_size=options.batch_size,
            threads=options.threads,
            films=films,
        )
        width = sessions[0].embedding_width() if options.embeddings else 0
        _wait_for_check(checked, model)
        engine = LocalEngine(
            sessions,
            pool,
            _facts(sessions, pool, width),
            model.card.seen_in_training() if model.card.hashes else None,
            Likeness(model.card),
            all_frames=options.frames == ALL,
            embeddings=options.embeddings is not None,
        )
        try:
            yield engine
        finally:
            engine.close()


def _facts(sessions: Sequence[Session], pool: DecodingPool, width: int) -> Facts:
    session, device = sessions[0], device_of(sessions)
    processors = {one.processor for one in sessions}
    differences = [one.self_test_difference for one in sessions]
    working = counted(pool.workers, "process") if pool.workers else "threads"
    return Facts(
        device=device,
        processor=as_one(processors),
        versions=deciding_versions(),
        batch_size=session.batch_size,
        self_test_difference=max((d for d in differences if d is not None), default=None),
        works=f"{device}, {working}",
        cores=available_cores(),
        threads=session.threads,
        embedding_width=width,
        note=session.note,
        mixed=len(processors) > 1,
    )


def _wait_for_check(checked: Future[object] | None, model: Model) -> None:
    """Wait until a decoding process has decoded the reference films as the model wants.

    Where none is there, or none lived to say so, this process does.
    """
    if checked is not None and is_done(checked, _CHECK_SECONDS):
        with uninterrupted():
            error = checked.exception()
        if error is None:
            return
        if isinstance(error, XraybatchError):
            raise error
    check_decoder(model.card)
