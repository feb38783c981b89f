"""The pages of a TIFF: where each is described, and a view of the file that begins with one.

Pillow walks to a page from the first, which for all pages of a long file takes the square of their
number; and it keeps the picture of the page before. libtiff walks through all of them for each. A
view in which the header points at the page that is wanted is a TIFF of its own: nothing of another
page is looked at.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO, Literal, NamedTuple

_BIG = 43  # the version of BigTIFF, whose places have 8 bytes
_FURTHEST = 1 << 62  # where a seek is still possible
_COPIED = 64 << 20  # bytes of a file that is held in memory


class Page(NamedTuple):
    """Where a page is described, and where it says which is the next."""

    place: int
    following: int


def find_pages(file: BinaryIO) -> list[Page]:
    """The pages in order; none where the file ends before the first.

    A page that was met already, or one that lies outside the file, ends the list.
    """
    order, big = _kind(file)
    pages: dict[int, Page] = {}
    at = int.from_bytes(file.read(8 if big else 4), order)
    while at and at not in pages and at < _FURTHEST:
        file.seek(at)
        count = file.read(8 if big else 2)
        entries = int.from_bytes(count, order) * (20 if big else 12)
        pages[at] = Page(at, at + len(count) + entries)
        if len(count) < (8 if big else 2) or entries > _FURTHEST:
            break
        file.seek(entries, io.SEEK_CUR)
        following = file.read(8 if big else 4)
        if len(following) < (8 if big else 4):
            break
        at = int.from_bytes(following, order)
    return list(pages.values())


class Pages:
    """The pages of an open TIFF, each as a file that begins with it.

    Parameters
    ----------
    file : BinaryIO
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pages = find_pages(file)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        self._copy = bytearray(file.read()) if size <= _COPIED and len(self) > 1 else None
        self._undo: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._pages)

    def first(self, number: int) -> PageFirst:
        """The file as if it began with this page; what was handed out before is void."""
        order, big = _kind(self._file)
        page = self._pages[number]
        self._file.seek(0)
        head = self._file.read(8 if big else 4) + page.place.to_bytes(8 if big else 4, order)
        if self._copy is not None:
            for at, bytes_there in self._undo:
                self._copy[at : at + len(bytes_there)] = bytes_there
            # and as if it ended with it: libtiff looks through all pages for one
            changes = [(page.following, bytes(8 if big else 4)), (0, head)]
            changes = [(at, new) for at, new in changes if at + len(new) <= len(self._copy)]
            self._undo = [(at, bytes(self._copy[at : at + len(new)])) for at, new in changes]
            for at, new in changes:
                self._copy[at : at + len(new)] = new
        return PageFirst(self._file, head, self._copy)


class PageFirst:
    """A TIFF that begins with one of its pages; everything else of the file as it is.

    Parameters
    ----------
    file : BinaryIO
    head : bytes
        What stands in place of the file's first bytes.
    copy : bytearray or None
        The same in memory, which libtiff is handed; None: it is handed the file itself.
    """

    def __init__(self, file: BinaryIO, head: bytes, copy: bytearray | None) -> None:
        self._file, self._head, self._copy = file, head, copy

    def read(self, size: int = -1, /) -> bytes:
        """Read as the file does, but for the place of the first page."""
        at = self._file.tell()
        found = self._file.read(size)
        if at < len(self._head):
            found = self._head[at : at + len(found)] + found[len(self._head) - at :]
        return found

    def fileno(self) -> int:
        """The file's, unless there is a copy."""
        if self._copy is not None:
            raise io.UnsupportedOperation("it is read from memory")
        return self._file.fileno()

    def __getattr__(self, name: str) -> Any:
        if name == "getvalue" and self._copy is not None:
            return lambda: self._copy
        return getattr(self._file, name)


def _kind(file: BinaryIO) -> tuple[Literal["little", "big"], bool]:
    """The order of bytes, and whether it is a BigTIFF; the file stands at the first place then."""
    file.seek(0)
    head = file.read(4)
    big = len(head) == 4 and head[2] == _BIG
    if big:
        file.seek(8)
    return ("little" if head[:2] == b"II" else "big"), big
