"""The pages of a TIFF: where each is described, and a view of the file that begins with one.

Pillow walks to a page from the first, which for all pages of a long file takes the square of their
number; and it keeps the picture of the page before. A view in which the header points at the page
that is wanted is a TIFF of its own: nothing of another page is looked at.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO, Literal

_BIG = 43  # the version of BigTIFF, whose places have 8 bytes
_FURTHEST = 1 << 62  # where a seek is still possible


def page_places(file: BinaryIO) -> list[int]:
    """Where each page is described, in order; empty where the file ends before the first.

    A page that was met already, or one that lies outside the file, ends the list.
    """
    order, big = _kind(file)
    places: dict[int, None] = {}
    at = int.from_bytes(file.read(8 if big else 4), order)
    while at and at not in places and at < _FURTHEST:
        places[at] = None
        file.seek(at)
        count = file.read(8 if big else 2)
        entries = int.from_bytes(count, order) * (20 if big else 12)
        if len(count) < (8 if big else 2) or entries > _FURTHEST:
            break
        file.seek(entries, io.SEEK_CUR)
        following = file.read(8 if big else 4)
        if len(following) < (8 if big else 4):
            break
        at = int.from_bytes(following, order)
    return list(places)


class PageFirst:
    """A TIFF that begins with one of its pages; everything else of the file as it is.

    Parameters
    ----------
    file : BinaryIO
    place : int
        As `page_places` gives it.
    """

    def __init__(self, file: BinaryIO, place: int) -> None:
        order, big = _kind(file)
        file.seek(0)
        self._head = file.read(8 if big else 4) + place.to_bytes(8 if big else 4, order)
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """Read as the file does, but for the place of the first page."""
        at = self._file.tell()
        found = self._file.read(size)
        if at < len(self._head):
            found = self._head[at : at + len(found)] + found[len(self._head) - at :]
        return found

    def __getattr__(self, name: str) -> Any:
        # libtiff is handed the place of the page and the file itself
        return getattr(self._file, name)


def _kind(file: BinaryIO) -> tuple[Literal["little", "big"], bool]:
    """The order of bytes, and whether it is a BigTIFF; the file stands at the first place then."""
    file.seek(0)
    head = file.read(4)
    big = len(head) == 4 and head[2] == _BIG
    if big:
        file.seek(8)
    return ("little" if head[:2] == b"II" else "big"), big
