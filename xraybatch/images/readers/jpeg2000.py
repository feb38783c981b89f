"""JPEG 2000, decoded by OpenJPEG through Pillow.

Pillow shifts 9 to 15 bits up to 16, so that full white is no longer white. How many bits there are
is read from the codestream's header, and they are shifted back. Colour of more than 8 bits it
rounds to 8 without a bound, so that white turns black: those films are decoded by OpenJPEG itself.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, Limits, StoredImage
from xraybatch.images.readers.raster import (
    READER,
    check_cost,
    check_frame,
    check_image,
    stored_values,
)

_START = b"\xff\x4f\xff\x51"  # of a codestream: SOC, SIZ
_CODESTREAM = b"jp2c"
_MOST_COMPONENTS = 4
_OPENJPEG = "pylibjpeg-openjpeg"
_AS_STORED = ("sRGB", "monochrome", "unspecified", "unknown")
_SIZ = ">HHIIIIIIIIHB"  # length, capabilities, size and places, components, depth of the first


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode the whole picture; a cut one is an error, never a picture with a grey rest."""
    check_frame(frame, 1)
    siz = _read_siz(file)
    check_cost(siz.height, siz.width, siz.components, (siz.bits + 7) // 8, limits)
    file.seek(0)
    with Jpeg2KImageFile(file) as image:
        check_image(image, limits)
        values, reader = stored_values(image), READER
    if siz.bits > 8 and values.itemsize == 1:
        values, reader = _with_all_bits(file, siz)
    elif values.itemsize == 2 and siz.bits < 16:
        values = values >> (16 - siz.bits)
    return StoredImage(
        array=values,
        hints=DisplayHints(bits_stored=siz.bits if 8 < siz.bits < 16 else None),
        format="JPEG2000",
        reader=reader,
    )


def _with_all_bits(file: BinaryIO, siz: _Siz) -> tuple[NDArray[np.uint16], str]:
    """Decode colour again, which Pillow found whole, with all the bits there are."""
    if find_spec("openjpeg") is None:
        raise FilmError(
            FilmStatus.UNSUPPORTED,
            "Colour of more than 8 bits in JPEG 2000 needs a codec that is not installed: "
            "pip install 'xraybatch[dicom]'.",
        )
    import openjpeg

    file.seek(0)
    data = file.read()
    if not siz.alike or openjpeg.get_parameters(data)["colourspace"] not in _AS_STORED:
        raise FilmError(
            FilmStatus.UNSUPPORTED,
            "The JPEG 2000 has colour of more than 8 bits that is signed, of several sizes or "
            "depths, or not red, green and blue.",
        )
    values: NDArray[np.uint16] = openjpeg.decode(data)
    if siz.components in (2, 4) and siz.bits < 16:  # alpha is out of the whole range of its type
        full = (1 << siz.bits) - 1
        values[..., -1] = values[..., -1].astype(np.uint32) * 65535 // full
    return values, f"{_OPENJPEG} {version(_OPENJPEG)}"


@dataclass(frozen=True)
class _Siz:
    """What the codestream says of itself; its frame may say otherwise."""

    height: int
    width: int
    components: int
    bits: int
    alike: bool  # its components: unsigned, of one depth and of the picture's size


def _read_siz(file: BinaryIO) -> _Siz:
    _find_codestream(file)
    body = file.read(struct.calcsize(_SIZ))
    if len(body) < struct.calcsize(_SIZ):
        raise _cut()
    _, _, right, bottom, left, top, *_, components, depth = struct.unpack(_SIZ, body)
    others = file.read(2 + 3 * (components - 1)) if components <= _MOST_COMPONENTS else b""
    alike = others == bytes((1, 1)) + bytes((depth, 1, 1)) * (components - 1) and depth < 0x80
    return _Siz(bottom - top, right - left, components, (depth & 0x7F) + 1, alike)


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
