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
from xraybatch.core.errors import Interrupted
from xraybatch.core.progress import Progress
from xraybatch.core.tables import read_table
from xraybatch.images.asked import Asked, read_salt, tags_of, where_of
from xraybatch.prediction.bar import check_bar, parse_bar
from xraybatch.prediction.options import FIRST, MAX_PIXELS, PredictOptions, columns_of
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films
from xraybatch.training.train import Run

if TYPE_CHECKING:
    import pandas as pd


def predict(
    films: str | Path | Sequence[str | Path],
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
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Classify films: one row for every film, whatever happened to it.

    What ``xraybatch predict`` does; a script needs no ``if __name__ == "__main__"``.

    Parameters
    ----------
    films : str, Path, or a sequence of them
        Folders (with everything below), files, ZIP archives, patterns, or ``@list.txt``.
    model : path, Run or Classifier, optional
        A model file or a run; None: ``XRAYBATCH_MODEL``, else the newest run in ``./runs``, else
        the bundled demonstration model.
    out : str or Path, optional
        Where the table is written (``.csv``, ``.parquet`` or ``.jsonl``), with its run record and
        the state of the run, so that the same call goes on after an interruption. None: nothing is
        kept.
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
    )
    named = [films] if isinstance(films, str | os.PathLike) else list(films)
    found = find_films(named, archives=True, progress=told)
    chosen = model_of(model, told)
    columns = columns_of(chosen, options)
    with tempfile.TemporaryDirectory(prefix="xraybatch-") as nowhere, _nothing_kept(out):
        # Parquet, because it keeps names and text as they are
        target = Path(nowhere) / "results.parquet" if out is None else Path(out)
        record = predict_items(
            found.items,
            chosen,
            target,
            options=options,
            skipped=found.skipped,
            progress=told,
        )
        check_bar(options.max_failures, record.failed, record.films, str(out or "the table"))
        if said := record.nothing_classified:
            told.warn("No answer", said)
        table = read_table(target)
    rows = table[list(columns.names)].to_numpy().tolist()
    return results_frame(rows, columns, record.to_dict())


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
