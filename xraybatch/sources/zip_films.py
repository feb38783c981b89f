"""The films of a ZIP archive, where they lie: name, size and place of each, nothing unpacked."""

from __future__ import annotations

import os
import stat
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.core.zipped import BETWEEN, ZipPlace, refused_archive, unpacked
from xraybatch.sources.archives import ARCHIVES, FOREIGN
from xraybatch.sources.budget import ArchiveLimits, Budget
from xraybatch.sources.item import HEAD, HIDDEN, MACOSX, NO_LOOK, Item
from xraybatch.sources.keys import key_of
from xraybatch.sources.member_names import Unsafe, safe_parts
from xraybatch.sources.members import ZIP, broken_is_input_error, count_entries, entries_of, kind_of

INNER_ARCHIVE = "archive inside an archive"
LINK = "link inside an archive"
UNSAFE_NAME = "name inside an archive that leads out of it"


def is_zip(path: str) -> bool:
    """Whether a regular file is called a ZIP archive, and is one."""
    if not path.lower().endswith(".zip"):
        return False
    try:
        return kind_of(Path(path)) == ZIP
    except (OSError, InputError):
        return False


def films_of_zip(
    path: str,
    status: os.stat_result,
    why_no_film: Callable[[str, Callable[[], bytes]], str],
    skipped: Counter[str],
) -> list[Item]:
    """The films of an archive, in its order.

    Parameters
    ----------
    path : str
        As a person typed it.
    status : os.stat_result
        Of the archive.
    why_no_film : callable
        ``why_no_film(file name, read_head) -> reason``, empty for a film; ``read_head()`` gives the
        first 4 KiB.
    skipped : Counter
        Counts what is no film, by reason.

    Returns
    -------
    list of Item
        The archive itself where it cannot be listed; its row then says why.
    """
    try:
        # for its entries; what they unpack to is bounded one by one, where they are read
        budget = Budget(Path(path).name, status.st_size, ArchiveLimits())
        with broken_is_input_error(budget.archive):
            budget.expect(0, count_entries(Path(path)))
            with zipfile.ZipFile(path) as archive:
                entries = entries_of(archive, Path(path), budget)
    except (InputError, OSError) as error:
        why = error.message if isinstance(error, InputError) else f"It is {error.strerror}."
        place = refused_archive(FilmStatus.CORRUPT, why)
        return [Item(key_of(path), path, status.st_size, status.st_mtime_ns, place)]
    films = []
    with open(path, "rb") as file:  # noqa: PTH123 - as it was typed
        for entry in entries:
            at = _place(entry)

            def head(at: ZipPlace = at) -> bytes:
                return next(unpacked(file, at), b"")[:HEAD]

            parts, why = _judged(entry)
            if entry.is_dir() and not why:
                continue
            why = why or why_no_film(parts[-1], head)
            if why:
                skipped[why] += 1
                continue
            key = key_of(f"{path}{BETWEEN}{'/'.join(parts)}")
            films.append(Item(key, path, entry.file_size, status.st_mtime_ns, at.to_text()))
    return films


def recognised(head: Callable[[], bytes], sniffs: Callable[[bytes], str]) -> str:
    """Why a member without a film's suffix is none; empty where a reader recognises it."""
    try:
        return sniffs(head())
    except (FilmError, OSError):
        return NO_LOOK


def _judged(entry: zipfile.ZipInfo) -> tuple[tuple[str, ...], str]:
    """The parts of a member's name, and why it is left out by its name or kind."""
    # before a NUL was cut off
    name = entry.orig_filename if "\0" in entry.orig_filename else entry.filename
    try:
        parts = safe_parts(name)
    except Unsafe:
        return (), UNSAFE_NAME
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return parts, LINK
    if MACOSX in parts:
        return parts, MACOSX
    if any(part.startswith(".") for part in parts):
        return parts, HIDDEN
    is_archive = parts[-1].lower().endswith((*ARCHIVES, *FOREIGN)) and not entry.is_dir()
    return parts, INNER_ARCHIVE if is_archive else ""


def _place(entry: zipfile.ZipInfo) -> ZipPlace:
    return ZipPlace(
        offset=entry.header_offset,
        packed=entry.compress_size,
        size=entry.file_size,
        crc=entry.CRC,
        method=entry.compress_type,
        encrypted=bool(entry.flag_bits & 1),
    )
