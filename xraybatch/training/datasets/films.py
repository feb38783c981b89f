"""The films of a folder, each looked at, and what an arrangement of them says."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xraybatch.extension.records import ImageReader
from xraybatch.extension.registry import registry
from xraybatch.sources.archives.extract import NOT_TEXT, TABLES
from xraybatch.sources.films import find_films
from xraybatch.sources.item import HEAD, IMAGE_LIKE, NO_FILM

EMPTY = "empty file"
LFS = "Git LFS pointer in place of a film"
UNKNOWN = "suffix of a film, but not its content"
UNREADABLE = "file that cannot be read"
_POINTER = b"version https://git-lfs"
_WRAPPERS = 4  # folders around a data set in which tables are looked for


@dataclass(frozen=True, slots=True)
class FilmFile:
    """A file that begins as a film does.

    Attributes
    ----------
    file : str
        What to open.
    inner : str
        Its path in the source, with ``/``.
    """

    file: str
    inner: str

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders that it lies in, the outermost first."""
        return tuple(self.inner.split("/")[:-1])


@dataclass(frozen=True)
class FilmFolder:
    """What lies in a folder.

    Attributes
    ----------
    folder : Path
    films : tuple of FilmFile
        In the order of their paths' bytes.
    tables : tuple of Path
        CSV and Parquet files in it, or in the folders that wrap all else.
    skipped : mapping of str to int
        Files that are no films, by reason.
    """

    folder: Path
    films: tuple[FilmFile, ...]
    tables: tuple[Path, ...]
    skipped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One film with what the source says of it; empty: nothing.

    Attributes
    ----------
    film : FilmFile
    labels : tuple of str
        One a task.
    split : str
        ``train``, ``val`` or ``test``, as distributed.
    patient, study : str
    more : tuple of str
        What else the source says, one of each of `Arrangement.columns`.
    """

    film: FilmFile
    labels: tuple[str, ...]
    split: str = ""
    patient: str = ""
    study: str = ""
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arrangement:
    """What the folders or a table of a source say.

    Attributes
    ----------
    form : str
        One of `options.FORMS`.
    sentence : str
        What was recognised.
    tasks : tuple of str
    rows : tuple of Row
    skipped : mapping of str to int
        Films that are in no row, by reason.
    notes : tuple of str
        What else a person should know.
    columns : tuple of str
        Names of what else the source says of each film.
    """

    form: str
    sentence: str
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def look_into(folder: Path) -> FilmFolder:
    """Find the films and tables of a folder; nothing is decoded.

    Raises
    ------
    InputError
        If there is no film at all, or the folder cannot be read.
    """
    found = find_films([folder])
    skipped = Counter(found.skipped)
    why_not = why_no_film()
    films = []
    for item in found.items:
        inner = os.path.relpath(item.path, folder).replace(os.sep, "/")
        if why := (why_file_is_none(item.path, why_not) if is_text(inner) else NOT_TEXT):
            skipped[why] += 1
        else:
            films.append(FilmFile(item.path, inner))
    tables = _tables(folder, _WRAPPERS)
    skipped[NO_FILM] -= len(tables)
    return FilmFolder(folder, tuple(films), tables, +skipped)


def why_no_film() -> Callable[[str, bytes], str]:
    """A function of a file's name and first bytes: why it is no film, empty where it is one."""
    readers = [owned.record for owned in registry().records(ImageReader)]
    suffixes = IMAGE_LIKE | {suffix for reader in readers for suffix in reader.suffixes}

    def why(name: str, head: bytes) -> str:
        suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a million times
        if head and any(_sniffs(reader.sniff, head) for reader in readers):
            return ""
        if suffix not in suffixes:
            return NO_FILM
        if not head:
            return EMPTY
        return LFS if head.startswith(_POINTER) else UNKNOWN

    return why


def why_file_is_none(path: str, why_not: Callable[[str, bytes], str]) -> str:
    """Why a file is no film, empty where it is one."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return why_not(path, file.read(HEAD))
    except OSError:
        return UNREADABLE


def is_text(name: str) -> bool:
    """Whether a name can be written down: it is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sniffs(sniff: Callable[[bytes], bool], head: bytes) -> bool:
    try:
        return sniff(head)
    except Exception:  # a stranger's reader that fails knows nothing of the file
        return False


def _tables(folder: Path, depth: int) -> tuple[Path, ...]:
    tables, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if entry.is_dir():
                folders.append(Path(entry.path))
            elif Path(entry.name).suffix.lower() in TABLES and entry.is_file():
                tables.append(Path(entry.path))
    deeper = _tables(folders[0], depth - 1) if len(folders) == 1 and depth else ()
    return (*sorted(tables), *deeper)
