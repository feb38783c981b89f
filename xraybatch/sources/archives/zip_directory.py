"""The directory at the end of a ZIP archive, read entry by entry: a million cost no memory.

The standard library loads all entries at once, with several objects each, and refuses an archive
for one name that it cannot decode. Nothing here is believed that reading a member would not check.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from xraybatch.core.zipped import ZipPlace

_ENTRY = struct.Struct("<4s4s4H3I5H2I")  # up to the name
_ENTRY_MARK, _END_MARK, _WIDE_END_MARK = b"PK\1\2", b"PK\5\6", b"PK\6\6"
_END, _WIDE_END, _WIDE_LOCATOR = 22, 56, 20  # bytes
_LONGEST_COMMENT = 1 << 16
_WIDE = 0xFFFFFFFF  # a number that stands in the extra field, with 8 bytes
_WIDE_EXTRA = 1
_UTF8 = 0x800
_BLOCK = 1 << 20


class Broken(Exception):
    """The directory is not there, or not what its end says."""


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """What the directory says of a member.

    Attributes
    ----------
    name : str
        As the archive has it; bytes that are no UTF-8 where they should be are surrogates.
    mode : int
        Kind and permissions as Unix writes them; 0 where another system wrote it.
    place : ZipPlace
    """

    name: str
    mode: int
    place: ZipPlace


@dataclass(frozen=True)
class Directory:
    """Where the directory lies.

    Attributes
    ----------
    start, length : int
        In bytes.
    shift : int
        Bytes that stand before the archive, as of one that unpacks itself.
    count : int
        Entries, as it says; not to be relied on.
    """

    start: int
    length: int
    shift: int
    count: int


def find_directory(file: BinaryIO, size: int) -> Directory:
    """Find the directory of an archive of `size` bytes.

    Raises
    ------
    Broken
        If there is none.
    """
    begin = max(0, size - _LONGEST_COMMENT - _END - _WIDE_LOCATOR - _WIDE_END)
    file.seek(begin)
    tail = file.read()
    at = tail.rfind(_END_MARK)
    if at < 0 or at + _END > len(tail):
        raise Broken("its directory is not there")
    count, length, offset = struct.unpack("<HII", tail[at + 10 : at + 20])
    end = begin + at
    wide = at - _WIDE_LOCATOR - _WIDE_END
    if wide >= 0 and tail[wide : wide + 4] == _WIDE_END_MARK:
        count, length, offset = struct.unpack("<QQQ", tail[wide + 32 : wide + 56])
        end = begin + wide
    start = end - length
    if start < 0 or start < offset:
        raise Broken("its directory does not fit into it")
    return Directory(start, length, start - offset, count)


def entries(file: BinaryIO, directory: Directory) -> Iterator[ZipEntry]:
    """The members, in the directory's order.

    Raises
    ------
    Broken
        If it is cut, or something else lies in it.
    """
    file.seek(directory.start)
    left, rest, at = directory.length, b"", 0
    while left or at < len(rest):
        if len(rest) - at < _ENTRY.size + 3 * 0xFFFF and left:
            block = file.read(min(_BLOCK, left))
            if not block:
                raise Broken("its directory is cut")
            left -= len(block)
            rest, at = rest[at:] + block, 0
            continue
        if len(rest) - at < _ENTRY.size:
            raise Broken("its directory is cut")
        numbers = _ENTRY.unpack_from(rest, at)
        if numbers[0] != _ENTRY_MARK:
            raise Broken("its directory holds something else")
        end = at + _ENTRY.size + sum(numbers[9:12])
        if end > len(rest):
            raise Broken("its directory is cut")
        yield _entry(numbers, rest[at + _ENTRY.size : end], directory.shift)
        at = end


def _entry(numbers: tuple[int, ...], texts: bytes, shift: int) -> ZipEntry:
    (_, _, flags, method, _, _, crc, packed, size, name_length, extra_length, *more) = numbers
    *_, attributes, offset = more
    raw = texts[:name_length]
    if _WIDE in (size, packed, offset):
        extra = texts[name_length : name_length + extra_length]
        size, packed, offset = _widened(extra, size, packed, offset)
    name = raw.decode(*(("utf-8", "surrogateescape") if flags & _UTF8 else ("cp437",)))
    place = ZipPlace(offset + shift, packed, size, crc, method, bool(flags & 1))
    return ZipEntry(name, attributes >> 16, place)


def _widened(extra: bytes, *numbers: int) -> list[int]:
    """Numbers of 8 bytes in place of those that do not fit into 4, where they are given."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, at)
        if tag == _WIDE_EXTRA:
            body = extra[at + 4 : at + 4 + length]
            found = iter(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
            return [next(found, n) if n == _WIDE else n for n in numbers]
        at += 4 + length
    return list(numbers)
