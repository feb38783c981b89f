"""`xraybatch.predict`: films and a model to a table with one row for every film."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch.api.classifier import Classifier, model_of
from xraybatch.api.frames import results_frame
from xraybatch.api.quiet import or_quiet
from xraybatch.core.errors import Interrupted, UsageError
from xraybatch.core.progress import Progress
from xraybatch.images.asked import Asked, read_salt, tags_of, where_of
from xraybatch.prediction.bar import check_bar, parse_bar
from xraybatch.prediction.options import FIRST, LOCAL, MAX_PIXELS, PredictOptions, columns_of
from xraybatch.prediction.portion import placed
from xraybatch.prediction.reading import read_rows
from xraybatch.prediction.run import predict_items
from xraybatch.prediction.sharding.shards import parse_shard
from xraybatch.sources.dicomweb.manners import Manners
from xraybatch.sources.fetch import AnyFetch, IoOptions
from xraybatch.sources.films import find_films
from xraybatch.sources.item import Item, is_remote
from xraybatch.sources.manifest import open_manifest
from xraybatch.training.train import Run

if TYPE_CHECKING:
    import pandas as pd


def predict(
    films: str | Path | Sequence[str | Path] | None = None,
    *,
    model: str | Path | Run | Classifier | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    threads: int | None = None,
    timeout: float = 60.0,
    overwrite: bool = False,
    job: str | Path | None = None,
    discard_job: bool = False,
    max_pixels: int = MAX_PIXELS,
    frames: str = FIRST,
    where: Mapping[str, str | Sequence[str]] | None = None,
    tags: Sequence[str] = (),
    dicom_ids: bool = False,
    salt_file: str | Path | None = None,
    update: bool = False,
    retry_failed: bool = False,
    max_failures: int | str | None = None,
    embeddings: str | Path | None = None,
    manifest: str | Path | None = None,
    shard: str | None = None,
    endpoint_url: str | None = None,
    no_sign_request: bool = False,
    io_timeout: float = 30.0,
    io_retries: int = 5,
    io_threads: int = 8,
    max_connections: int = 2,
    rate: float | None = None,
    ca_bundle: str | Path | None = None,
    allow_http: bool = False,
    engine: str = LOCAL,
    address: str | None = None,
    actors: int | None = None,
    gpus_per_actor: float = 0.0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Classify films: one row for every film, whatever happened to it.

    What ``xraybatch predict`` does; a script needs no ``if __name__ == "__main__"``.

    Parameters
    ----------
    films : str, Path, or a sequence of them, optional
        Folders (with everything below), files, ZIP archives, patterns, prefixes of object stores
        (``s3://``, ``gs://``, ``az://``), ``https://`` addresses, or ``@list.txt``; or give
        `manifest`.
    model : path, Run or Classifier, optional
        A model file or a run; None: ``XRAYBATCH_MODEL``, else the newest run in ``./runs``, else
        the bundled demonstration model.
    out : str or Path, optional
        Where the table is written (``.csv``, ``.parquet`` or ``.jsonl``), with its run record and
        the state of the run, so that the same call goes on after an interruption. None: nothing is
        kept. A file of this machine: the command alone writes into object stores.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; a Classifier's own where it is ``auto``.
    batch_size, workers, threads : int, optional
        Films a batch (2 or more); decoding processes; threads of the model.
    timeout : float
        Seconds that one film may take to decode.
    overwrite, job, discard_job
        With `out`, as the command's options.
    max_pixels : int
        Height × width of a film (or frame); what its header says to be larger is not decoded.
    frames : {"first", "all"}
        Of a DICOM or TIFF with several films: the first, or a row for each.
    where : mapping of str to str or sequence of str, optional
        DICOM tags and the values of which a film must have one: ``{"Modality": ["CR", "DX"]}``.
        The others are left out and counted; an empty value also takes films without the tag.
    tags : sequence of str
        DICOM tags that become columns ``tag.<Keyword>``; none that identifies a person is allowed.
    dicom_ids : bool
        Columns ``patient`` and ``study``: hashes with your own salt, which is in the environment
        variable ``XRAYBATCH_SALT`` or in `salt_file`.
    salt_file : str or Path, optional
    update, retry_failed : bool
        With `out`: bring the results of an earlier run up to the films that are there now, or read
        those again that have no answer; as the command's options.
    max_failures : int or str, optional
        Stop as soon as more films than this, or a larger share (``"2.5%"``), must have no result.
    embeddings : str or Path, optional
        Where the model's embeddings of the classified films are written too (``.parquet``, whatever
        `out`): ``path``, with several frames ``frame``, and ``embedding``, a list of float32.
    manifest : str or Path, optional
        Films that `list_films` wrote down.
    shard : str, optional
        Of `manifest` and with `out`: a part of the films, as the command's option (``"0/4"``,
        ``"auto"``).
    endpoint_url, no_sign_request, io_timeout, io_retries, io_threads
        How stores and servers are asked, as the command's options.
    max_connections, rate, ca_bundle, allow_http
        How a PACS is asked, as the command's options.
    engine : {"local", "ray"}
        This machine, or the nodes of a Ray cluster.
    address, actors, gpus_per_actor
        Of the cluster, as the command's options. A program that is connected to Ray already stays
        so, and `address` says nothing then.
    progress : Progress, optional

    Returns
    -------
    pandas.DataFrame
        The columns of ``docs/results.md``, in the order of paths: ``path``, ``status``, the
        predicted class, ``prob.<class>`` as float32, …, ``error``. ``attrs["xraybatch"]`` holds the
        run record, from which `xraybatch.score` knows the tasks.

    Raises
    ------
    XraybatchError
        With the sentence and hint that the command would print.
    """
    told = or_quiet(progress)
    if out is not None and is_remote(str(out)):
        raise UsageError(
            f"out={str(out)!r} is no file of this machine.",
            "Write a file and copy it, or use `xraybatch predict --out`.",
        )
    if isinstance(model, Classifier) and device == "auto":
        device = model.device
    options = PredictOptions(
        *(device, batch_size, workers, threads, timeout, overwrite),
        None if job is None else Path(job),
        discard_job,
        max_pixels=max_pixels,
        frames=frames,
        asked=_asked(where or {}, tags, salt_file, dicom_ids=dicom_ids),
        update=update,
        retry_failed=retry_failed,
        max_failures=None if max_failures is None else parse_bar(str(max_failures)),
        embeddings=None if embeddings is None else Path(embeddings),
        shard=None if shard is None else parse_shard(shard),
        engine=engine,
        address=address,
        actors=actors,
        gpus_per_actor=gpus_per_actor,
    )
    if options.shard is not None and out is None:
        raise UsageError("A shard is a part of a table, and none is named.", "Give out=.")
    io = IoOptions(
        *(endpoint_url, no_sign_request, io_timeout, io_retries, io_threads),
        pacs=Manners(max_connections, rate, str(ca_bundle or ""), allow_http),
    )
    items, skipped, signed = _films(films, manifest, told, io)
    chosen = model_of(model, told)
    columns = columns_of(chosen, options)
    with tempfile.TemporaryDirectory(prefix="xraybatch-") as nowhere, _nothing_kept(out):
        # Parquet, because it keeps names and text as they are
        target = Path(nowhere) / "results.parquet" if out is None else Path(out)
        record = predict_items(
            items,
            chosen,
            target,
            options=options,
            skipped=skipped,
            progress=told,
            fetch=AnyFetch(io, signed),
        )
        target, _ = placed(target, options)
        check_bar(options.max_failures, record.failed, record.films, str(out or "the table"))
        if said := record.nothing_classified:
            told.warn("No answer", said)
        rows = [[row[name] for name in columns.names] for row in read_rows(target)]
    return results_frame(rows, columns, record.to_dict())


def _films(
    films: str | Path | Sequence[str | Path] | None,
    manifest: str | Path | None,
    told: Progress,
    io: IoOptions,
) -> tuple[Sequence[Item], Mapping[str, int], Mapping[str, str]]:
    if (films is None) == (manifest is None):
        raise UsageError("Films are named twice, or not at all.", "Give films or manifest=.")
    if manifest is not None:
        listed = open_manifest(Path(manifest))
        return listed, listed.skipped, {}
    assert films is not None
    named = [films] if isinstance(films, str | os.PathLike) else list(films)
    found = find_films(named, archives=True, progress=told, io=io)
    return found.items, found.skipped, found.signed


def _asked(
    where: Mapping[str, str | Sequence[str]],
    tags: Sequence[str],
    salt_file: str | Path | None,
    *,
    dicom_ids: bool,
) -> Asked:
    listed = {tag: [v] if isinstance(v, str) else [*map(str, v)] for tag, v in where.items()}
    salt = read_salt(None if salt_file is None else Path(salt_file)) if dicom_ids else b""
    return Asked(where_of(listed), tags_of(tags), salt)


@contextmanager
def _nothing_kept(out: str | Path | None) -> Iterator[None]:
    try:
        yield
    except Interrupted:
        if out is not None:
            raise
        raise Interrupted(
            "Stopped; nothing was kept.", "Give out= so that the same call goes on."
        ) from None
