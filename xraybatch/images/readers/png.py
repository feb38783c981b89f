"""PNG, decoded by Pillow from a copy that holds nothing but the picture.

Pillow alone loses a good film behind a text chunk that unpacks to 100 MB, reads over a wrong check
sum, and fills missing rows with black. So the chunks are walked here: check sums of the critical
ones are compared, text and profiles are stepped over unread, and only what makes the picture is
handed on.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, Limits, StoredImage
from xraybatch.images.readers.magic import PNG
from xraybatch.images.readers.raster import (
    READER,
    check_cost,
    check_frame,
    exif_orientation,
    stored_values,
)

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type → samples a pixel
_DEPTHS = frozenset(
    {(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8)}
    | {(4, 8), (4, 16), (6, 8), (6, 16)}
)
_KEPT = (b"PLTE", b"tRNS", b"sBIT", b"eXIf")
_SMALL = 1 << 20  # no chunk of _KEPT is larger in a sane file
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_PASSES = (*_ADAM7, (0, 1, 1, 2))  # first column, first row, columns apart, rows apart


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode the picture; animation beyond the first frame is not read."""
    check_frame(frame, 1)
    chunks = _walk(file, limits)
    header = chunks.header
    with PngImageFile(io.BytesIO(chunks.picture())) as image:
        values = stored_values(image)
    if header.interlaced or not values[-1].any():  # what is missing would be black at the end
        _check_rows(header, chunks.data)
    notes = []
    if header.depth == 16 and header.colour != 0:
        notes.append("16-bit colour was read with 8 bits a sample.")
    return StoredImage(
        array=values,
        hints=DisplayHints(
            bits_stored=_declared_depth(values, chunks.small.get(b"sBIT")),
            orientation=exif_orientation(chunks.small.get(b"eXIf")),
        ),
        format="PNG",
        reader=READER,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    def raw_bytes(self) -> int:
        """What the rows take when unpacked: a filter byte and the samples each."""
        bits = self.depth * _SAMPLES[self.colour]
        passes = _PASSES if self.interlaced else ((0, 0, 1, 1),)
        total = 0
        for left, top, across, down in passes:
            columns = -((left - self.width) // across)
            rows = -((top - self.height) // down)
            if columns > 0 and rows > 0:
                total += rows * (1 + (columns * bits + 7) // 8)
        return total


@dataclass(frozen=True)
class _Chunks:
    header: _Header
    header_bytes: bytes
    small: dict[bytes, bytes]
    data: bytes

    def picture(self) -> bytes:
        """A PNG of the critical chunks alone, its pixel data in one chunk."""
        parts = [(b"IHDR", self.header_bytes)]
        parts += [(kind, self.small[kind]) for kind in (b"PLTE", b"tRNS") if kind in self.small]
        parts += [(b"IDAT", self.data), (b"IEND", b"")]
        return PNG + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in parts
        )


def _walk(file: BinaryIO, limits: Limits) -> _Chunks:
    end = file.seek(0, io.SEEK_END)
    file.seek(len(PNG))
    header: _Header | None = None
    header_bytes = b""
    small: dict[bytes, bytes] = {}
    data: list[bytes] = []
    budget = limits.max_bytes
    while True:
        start = file.read(8)
        if len(start) < 8:
            raise _cut("it ends before its last chunk")
        length, kind = struct.unpack(">I4s", start)
        if kind == b"IEND":
            break
        if file.tell() + length + 4 > end:
            raise _cut(f"it ends inside a chunk {kind.decode('latin-1')}")
        if (header is None) != (kind == b"IHDR"):
            raise FilmError(FilmStatus.CORRUPT, "The PNG has no header, or two.")
        if kind == b"IDAT":
            budget -= length
            if budget < 0:
                raise FilmError(
                    FilmStatus.TOO_LARGE,
                    f"The PNG's packed pixels take more than {limits.max_bytes} bytes.",
                )
            data.append(_checked(file, kind, length))
        elif kind == b"IHDR":
            if length != 13:
                raise FilmError(FilmStatus.CORRUPT, "The PNG's header has a wrong length.")
            header_bytes = _checked(file, kind, length)
            header = _parse(header_bytes)
            check_cost(
                *(header.height, header.width, _SAMPLES[header.colour]),
                *((header.depth + 7) // 8, limits),
            )
        elif kind in _KEPT and length <= _SMALL:
            small[kind] = _checked(file, kind, length)
        else:  # text, profiles, times: nothing of them is shown
            file.seek(length + 4, io.SEEK_CUR)
    if header is None:
        raise FilmError(FilmStatus.CORRUPT, "The PNG has no header.")
    if not data:
        raise _cut("it has no pixel data")
    return _Chunks(header, header_bytes, small, b"".join(data))


def _checked(file: BinaryIO, kind: bytes, length: int) -> bytes:
    body = file.read(length)
    if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(file.read(4), "big"):
        raise FilmError(
            FilmStatus.CORRUPT,
            f"The PNG is damaged: the check sum of a chunk {kind.decode('latin-1')} is wrong.",
        )
    return body


def _parse(body: bytes) -> _Header:
    width, height, depth, colour, packing, filtering, interlace = struct.unpack(">IIBBBBB", body)
    if (colour, depth) not in _DEPTHS or packing or filtering or interlace > 1:
        raise FilmError(FilmStatus.CORRUPT, "The PNG's header has values that PNG does not know.")
    return _Header(width, height, depth, colour, bool(interlace))


def _check_rows(header: _Header, data: bytes) -> None:
    expected = header.raw_bytes()
    unpacker = zlib.decompressobj()
    found = 0
    while data and found < expected and not unpacker.eof:
        found += len(unpacker.decompress(data, 1 << 20))
        data = unpacker.unconsumed_tail
    if found < expected:
        raise _cut("rows of pixels are missing")


def _declared_depth(values: NDArray[Any], declared: bytes | None) -> int | None:
    """The depth that sBIT declares, where the values use the low bits only.

    PNG wants samples scaled up to the full depth, and sBIT to say how many bits mean something.
    Many writers leave a 12-bit film in the low bits. It is one of those if nothing lies above the
    declared depth and the lowest bits, which scaling would have left empty, are in use.
    """
    if not declared or values.ndim != 2 or values.dtype != np.uint16 or not 1 <= declared[0] < 16:
        return None
    used = int(np.bitwise_or.reduce(values, axis=None))
    spare = 16 - declared[0]
    low = used & ((1 << spare) - 1)
    return declared[0] if low and used >> declared[0] == 0 else None


def _cut(why: str) -> FilmError:
    return FilmError(FilmStatus.TRUNCATED, f"The PNG is cut short: {why}.")
