"""JPEG with 8 bits a sample, decoded by libjpeg-turbo through Pillow.

A radiograph is grey, so of a colour JPEG only the luminance is decoded, which is what JPEG stores.
A film much larger than what is wanted is decoded at a half, a quarter or an eighth of its size, out
of fewer coefficients of each block. libjpeg fills a hole with grey and warns, which Pillow does not
pass on; where there are restart markers, they tell.
"""

from __future__ import annotations

from typing import BinaryIO

from PIL.JpegImagePlugin import JpegImageFile

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, Limits, StoredImage
from xraybatch.extension.records.image import Reducible
from xraybatch.images.readers.jpeg_restarts import check_restarts
from xraybatch.images.readers.raster import (
    READER,
    check_frame,
    check_image,
    exif_orientation,
    stored_values,
)

_SCALES = (8, 4, 2)  # that libjpeg decodes at little cost and every version in the same way


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode the whole picture; a cut one is ``truncated``, never filled with grey."""
    return read_reduced(file, limits, frame, lambda *_: 1.0)


def read_reduced(file: BinaryIO, limits: Limits, frame: int, reducible: Reducible) -> StoredImage:
    """`read`, but at a half, quarter or eighth of the size where `reducible` allows it."""
    check_frame(frame, 1)
    with _open(file) as image:
        check_image(image, limits)
        orientation = exif_orientation(image.info.get("exif"))
        columns, rows = image.size
        most = reducible(rows, columns, orientation)
        by = next((scale for scale in _SCALES if scale <= most), 1)
        if by > 1 or image.mode != "L":
            drafted = image.draft("L", (max(1, columns // by), max(1, rows // by)))
            by = 1 if drafted is None else by
        values = stored_values(image)
    check_restarts(file)
    return StoredImage(
        array=values,
        hints=DisplayHints(orientation=orientation),
        format="JPEG",
        reader=READER,
        reduction=by,
        whole=(rows, columns),
    )


def _open(file: BinaryIO) -> JpegImageFile:
    try:
        return JpegImageFile(file)
    except SyntaxError as error:
        if not file.read(1):
            raise FilmError(
                FilmStatus.TRUNCATED, "The JPEG is cut short: it ends inside its header."
            ) from None
        if "bits" in str(error) or "layer" in str(error):
            raise FilmError(
                FilmStatus.UNSUPPORTED, f"Pillow does not read this kind of JPEG: {error}."
            ) from None
        raise
