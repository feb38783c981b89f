"""TIFF, baseline and what libtiff adds, decoded by Pillow.

Pillow turns the picture upright by itself and inverts white-is-zero up to 8 bits; beyond 8 bits it
leaves the negative, and unsigned 32 bits come as signed. Both are put right here by what the tags
say. Of 16-bit colour it keeps the high bytes; the low ones come by asking for the other byte order.
Uncompressed planes of 16 bits it takes for 8 bits, so it is told what they are; of compressed ones
it gives the high bytes whatever it is asked for.
"""

from __future__ import annotations

import sys
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    TiffImageFile,
)

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, Limits, StoredImage
from xraybatch.extension.records.image import ReadFrame
from xraybatch.images.readers.raster import (
    EIGHT_OF_SIXTEEN,
    READER,
    check_frame,
    check_image,
    stored_values,
)
from xraybatch.images.readers.tiff_pages import Pages

_PLANES = ("R", "G", "B", "A")
_OTHER_BYTES = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", *_PLANES)
    for order, other in (("L", "B"), ("B", "L"), ("N", "B" if sys.byteorder == "little" else "L"))
}
_SIGNED = 2
_WHITE_IS_ZERO = 0
_APART = 2  # planes one after the other


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode one page."""
    if frame:
        return open_frames(file, limits)(frame)
    with _open(file) as image:
        check_image(image, limits)
        return _first_page(image, file, 0, image.n_frames)


def open_frames(file: BinaryIO, limits: Limits) -> ReadFrame:
    """Find the pages, so that each is decoded without those before it."""
    pages = Pages(file)

    def read_frame(frame: int) -> StoredImage:
        check_frame(frame, len(pages))
        view = cast(BinaryIO, pages.first(frame))
        view.seek(0)
        with _open(view) as image:
            check_image(image, limits)
            return _first_page(image, view, frame, len(pages))

    return read_frame


def _first_page(image: TiffImageFile, file: BinaryIO, frame: int, frames: int) -> StoredImage:
    """Decode the page that `file` begins with, which is `frame` of all of them."""
    notes = check_frame(frame, frames)
    bits = _first(image, BITSPERSAMPLE, 1)
    signed = _first(image, SAMPLEFORMAT, 1) == _SIGNED
    negative = _first(image, PHOTOMETRIC_INTERPRETATION, 1) == _WHITE_IS_ZERO
    low_bytes = _layout(image, bits)
    values = _as_declared(stored_values(image), bits, signed)
    if bits == 16 and values.dtype == np.uint8:
        if low_bytes:
            values = _with_low_bytes(values, file)
        else:
            notes = (*notes, EIGHT_OF_SIXTEEN)
    return StoredImage(
        array=values,
        hints=DisplayHints(
            bits_stored=bits if values.dtype == np.uint16 and 8 < bits < 16 else None,
            white_is_zero=negative and values.dtype not in (np.dtype(bool), np.dtype(np.uint8)),
        ),
        format="TIFF",
        reader=READER,
        frames=frames,
        notes=notes,
    )


def _open(file: BinaryIO) -> TiffImageFile:
    try:
        return TiffImageFile(file)
    except SyntaxError as error:
        if "unknown" in str(error):  # a combination of depth and samples outside Pillow's table
            raise FilmError(
                FilmStatus.UNSUPPORTED, f"Pillow does not read this kind of TIFF: {error}."
            ) from None
        raise


def _layout(image: TiffImageFile, bits: int) -> bool:
    """Put right how 16 bits are said to lie, and say whether the low bytes can be had."""
    tiles = [(tile, tile.args) for tile in image.tile or () if isinstance(tile.args, tuple)]
    apart = _first(image, PLANAR_CONFIGURATION, 1) == _APART
    if apart and bits == 16 and tiles and all(args[0] in _PLANES for _, args in tiles):
        order = "L" if image.tag_v2.prefix == b"II" else "B"
        image.tile = [
            tile._replace(args=(f"{args[0]};16{order}", *args[1:])) for tile, args in tiles
        ]
        return True
    return bool(tiles) and not apart and all(args[0] in _OTHER_BYTES for _, args in tiles)


def _with_low_bytes(values: NDArray[np.uint8], file: BinaryIO) -> NDArray[np.uint16]:
    """Decode again, and join what was decoded with the bytes that Pillow leaves out."""
    file.seek(0)
    with _open(file) as image:
        _layout(image, 16)
        image.tile = [
            tile._replace(args=(_OTHER_BYTES[tile.args[0]], *tile.args[1:]))
            for tile in image.tile or ()
            if isinstance(tile.args, tuple)
        ]
        joined = values.astype(np.uint16)
        joined <<= 8
        joined |= stored_values(image)
    return joined


def _first(image: TiffImageFile, tag: int, default: int) -> int:
    value = image.tag_v2.get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)


def _as_declared(values: NDArray[Any], bits: int, signed: bool) -> NDArray[Any]:
    if values.dtype == np.int32 and bits == 16:
        return values.astype(np.int16 if signed else np.uint16)
    if values.dtype == np.int32 and bits == 32 and not signed:
        return values.view(np.uint32)
    if values.dtype == np.uint8 and values.ndim == 2 and signed:
        raise FilmError(FilmStatus.UNSUPPORTED, "A TIFF with signed 8-bit values.")
    return values
