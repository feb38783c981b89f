"""A folder that archives were downloaded into: which they are, and their films unpacked."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.progress import SILENT, Progress
from xraybatch.sources.archives.budget import ArchiveLimits, Budget
from xraybatch.sources.archives.extract import (
    ARCHIVES,
    FOREIGN,
    FOREIGN_ARCHIVE,
    TABLES,
    Extracted,
    Unpacking,
    stem_of,
)
from xraybatch.sources.archives.names import quoted
from xraybatch.sources.item import DANGLING, HIDDEN, MACOSX, NO_ACCESS, NO_FILM, why_no_file


@dataclass(frozen=True)
class ArchiveFolder:
    """What lies in a folder beside films.

    Attributes
    ----------
    folder : Path
    archives, tables : tuple of str
        Paths in it, with ``/``, in the order of their bytes.
    skipped : mapping of str to int
        Other files, by reason.
    """

    folder: Path
    archives: tuple[str, ...]
    tables: tuple[str, ...]
    skipped: Mapping[str, int]


def find_archives(folder: Path) -> ArchiveFolder:
    """The archives and tables of a folder, by their names; links to folders are not followed.

    Only files are either: to open a pipe would wait for ever.
    """
    archives, tables = [], []
    skipped: Counter[str] = Counter()

    def unreadable(_: OSError) -> None:
        skipped[NO_ACCESS] += 1

    for place, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".") and name != MACOSX]
        for name in files:
            path = os.path.join(place, name)  # noqa: PTH118
            inner, lower = os.path.relpath(path, folder).replace(os.sep, "/"), name.lower()
            if name.startswith("."):
                skipped[HIDDEN] += 1
            elif why := _why_no_file(path):
                skipped[why] += 1
            elif lower.endswith(ARCHIVES):
                archives.append(inner)
            elif lower.endswith(tuple(TABLES)):
                tables.append(inner)
            else:
                skipped[FOREIGN_ARCHIVE if lower.endswith(FOREIGN) else NO_FILM] += 1
    archives.sort(key=os.fsencode)
    tables.sort(key=os.fsencode)
    return ArchiveFolder(folder, tuple(archives), tuple(tables), dict(skipped))


def extract_folder(
    found: ArchiveFolder,
    folder: Path,
    *,
    why_no_film: Callable[[str, bytes], str],
    limits: ArchiveLimits | None = None,
    progress: Progress = SILENT,
) -> Extracted:
    """Write the films and tables of a folder's archives, and the tables beside them, into another.

    Parameters
    ----------
    found : ArchiveFolder
    folder, why_no_film, limits, progress
        As `archives.extract_films` takes them; the limits hold for all archives together.

    Returns
    -------
    Extracted
        Each archive is unpacked into a folder of its name without suffix.

    Raises
    ------
    InputError
        As `archives.extract_films`, naming the archive. What was written until then is the caller's
        to remove.
    """
    limits = limits or ArchiveLimits()
    budget = Budget("", 0, limits)
    at = ""
    try:
        with progress.stage("unpacking", None) as stage:
            work = Unpacking(folder, why_no_film, budget, limits, stage)
            for at in found.archives:
                path, parts = found.folder / at, tuple(at.split("/"))
                budget.next(at, path.stat().st_size)
                work.archive(path, (*parts[:-1], stem_of(parts[-1])), 0)
            for at in found.tables:
                work.loose(found.folder / at, tuple(at.split("/")))
    except OSError as error:
        raise InputError(
            f"{quoted(at)} cannot be unpacked or copied: {error.strerror or error}.",
            "Look for room where it is unpacked, and for its permissions.",
        ) from None
    made = work.result()
    skipped = Counter(made.skipped) + Counter(found.skipped)
    return Extracted(made.films, made.tables, made.archives, dict(sorted(skipped.items())))


def _why_no_file(path: str) -> str:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return DANGLING
    return "" if stat.S_ISREG(mode) else why_no_file(mode)
