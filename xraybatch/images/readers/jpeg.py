"""JPEG with 8 bits a sample, decoded by libjpeg-turbo through Pillow."""

from __future__ import annotations

from typing import BinaryIO

from PIL.JpegImagePlugin import JpegImageFile

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, Limits, StoredImage
from xraybatch.images.readers.raster import (
    READER,
    check_frame,
    check_image,
    exif_orientation,
    stored_values,
)


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode the whole picture; a cut one is ``truncated``, never filled with grey."""
    check_frame(frame, 1)
    with _open(file) as image:
        check_image(image, limits)
        orientation = exif_orientation(image.info.get("exif"))
        values = stored_values(image)
    return StoredImage(
        array=values,
        hints=DisplayHints(orientation=orientation),
        format="JPEG",
        reader=READER,
    )


def _open(file: BinaryIO) -> JpegImageFile:
    try:
        return JpegImageFile(file)
    except SyntaxError:
        if not file.read(1):
            raise FilmError(
                FilmStatus.TRUNCATED, "The JPEG is cut short: it ends inside its header."
            ) from None
        raise
