"""JPEG 2000, decoded by OpenJPEG through Pillow.

Pillow shifts 9 to 15 bits up to 16, so that full white is no longer white. How many bits there are
is read from the codestream's header, and they are shifted back.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, Limits, StoredImage
from xraybatch.images.readers.raster import (
    EIGHT_OF_SIXTEEN,
    READER,
    check_cost,
    check_frame,
    check_image,
    stored_values,
)

_START = b"\xff\x4f\xff\x51"  # of a codestream: SOC, SIZ
_CODESTREAM = b"jp2c"
_SIZ = ">HHIIIIIIIIHB"  # length, capabilities, size and places, components, depth of the first


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode the whole picture; a cut one is an error, never a picture with a grey rest."""
    check_frame(frame, 1)
    siz = _read_siz(file)
    check_cost(siz.height, siz.width, siz.components, (siz.bits + 7) // 8, limits)
    file.seek(0)
    with Jpeg2KImageFile(file) as image:
        check_image(image, limits)
        values = stored_values(image)
    bits = None
    if values.itemsize == 2 and siz.bits < 16:
        values, bits = values >> (16 - siz.bits), siz.bits
    return StoredImage(
        array=values,
        hints=DisplayHints(bits_stored=bits),
        format="JPEG2000",
        reader=READER,
        notes=(EIGHT_OF_SIXTEEN,) if siz.bits > 8 and values.itemsize == 1 else (),
    )


@dataclass(frozen=True)
class _Siz:
    """What the codestream says of itself; its frame may say otherwise."""

    height: int
    width: int
    components: int
    bits: int


def _read_siz(file: BinaryIO) -> _Siz:
    _find_codestream(file)
    body = file.read(struct.calcsize(_SIZ))
    if len(body) < struct.calcsize(_SIZ):
        raise _cut()
    _, _, right, bottom, left, top, *_, components, depth = struct.unpack(_SIZ, body)
    return _Siz(bottom - top, right - left, components, (depth & 0x7F) + 1)


def _find_codestream(file: BinaryIO) -> None:
    """Go behind the codestream's first two markers, over the boxes before it if there are any."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(4) == _START:
        return
    place = 0
    while place < end:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            raise _cut()
        length, kind = struct.unpack(">I4s", head)
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if kind == _CODESTREAM:
            if (start := file.read(4)) == _START:
                return
            if len(start) < 4:
                raise _cut()
            break
        if length < 8:  # 0: the box reaches to the end, so none follows
            break
        place += length
    if place >= end:
        raise _cut()
    raise FilmError(FilmStatus.CORRUPT, "The JPEG 2000 holds no picture.")


def _cut() -> FilmError:
    return FilmError(FilmStatus.TRUNCATED, "The JPEG 2000 is cut short: it ends in its header.")
