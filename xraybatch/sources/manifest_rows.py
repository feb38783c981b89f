"""The rows of a manifest: its columns, items as columns and back, and the digest of all of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

from xraybatch.sources.item import Item
from xraybatch.sources.keys import ENCODED, order_key

if TYPE_CHECKING:
    import pyarrow as pa


class Whole:
    """The digest of items as they come; it refuses those that are out of order."""

    def __init__(self) -> None:
        self.films = 0
        self._last: bytes | None = None
        self._digest = hashlib.sha256()

    def add(self, items: Sequence[Item]) -> None:
        """Take the next items; `ValueError` if their keys do not rise."""
        for item in items:
            key = order_key(item.key)
            if self._last is not None and key <= self._last:
                raise ValueError(f"items out of order: '{item.key}'")
            self._last = key
            # lengths, so that no two lists of items give the same bytes
            rest = (_place(item).encode(), _member(item), item.etag.encode())
            numbers = (len(key), *map(len, rest), item.size, item.mtime_ns)
            self._digest.update(b"%d %d %d %d %d %d\n" % numbers)
            self._digest.update(b"".join((key, *rest)))
        self.films += len(items)

    def digest(self) -> str:
        """64 hexadecimal digits."""
        return self._digest.hexdigest()


def schema() -> pa.Schema:
    """The columns; no cell is empty."""
    import pyarrow as pa

    text, number = pa.string(), pa.int64()
    types = {"path": text, "place": text, "size": number, "mtime_ns": number}
    types |= {"member": pa.binary(), "etag": text}
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])


def columns(items: Sequence[Item]) -> dict[str, list[Any]]:
    """Items as columns."""
    return {
        "path": [item.key for item in items],
        "place": [_place(item) for item in items],
        "size": [item.size for item in items],
        "mtime_ns": [item.mtime_ns for item in items],
        "member": [_member(item) for item in items],
        "etag": [item.etag for item in items],
    }


def items_of(table: pa.Table) -> list[Item]:
    """The way back."""
    cells = (table.column(name).to_pylist() for name in schema().names)
    return [
        Item(key, _opened(place), size, mtime_ns, member.decode(errors="surrogatepass"), etag)
        for key, place, size, mtime_ns, member, etag in zip(*cells, strict=True)
    ]


def _member(item: Item) -> bytes:
    return item.member.encode(errors="surrogatepass")


def _place(item: Item) -> str:
    """What to open, absolute, as text; a name that is no UTF-8 is percent-encoded."""
    if item.is_remote:
        return item.path
    place = os.path.abspath(item.path)  # noqa: PTH100 - a million times
    try:
        place.encode()
    except UnicodeEncodeError:
        return ENCODED + quote(os.fsencode(place))
    return place


def _opened(place: str) -> str:
    """The way back; an absolute path begins otherwise."""
    if not place.startswith(ENCODED):
        return place
    return os.fsdecode(unquote_to_bytes(place[len(ENCODED) :]))
