"""`discover`: which files are films, found once, in one order, nothing left out unsaid.

A film is a regular file (or a link to one) whose suffix is a reader's or image-like, or whose first
bytes a reader recognises, or which a person named. The rest is skipped and counted by reason.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.progress import SILENT, Progress
from xraybatch.sources.archives.zip_films import Listing, films_of_zip, is_zip, recognised
from xraybatch.sources.arguments import expanded
from xraybatch.sources.elsewhere import Elsewhere
from xraybatch.sources.fetch import IoOptions
from xraybatch.sources.item import (
    DANGLING,
    FOLDER,
    HEAD,
    HIDDEN,
    IMAGE_LIKE,
    LOOP,
    MACOSX,
    NO_ACCESS,
    NO_FILM,
    NO_LOOK,
    ZIP_ARCHIVE,
    Item,
    is_remote,
    why_no_file,
)
from xraybatch.sources.items import Items
from xraybatch.sources.keys import joined, key_of


@dataclass(frozen=True)
class Discovery:
    """What was found.

    Attributes
    ----------
    items : Items
        In the order of their keys' UTF-8 bytes.
    skipped : mapping of str to int
        How many files and folders were left out, by reason.
    signed : mapping of str to str
        What is to be asked for a path that was shortened by its signature.
    """

    items: Items
    skipped: Mapping[str, int]
    signed: Mapping[str, str] = field(default_factory=dict)


def discover(
    arguments: Sequence[str | Path],
    *,
    suffixes: frozenset[str],
    sniffers: Sequence[Callable[[bytes], bool]],
    archives: bool = False,
    progress: Progress = SILENT,
    io: IoOptions | None = None,
) -> Discovery:
    """Find the films that the arguments of a command mean.

    Parameters
    ----------
    arguments : sequence of str or Path
        Folders (read with all below them), files, globs that no shell expanded, and ``@list``: a
        UTF-8 file with one path a line, relative to the current folder. With `io` addresses too.
    suffixes : frozenset of str
        Those of the readers, lower case with the dot.
    sniffers : sequence of callable
        Those of the readers, for files with another suffix or none.
    archives : bool
        Take the films of ZIP archives that a person named; else those are files as any.
    progress : Progress
        Told while a large archive or a store is listed.
    io : IoOptions, optional
        How addresses are asked; None: they are refused.

    Returns
    -------
    Discovery
        Without items if nothing is a film; that is for the caller to judge.

    Raises
    ------
    InputError
        If an argument does not exist, a glob or list finds nothing, a folder that was named cannot
        be read, or two items would have one key.
    XraybatchError
        If what is at an address cannot be listed.
    """
    typed = [os.fspath(argument) for argument in arguments]
    with Listing(progress) as listing:
        walk = _Walk(suffixes | IMAGE_LIKE, sniffers, listing if archives else None)
        with Elsewhere(
            *(io, progress, walk.is_called_film, walk.sniffed, walk.skipped)
        ) as elsewhere:
            if len(typed) == 1 and os.path.isdir(typed[0]):  # noqa: PTH112 - never raises
                walk.folder(typed[0], "")
            else:
                for path, listed in expanded(typed):
                    if is_remote(path) and not os.path.lexists(path):
                        alone = len(typed) == 1 and not listed
                        walk.items.extend(elsewhere.films(path, alone=alone, listed=listed))
                    else:
                        walk.named(path)
    walk.items.sort()
    _check_keys(walk.items)
    return Discovery(walk.items, dict(sorted(walk.skipped.items())), elsewhere.signed)


class _Walk:
    """Collects items and counts what it leaves out."""

    def __init__(
        self,
        suffixes: frozenset[str],
        sniffers: Sequence[Callable[[bytes], bool]],
        listing: Listing | None,
    ) -> None:
        self.items = Items()
        self.skipped: Counter[str] = Counter()
        self._suffixes = suffixes
        self._sniffers = sniffers
        self._listing = listing  # of archives, where they are taken

    def named(self, path: str) -> None:
        """Take what a person named: a folder's films, or the file whatever it is."""
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:  # a dangling link, or a listed file that is gone: its row will say so
            self.items.append(Item(key_of(path), path, 0, 0))
            return
        if stat.S_ISDIR(status.st_mode):
            self.folder(path, path)
        elif self._listing and stat.S_ISREG(status.st_mode) and is_zip(path):
            listing = (path, status, self._no_member, self.skipped, self._listing)
            self.items.extend(films_of_zip(*listing))
        else:
            self.items.append(Item(key_of(path), path, status.st_size, status.st_mtime_ns))

    def folder(self, path: str, base: str) -> None:
        """Read a folder and all below it; `base` is what its items' keys begin with."""
        seen: set[tuple[int, int]] = set()
        linked = [(path, base)]
        # Real folders first, links to folders after them in order: so what lies in the tree is
        # called by its own name, whatever links point at it.
        while linked:
            pending = [linked.pop(0)]
            while pending:
                place, inner = pending.pop()
                try:
                    if self._is_new(place, seen):
                        folders, links = self._read(place, inner)
                        pending += folders
                        linked += links
                except OSError as error:
                    self._locked(place, error, is_argument=place == path)
            linked.sort(key=lambda pair: os.fsencode(pair[1]))

    def _locked(self, place: str, error: OSError, *, is_argument: bool) -> None:
        if is_argument:
            raise InputError(
                f"The folder '{place}' cannot be read: {error.strerror}.",
                "Ask for its permissions.",
            ) from None
        self.skipped[NO_ACCESS] += 1

    def _is_new(self, place: str, seen: set[tuple[int, int]]) -> bool:
        status = os.stat(place)  # noqa: PTH116
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            self.skipped[LOOP] += 1
            return False
        seen.add(identity)
        return True

    def _read(self, place: str, inner: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        folders: list[tuple[str, str]] = []
        links: list[tuple[str, str]] = []
        with os.scandir(place) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith("."):
                    self.skipped[HIDDEN] += 1
                elif name == MACOSX:
                    self.skipped[MACOSX] += 1
                elif _is_folder(entry):
                    if os.path.splitext(name)[1].lower() in self._suffixes:  # noqa: PTH122
                        self.skipped[FOLDER] += 1
                    target = links if entry.is_symlink() else folders
                    target.append((entry.path, joined(inner, name)))
                else:
                    self._file(entry, joined(inner, name))
        return folders, links

    def _file(self, entry: os.DirEntry[str], inner: str) -> None:
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - a million times
        try:
            status = entry.stat()
        except OSError:
            if suffix in self._suffixes:
                self.items.append(Item(key_of(inner), entry.path, 0, 0))
            else:
                self.skipped[DANGLING] += 1
            return
        if not stat.S_ISREG(status.st_mode):
            self.skipped[why_no_file(status.st_mode)] += 1
        elif self._listing and suffix == ".zip":
            self.skipped[ZIP_ARCHIVE] += 1
        elif not (why := "" if suffix in self._suffixes else self._no_film(entry.path)):
            self.items.append(Item(key_of(inner), entry.path, status.st_size, status.st_mtime_ns))
        else:
            self.skipped[why] += 1

    def _no_film(self, path: str) -> str:
        """Why a file without a film's suffix is none; empty where a reader recognises it."""
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123
                head = file.read(HEAD)
        except OSError:
            return NO_LOOK
        return self.sniffed(head)

    def _no_member(self, name: str, head: Callable[[], bytes]) -> str:
        """The same for a member of an archive."""
        return "" if self.is_called_film(name) else recognised(head, self.sniffed)

    def is_called_film(self, name: str) -> bool:
        """Whether a name's suffix is a film's."""
        return os.path.splitext(name)[1].lower() in self._suffixes  # noqa: PTH122 - a million times

    def sniffed(self, head: bytes) -> str:
        """Why what begins so is no film; empty where a reader recognises it."""
        known = bool(head) and any(_sniffs(sniff, head) for sniff in self._sniffers)
        return "" if known else NO_FILM


def _sniffs(sniff: Callable[[bytes], bool], head: bytes) -> bool:
    try:
        return sniff(head)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a stranger's reader that fails knows nothing of the file
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _check_keys(items: Items) -> None:
    for one, other in pairwise(items):
        if one.key == other.key:
            raise InputError(
                f"Two films would have the same name '{one.key}': '{one.path}' and '{other.path}'.",
                "Name each file once, or the folder above them.",
            )
