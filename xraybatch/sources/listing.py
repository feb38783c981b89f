"""`list_films`: what predict would find, written into a manifest for many machines.

The one place that decides who enumerates a source.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xraybatch.core.counting import films, verb
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.progress import SILENT, Progress, Stage
from xraybatch.sources.dicomweb.address import is_dicomweb, parse_address
from xraybatch.sources.dicomweb.fetch import pacs_extra
from xraybatch.sources.dicomweb.query import Query
from xraybatch.sources.discover import Discovery
from xraybatch.sources.fetch import IoOptions
from xraybatch.sources.films import find_films
from xraybatch.sources.item import Item
from xraybatch.sources.manifest import ManifestFacts, write_manifest

SUFFIX = ".parquet"
_MOST = 2**63 - 1
_STEP = 1_000  # films between two words to the progress


@dataclass(frozen=True)
class Listed:
    """What was listed.

    Attributes
    ----------
    manifest : Path
    facts : ManifestFacts
    size : int
        Bytes of all films together; those of which nobody says it count for nothing.
    """

    manifest: Path
    facts: ManifestFacts
    size: int


def list_films(
    sources: Sequence[str | Path],
    manifest: Path,
    *,
    overwrite: bool = False,
    progress: Progress = SILENT,
    io: IoOptions | None = None,
    query: Query | None = None,
) -> Listed:
    """Find films once, as predict finds them, and write down which there are.

    Parameters
    ----------
    sources : sequence of str or Path
        Folders, files, ZIP archives, patterns, prefixes of object stores, or ``@list.txt``; or one
        address of a PACS, ``dicomweb+https://…``.
    manifest : Path
        ``.parquet``.
    overwrite : bool
        Replace a manifest that is there.
    progress : Progress
    io : IoOptions, optional
        How films at addresses are asked for.
    query : Query, optional
        Which films of a PACS are meant.

    Raises
    ------
    UsageError
        If `manifest` is named otherwise, a PACS is not the only source, or there is a query and no
        PACS.
    InputError
        If it is there and may not be replaced, or cannot be written; if there is no film, a
        source cannot be used, or films have signed addresses.
    """
    if manifest.suffix.lower() != SUFFIX:
        raise UsageError(
            f"A manifest is written as Parquet, and '{manifest.name}' is named otherwise.",
            f"End --manifest with {SUFFIX}.",
        )
    if manifest.exists() and not overwrite:
        raise InputError(
            f"{manifest} is there already and is not overwritten.",
            "Choose another --manifest, or allow it with --overwrite.",
        )
    found = _found([os.fspath(source) for source in sources], progress, io or IoOptions(), query)
    if count := len(found.signed):
        raise InputError(
            f"{films(count)} {verb('has', count)} a signed address, and a manifest keeps no "
            "signature.",
            "Give that list to `xraybatch predict` itself, without --manifest.",
        )
    size = 0

    def told(stage: Stage) -> Iterator[Item]:
        nonlocal size
        for number, item in enumerate(found.items, 1):
            size += item.size
            if number % _STEP == 0:
                stage.advance(_STEP)
            yield _storable(item)
        stage.advance(len(found.items) % _STEP)

    with progress.stage("listing", len(found.items)) as stage:
        try:
            facts = write_manifest(told(stage), manifest, skipped=found.skipped)
        except OSError as error:
            raise InputError(
                f"{manifest} cannot be written: {error.strerror or error}.",
                "See whether the disk is full, or the folder is gone.",
            ) from error
    return Listed(manifest, facts, size)


def _found(
    sources: Sequence[str], progress: Progress, io: IoOptions, query: Query | None
) -> Discovery:
    if not any(map(is_dicomweb, sources)):
        if query is not None:
            raise UsageError(
                "--modality, --study-date, --body-part and --sop-class are for a PACS, and none is "
                "named.",
                "Name one: dicomweb+https://pacs.example.org/dicom-web. Films of a folder are "
                "chosen by predict --where.",
            )
        return find_films(sources, archives=True, progress=progress, io=io)
    if len(sources) > 1:
        raise UsageError(
            "A PACS and something else are to be listed together.",
            "Write a manifest of its own for each.",
        )
    place = parse_address(sources[0], allow_http=io.pacs.allow_http)
    with pacs_extra():
        from xraybatch.sources.dicomweb.listing import list_instances
    return list_instances(place, query or Query(), io.manners, progress=progress)


def _storable(item: Item) -> Item:
    """An item whose numbers a manifest can hold: a ZIP may announce any size."""
    if item.size <= _MOST and item.mtime_ns <= _MOST:
        return item
    return replace(item, size=min(item.size, _MOST), mtime_ns=min(item.mtime_ns, _MOST))
