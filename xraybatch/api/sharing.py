"""`xraybatch.list_films` and `xraybatch.merge`: one run, shared by many machines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from xraybatch.api.quiet import or_quiet
from xraybatch.core.progress import Progress
from xraybatch.prediction.record import PredictionRecord
from xraybatch.prediction.sharding import merging
from xraybatch.sources import listing
from xraybatch.sources.dicomweb.query import parse_query
from xraybatch.sources.fetch import IoOptions
from xraybatch.sources.listing import Listed


def list_films(
    sources: str | Path | Sequence[str | Path],
    *,
    manifest: str | Path,
    overwrite: bool = False,
    modality: str | None = None,
    study_date: str | None = None,
    body_part: str | None = None,
    sop_classes: Sequence[str] = (),
    io: IoOptions | None = None,
    progress: Progress | None = None,
) -> Listed:
    """Write down once which films there are; what ``xraybatch list`` does.

    Parameters
    ----------
    sources : str, Path, or a sequence of them
        What `predict` takes as films; or one address of a PACS, ``dicomweb+https://…``.
    manifest : str or Path
        ``.parquet``; give it to ``predict(manifest=…)``.
    overwrite : bool
    modality, study_date, body_part : str, optional
        Which films of a PACS are meant, as the command's options: ``"DX,CR"``,
        ``"20240101-20240131"``, ``"CHEST"``.
    sop_classes : sequence of str
        Kinds of object to take beside radiographs.
    io : IoOptions, optional
        How stores, servers and PACS are asked (``xraybatch.sources.fetch``).
    progress : Progress, optional

    Returns
    -------
    Listed
        With ``manifest``, ``facts`` (``films``, ``digest``, ``skipped``) and ``size`` in bytes.

    Raises
    ------
    XraybatchError
        With the sentence and hint that the command would print.
    """
    named = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    given = Path(manifest)
    return listing.list_films(
        named,
        given,
        overwrite=overwrite,
        progress=or_quiet(progress),
        io=io,
        query=parse_query(modality, study_date, body_part, tuple(sop_classes)),
    )


def merge(
    out: str | Path,
    *,
    manifest: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PredictionRecord:
    """Put the shards of a run together; what ``xraybatch merge`` does.

    Parameters
    ----------
    out : str or Path
        As it was named to `predict`; the shards lie beside it.
    manifest : str or Path, optional
        That of the run: every film is looked for by name.
    overwrite : bool
    progress : Progress, optional

    Returns
    -------
    PredictionRecord
        That was written beside the table.

    Raises
    ------
    XraybatchError
        With the sentence and hint that the command would print; where shards are missing, its
        ``commands`` make them.
    """
    told = or_quiet(progress)
    record = merging.merge(
        Path(out),
        manifest=None if manifest is None else Path(manifest),
        overwrite=overwrite,
        progress=told,
    )
    if said := record.nothing_classified:
        told.warn("No answer", said)
    return record
