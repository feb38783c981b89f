"""A million items in little memory: each is a short byte string until it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from xraybatch.sources.item import Item

_END = b"\0"  # in no path; as the least of all bytes it makes the order that of the keys


class Items(Sequence[Item]):
    """Items in the order in which they came, or that of their keys.

    Objects of Python would take three times as much: of each item this keeps one byte string, and
    of its path only what its key does not say. Each access makes the `Item` anew.

    Parameters
    ----------
    items : iterable of Item
    """

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._packed: list[bytes] = []
        self._folders: dict[str, int] = {}  # what stands in front of the key in a path
        self._named: list[str] = []
        self.extend(items)

    def append(self, item: Item) -> None:
        """Add an item at the end."""
        key, path = item.key, item.path
        folder, rest = "", b""  # an empty rest: the path is the folder and the key
        if path.endswith(key):
            folder = path[: len(path) - len(key)]
        else:
            rest = os.fsencode(path)
        number = self._folders.setdefault(folder, len(self._named))
        if number == len(self._named):
            self._named.append(folder)
        member = item.member.encode(errors="surrogatepass") if item.member else b""
        numbers = b"%d %d %d" % (item.size, item.mtime_ns, number)
        etag = item.etag.encode()
        self._packed.append(b"%b\0%b\0%b\0%b\0%b" % (key.encode(), numbers, rest, etag, member))

    def extend(self, items: Iterable[Item]) -> None:
        """Add items at the end."""
        for item in items:
            self.append(item)

    def sort(self) -> None:
        """Put them into the order of their keys' UTF-8 bytes."""
        self._packed.sort()

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Item]:
        return map(self._item, self._packed)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self._item(packed) for packed in self._packed[index]]
        return self._item(self._packed[index])

    def _item(self, packed: bytes) -> Item:
        name, numbers, rest, etag, member = packed.split(_END, 4)
        key = name.decode()
        size, mtime_ns, number = map(int, numbers.split())
        path = os.fsdecode(rest) if rest else self._named[number] + key
        inside = member.decode(errors="surrogatepass")
        return Item(key, path, size, mtime_ns, inside, etag.decode())
