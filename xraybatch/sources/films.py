"""The films below folders, for the readers that are installed here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.progress import SILENT, Progress
from xraybatch.extension.records import ImageReader
from xraybatch.extension.registry import registry
from xraybatch.sources.discover import Discovery, discover
from xraybatch.sources.fetch import IoOptions
from xraybatch.sources.item import ZIP_ARCHIVE


def find_films(
    arguments: Sequence[str | Path],
    *,
    archives: bool = False,
    progress: Progress = SILENT,
    io: IoOptions | None = None,
) -> Discovery:
    """Everything below `arguments` that is a film for the readers installed here.

    Parameters
    ----------
    arguments : sequence of str or Path
    archives : bool
        Take the films of ZIP archives that are named; else those are files as any.
    progress : Progress
    io : IoOptions, optional
        How films at addresses are asked for; None: addresses are refused.

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
        archives=archives,
        progress=progress,
        io=io,
    )
    if not found.items:
        looked_at = sum(found.skipped.values())
        raise InputError(
            f"There is no film in {', '.join(str(a) for a in arguments)}"
            + (f" ({looked_at:,} other files were skipped)." if looked_at else "."),
            "Name the ZIP archives whose films are meant."
            if ZIP_ARCHIVE in found.skipped
            else "Name a folder with PNG, JPEG, TIFF or DICOM files.",
        )
    return found
