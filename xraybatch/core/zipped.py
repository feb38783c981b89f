"""A file inside a ZIP archive, read where it lies: into memory, bounded, and checked to its end.

The place of a member is noted when the archive is listed, so that reading one of a million members
looks at no other. Nothing is written.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from xraybatch.core.status import FilmError, FilmStatus

STORED, DEFLATED = 0, 8
BETWEEN = "!/"  # an archive's name and a member's

_LOCAL_HEADER = 30  # bytes, before the name
_BLOCK = 1 << 20
_MOST_RATIO = 200  # bytes unpacked for each byte that is stored; films have 2 to 5
_NO_BOMB = 64 << 20  # bytes: what unpacks to less may have any ratio, as black films have
_REFUSED = "!"  # in front of why an archive as a whole cannot be read


@dataclass(frozen=True, slots=True)
class ZipPlace:
    """Where a member lies, as the archive's directory says.

    Attributes
    ----------
    offset : int
        Of its header in the archive.
    packed, size : int
        Bytes, packed and unpacked.
    crc : int
    method : int
        0 for stored, 8 for deflated; others are not read.
    encrypted : bool
    """

    offset: int
    packed: int
    size: int
    crc: int
    method: int
    encrypted: bool

    def to_text(self) -> str:
        """The place as one word."""
        numbers = (self.offset, self.packed, self.size, self.crc, self.method, int(self.encrypted))
        return "-".join(map(str, numbers))


def refused_archive(status: FilmStatus, why: str) -> str:
    """The place of an archive that cannot be listed: whoever reads it is told why."""
    return f"{_REFUSED}{status}:{why}"


def read_member(archive: str | os.PathLike[str], place: str, most: int) -> bytes:
    """The bytes of a member.

    Parameters
    ----------
    archive : path
    place : str
        As `ZipPlace.to_text` or `refused_archive` gives it.
    most : int
        Bytes that it may take.

    Raises
    ------
    FilmError
        ``unreadable`` where the archive is gone, ``unsupported`` for a member that is encrypted or
        packed in another way, ``too_large`` (also for what unpacks to 200 times its size, beyond
        64 MiB), ``truncated``, and ``corrupt`` where it is not what the directory or its check sum
        says. The first three are known from the directory, before anything is unpacked.
    """
    if place.startswith(_REFUSED):
        status, _, why = place[len(_REFUSED) :].partition(":")
        raise FilmError(FilmStatus(status), why)
    offset, packed, size, crc, method, encrypted = map(int, place.split("-"))
    at = ZipPlace(offset, packed, size, crc, method, bool(encrypted))
    if size > most or packed > most:
        raise FilmError(
            FilmStatus.TOO_LARGE,
            f"In its archive the film takes {max(size, packed):,} bytes, more than the limit of "
            f"{most:,}.",
        )
    if size > max(_NO_BOMB, _MOST_RATIO * packed):
        raise FilmError(
            FilmStatus.TOO_LARGE,
            f"In its archive the film's {packed:,} bytes unpack to {size:,}, more than "
            f"{_MOST_RATIO} times as many.",
        )
    content = io.BytesIO()  # which hands its bytes on without a copy
    sum_of_all = 0
    try:
        with open(archive, "rb") as file:  # noqa: PTH123 - a path of any kind
            for block in unpacked(file, at):
                content.write(block)
                sum_of_all = zlib.crc32(block, sum_of_all)
    except OSError as error:
        raise FilmError(
            FilmStatus.UNREADABLE, f"The archive cannot be read: {error.strerror}."
        ) from None
    if content.tell() < size:
        raise FilmError(FilmStatus.TRUNCATED, "The film is cut short in its archive.")
    if sum_of_all != crc:
        raise FilmError(FilmStatus.CORRUPT, "The film's check sum in its archive is wrong.")
    return content.getvalue()


def unpacked(file: BinaryIO, place: ZipPlace) -> Iterator[bytes]:
    """A member's bytes in blocks, never more than it announces.

    Raises
    ------
    FilmError
        As `read_member`, but for what only the end of a member tells.
    """
    if place.encrypted:
        raise FilmError(FilmStatus.UNSUPPORTED, "The film is encrypted in its archive.")
    if place.method not in (STORED, DEFLATED):
        raise FilmError(
            FilmStatus.UNSUPPORTED,
            f"The film is packed in its archive by method {place.method}, which is not read.",
        )
    try:
        file.seek(place.offset)
    except (OSError, OverflowError, ValueError):  # further than any file reaches
        header = b""
    else:
        header = file.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or not header.startswith(b"PK\3\4"):
        raise FilmError(FilmStatus.CORRUPT, "The archive's directory points at no file.")
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    left = place.size
    for block in _stored(file, place) if place.method == STORED else _inflated(file, place):
        left -= len(block)
        if left < 0:
            raise FilmError(
                FilmStatus.CORRUPT, "The film is larger than the archive's directory says."
            )
        yield block


def _stored(file: BinaryIO, place: ZipPlace) -> Iterator[bytes]:
    left = place.packed
    while left and (block := file.read(min(_BLOCK, left))):
        left -= len(block)
        yield block


def _inflated(file: BinaryIO, place: ZipPlace) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for packed in _stored(file, place):
            waiting = packed
            while waiting or not unpacker.eof:
                block = unpacker.decompress(waiting, _BLOCK)
                waiting = unpacker.unconsumed_tail
                if block:
                    yield block
                elif not waiting:
                    break
            if unpacker.eof:
                return
    except zlib.error:
        raise FilmError(FilmStatus.CORRUPT, "The film is damaged in its archive.") from None
