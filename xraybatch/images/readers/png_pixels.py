"""The pixels of a PNG, unpacked by Pillow from a copy that holds nothing but the picture.

Pillow keeps 8 of 16 bits where there is more than one channel, and leaves black what rows are
missing. Both are met without unpacking by hand. Colour of 16 bits is unpacked twice, for the high
bytes and for the low ones; grey with alpha of 16 bits lies in the file as colour with alpha of 8
bits does, and is unpacked as such. The picture is filled before, so that a row that nobody wrote is
seen.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.images.readers.magic import PNG
from xraybatch.images.readers.raster import stored_values

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type → samples a pixel
_COLOUR, _GREY_ALPHA, _COLOUR_ALPHA = 2, 4, 6
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_PASSES = (*_ADAM7, (0, 1, 1, 2))  # first column, first row, columns apart, rows apart
_END = b"\0\0\0\0IEND\xaeB`\x82"
_UNWRITTEN = 165  # fills the picture first: a grey that few last rows have throughout


@dataclass(frozen=True)
class Header:
    """What IHDR says."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    def packed(self, *, depth: int | None = None, colour: int | None = None) -> bytes:
        """IHDR's body, with another depth and colour type if given."""
        return struct.pack(
            ">IIBBBBB",
            *(self.width, self.height),
            *(self.depth if depth is None else depth, self.colour if colour is None else colour),
            *(0, 0, int(self.interlaced)),
        )

    def raw_bytes(self) -> int:
        """What the rows take when unpacked: a filter byte and the samples each."""
        bits = self.depth * SAMPLES[self.colour]
        passes = _PASSES if self.interlaced else ((0, 0, 1, 1),)
        total = 0
        for left, top, across, down in passes:
            columns = -((left - self.width) // across)
            rows = -((top - self.height) // down)
            if columns > 0 and rows > 0:
                total += rows * (1 + (columns * bits + 7) // 8)
        return total


def unpack(header: Header, small: Mapping[bytes, bytes], data: bytes) -> NDArray[Any]:
    """Unpack the pixels.

    Parameters
    ----------
    header : Header
    small : mapping of bytes to bytes
        The bodies of PLTE and tRNS, where there are any.
    data : bytes
        All IDAT bodies in one.

    Returns
    -------
    ndarray of bool, uint8 or uint16
        As `xraybatch.StoredImage` has it, with all bits that the file has.

    Raises
    ------
    FilmError
        ``truncated`` where rows are missing.
    """
    if header.depth == 16 and header.colour == _GREY_ALPHA:
        picture = _picture(header.packed(depth=8, colour=_COLOUR_ALPHA), {}, data)
        return _unpacked(header, picture, data).view(">u2").astype(np.uint16)
    if header.depth == 16 and header.colour in (_COLOUR, _COLOUR_ALPHA):
        mode = "RGB" if header.colour == _COLOUR else "RGBA"
        picture = _picture(header.packed(), {}, data)
        values = _unpacked(header, picture, data, f"{mode};16B").astype(np.uint16)
        values <<= 8
        values |= _unpacked(header, picture, data, f"{mode};16L")
        transparent = small.get(b"tRNS", b"")
        if header.colour == _COLOUR and len(transparent) >= 6:
            return _with_alpha(values, np.frombuffer(transparent[:6], ">u2"))
        return values
    return _unpacked(header, _picture(header.packed(), small, data), data)


def _picture(header: bytes, small: Mapping[bytes, bytes], data: bytes) -> bytes:
    """A PNG of the critical chunks alone, its pixel data in one chunk."""
    kept = [(kind, small[kind]) for kind in (b"PLTE", b"tRNS") if kind in small]
    parts = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in [(b"IHDR", header), *kept]
    )
    # the sum over the pixels was compared when they were read, and Pillow does not look at it
    return b"".join((PNG, parts, struct.pack(">I", len(data)), b"IDAT", data, b"\0\0\0\0", _END))


def _unpacked(
    header: Header, picture: bytes, data: bytes, layout: str | None = None
) -> NDArray[Any]:
    """Unpack a picture, in another of Pillow's layouts of raw bytes if given."""
    with PngImageFile(io.BytesIO(picture)) as image:
        if layout is not None:
            image.tile = [tile._replace(args=layout) for tile in image.tile or ()]
        bands = len(image.getbands())
        blank: Any = _UNWRITTEN if bands == 1 else (_UNWRITTEN,) * bands
        if image.mode == "1":
            blank = 255
        image.im = Image.new(image.mode, image.size, blank).im
        image.load()
        if header.interlaced or _may_be_unwritten(image, blank):
            _check_rows(header, data)
        return stored_values(image)


def _may_be_unwritten(image: Image.Image, blank: Any) -> bool:
    """Whether the last row is as it was before."""
    last = image.height - 1
    if image.getpixel((0, last)) != blank:
        return False
    unwritten = Image.new(image.mode, (image.width, 1), blank)
    return image.crop((0, last, image.width, last + 1)).tobytes() == unwritten.tobytes()


def _check_rows(header: Header, data: bytes) -> None:
    """Count what the pixels unpack to."""
    expected = header.raw_bytes()
    unpacker = zlib.decompressobj()
    found = 0
    while data and found < expected and not unpacker.eof:
        found += len(unpacker.decompress(data, 1 << 20))
        data = unpacker.unconsumed_tail
    if found < expected:
        raise FilmError(FilmStatus.TRUNCATED, "The PNG is cut short: rows of pixels are missing.")


def _with_alpha(values: NDArray[np.uint16], transparent: NDArray[Any]) -> NDArray[np.uint16]:
    """Make the transparent colour an alpha channel."""
    opaque = (values != transparent.astype(np.uint16)).any(axis=2, keepdims=True)
    return np.concatenate([values, opaque.astype(np.uint16) * np.uint16(0xFFFF)], axis=2)
