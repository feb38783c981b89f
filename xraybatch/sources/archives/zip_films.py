"""The films of a ZIP archive, where they lie: name, size and place of each, nothing unpacked."""

from __future__ import annotations

import os
import stat
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import BinaryIO

from xraybatch.core.errors import InputError
from xraybatch.core.progress import SILENT, Progress, Stage
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.core.zipped import BETWEEN, ZipPlace, refused_archive, unpacked
from xraybatch.sources.archives.budget import ArchiveLimits, Budget
from xraybatch.sources.archives.extract import ARCHIVES, FOREIGN
from xraybatch.sources.archives.members import ZIP, kind_of
from xraybatch.sources.archives.names import Nameless, Unsafe, quoted, safe_parts
from xraybatch.sources.archives.zip_directory import Broken, ZipEntry, entries, find_directory
from xraybatch.sources.item import HEAD, HIDDEN, MACOSX, NO_LOOK, Item
from xraybatch.sources.keys import key_of

INNER_ARCHIVE = "archive inside an archive"
LINK = "link inside an archive"
UNSAFE_NAME = "name inside an archive that leads out of it"
NUL_NAME = "name inside an archive with a zero byte"
NO_NAME = "file inside an archive without a name"
TWICE = "file inside an archive before a later one of the same name"

_MANY = 20_000  # entries, from which on listing them takes a while
_STEP = 1_000
_FOLDER = ("/", "\\")  # what the name of one ends with


def is_zip(path: str) -> bool:
    """Whether a regular file is called a ZIP archive, and is one."""
    if not path.lower().endswith(".zip"):
        return False
    try:
        return kind_of(Path(path)) == ZIP
    except (OSError, InputError):
        return False


class Listing:
    """Says how far the listing of large archives is; of small ones nothing. A context manager."""

    def __init__(self, progress: Progress = SILENT) -> None:
        self._progress = progress
        self._stage: Stage | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Listing:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def of(self, entries: Iterable[ZipEntry], count: int) -> Iterator[ZipEntry]:
        """The entries of an archive that says how many it has."""
        if count >= _MANY and self._stage is None:
            stage = self._progress.stage("listing", None, unit="files in archives")
            self._stage = self._opened.enter_context(stage)
        for number, entry in enumerate(entries, 1):
            yield entry
            if self._stage is not None and number % _STEP == 0:
                self._stage.advance(_STEP)


def films_of_zip(
    path: str,
    status: os.stat_result,
    why_no_film: Callable[[str, Callable[[], bytes]], str],
    skipped: Counter[str],
    listing: Listing,
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
    listing : Listing

    Returns
    -------
    list of Item
        The archive itself where it cannot be listed; its row then says why.
    """
    left_out: Counter[str] = Counter()
    try:
        with open(path, "rb") as file, open(path, "rb") as members:  # noqa: PTH123 - as typed
            films = _listed(path, status, why_no_film, left_out, listing, file, members)
    except (InputError, OSError, Broken) as error:
        why = error.message if isinstance(error, InputError) else _why_broken(path, error)
        place = refused_archive(FilmStatus.CORRUPT, why)
        return [Item(key_of(path), path, status.st_size, status.st_mtime_ns, place)]
    skipped.update(left_out)
    return films


def _listed(
    path: str,
    status: os.stat_result,
    why_no_film: Callable[[str, Callable[[], bytes]], str],
    skipped: Counter[str],
    listing: Listing,
    file: BinaryIO,
    members: BinaryIO,
) -> list[Item]:
    # for its entries; what they unpack to is bounded one by one, where they are read
    budget = Budget(Path(path).name, status.st_size, ArchiveLimits())
    directory = find_directory(file, status.st_size)
    packed, modified = 0, status.st_mtime_ns
    films: list[Item] = []
    numbers = array("L")  # of the entry that each film is
    for number, entry in enumerate(listing.of(entries(file, directory), directory.count)):
        budget.entry()
        at = entry.place
        packed += at.packed

        def head(at: ZipPlace = at) -> bytes:
            return next(unpacked(members, at), b"")[:HEAD]

        parts, why = _judged(entry)
        if entry.name.endswith(_FOLDER) and not why:
            continue
        why = why or why_no_film(parts[-1], head)
        if why:
            skipped[why] += 1
            continue
        key = key_of(f"{path}{BETWEEN}{'/'.join(parts)}")
        films.append(Item(key, path, at.size, modified, at.to_text()))
        numbers.append(number)
    if packed > status.st_size:
        raise InputError(
            f"The archive {quoted(budget.archive)} is refused: its entries overlap, as in "
            "archives that are made to fill a disk."
        )
    return _told_apart(films, numbers, lambda: entries(file, directory), skipped)


def _told_apart(
    films: list[Item],
    numbers: array[int],
    again: Callable[[], Iterable[ZipEntry]],
    skipped: Counter[str],
) -> list[Item]:
    """Films of which no two have one key.

    Of files with exactly one name the last one counts, as when an archive is unpacked. Names that
    differ in how they separate folders are files of their own: the one that is written as its key
    keeps it, the others have a number behind it.
    """
    order = sorted(range(len(films)), key=lambda i: films[i].key)
    twins = {
        i for a, b in pairwise(order) if films[a].key == films[b].key for i in (a, b)
    }  # usually none
    if not twins:
        return films
    wanted = {numbers[i]: i for i in twins}
    names = {wanted[n]: entry.name for n, entry in enumerate(again()) if n in wanted}
    groups: dict[str, dict[str, int]] = {}
    gone = set()
    for i in sorted(twins):
        group = groups.setdefault(films[i].key, {})
        if names[i] in group:
            gone.add(group.pop(names[i]))
        group[names[i]] = i
    keys = {film.key for film in films}
    for key, group in groups.items():
        # the one that is written with plain slashes, else the first
        plain = next((n for n in group if key.endswith(f"{BETWEEN}{n}")), next(iter(group)))
        suffixes = (f"#{n}" for n in count(2))
        for name, i in group.items():
            if name != plain:
                own = next(key + s for s in suffixes if key + s not in keys)
                keys.add(own)
                films[i] = replace(films[i], key=own)
    skipped[TWICE] += len(gone)
    if not gone:
        del skipped[TWICE]
    return [film for i, film in enumerate(films) if i not in gone]


def _why_broken(path: str, error: OSError | Broken) -> str:
    if isinstance(error, OSError):
        return f"It is {error.strerror}."
    return f"The archive {quoted(Path(path).name)} is broken or cut: {error}."


def recognised(head: Callable[[], bytes], sniffs: Callable[[bytes], str]) -> str:
    """Why a member without a film's suffix is none; empty where a reader recognises it."""
    try:
        return sniffs(head())
    except (FilmError, OSError):
        return NO_LOOK


def _judged(entry: ZipEntry) -> tuple[tuple[str, ...], str]:
    """The parts of a member's name, and why it is left out by its name or kind."""
    if "\0" in entry.name:
        return (), NUL_NAME
    try:
        parts = safe_parts(entry.name, written=False)
    except Nameless:
        return (), NO_NAME
    except Unsafe:
        return (), UNSAFE_NAME
    if stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return parts, LINK
    if MACOSX in parts:
        return parts, MACOSX
    if any(part.startswith(".") for part in parts):
        return parts, HIDDEN
    if not entry.name.endswith(_FOLDER) and parts[-1].lower().endswith((*ARCHIVES, *FOREIGN)):
        return parts, INNER_ARCHIVE
    return parts, ""
