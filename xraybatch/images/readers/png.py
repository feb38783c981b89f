"""PNG: its chunks are walked here, its pixels unpacked by Pillow.

Pillow alone loses a good film behind a text chunk that unpacks to 100 MB, and reads over a wrong
check sum. So check sums of the critical chunks are compared, text and profiles are stepped over
unread, and only what makes the picture is handed on.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, Limits, StoredImage
from xraybatch.images.readers.magic import PNG
from xraybatch.images.readers.png_pixels import SAMPLES, Header, unpack
from xraybatch.images.readers.raster import READER, check_cost, check_frame, exif_orientation

_DEPTHS = frozenset(
    {(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8)}
    | {(4, 8), (4, 16), (6, 8), (6, 16)}
)
_KEPT = (b"PLTE", b"tRNS", b"sBIT", b"eXIf")
_SMALL = 1 << 20  # no chunk of _KEPT is larger in a sane file


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode the picture; animation beyond the first frame is not read."""
    check_frame(frame, 1)
    chunks = _walk(file, limits)
    values = unpack(chunks.header, chunks.small, chunks.data)
    return StoredImage(
        array=values,
        hints=DisplayHints(
            bits_stored=_declared_depth(values, chunks.header, chunks.small.get(b"sBIT")),
            orientation=exif_orientation(chunks.small.get(b"eXIf")),
        ),
        format="PNG",
        reader=READER,
    )


@dataclass(frozen=True)
class _Chunks:
    header: Header
    small: dict[bytes, bytes]
    data: bytes


def _walk(file: BinaryIO, limits: Limits) -> _Chunks:
    end = file.seek(0, io.SEEK_END)
    file.seek(len(PNG))
    header: Header | None = None
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
            header = _parse(_checked(file, kind, length))
            check_cost(
                *(header.height, header.width, SAMPLES[header.colour]),
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
    return _Chunks(header, small, b"".join(data))


def _checked(file: BinaryIO, kind: bytes, length: int) -> bytes:
    body = file.read(length)
    if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(file.read(4), "big"):
        raise FilmError(
            FilmStatus.CORRUPT,
            f"The PNG is damaged: the check sum of a chunk {kind.decode('latin-1')} is wrong.",
        )
    return body


def _parse(body: bytes) -> Header:
    width, height, depth, colour, packing, filtering, interlace = struct.unpack(">IIBBBBB", body)
    if (colour, depth) not in _DEPTHS or packing or filtering or interlace > 1:
        raise FilmError(FilmStatus.CORRUPT, "The PNG's header has values that PNG does not know.")
    return Header(width, height, depth, colour, bool(interlace))


def _declared_depth(values: NDArray[Any], header: Header, declared: bytes | None) -> int | None:
    """The depth that sBIT declares; None where it is silent or the film has 8 bits.

    PNG wants samples scaled up to the full depth, and sBIT to say how many bits mean something.
    Many writers leave a 12-bit film in the low bits. It is one of those if nothing lies above the
    declared depth and the lowest bits, which scaling would have left empty, are in use.
    """
    colours = 3 if header.colour in (2, 6) else 1
    if values.dtype != np.uint16 or not declared or len(declared) < colours:
        return None
    bits = max(declared[:colours])
    if not 1 <= bits <= 16:
        return None
    shown = values[:, :, :colours] if values.ndim == 3 else values
    used = int(np.bitwise_or.reduce(shown, axis=None))
    low = used & ((1 << (16 - bits)) - 1)
    return bits if low and used >> bits == 0 else 16


def _cut(why: str) -> FilmError:
    return FilmError(FilmStatus.TRUNCATED, f"The PNG is cut short: {why}.")
