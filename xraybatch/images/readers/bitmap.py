"""BMP, GIF and WebP: not what hospitals send, but what folders hold."""

from __future__ import annotations

import io
from typing import BinaryIO

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.WebPImagePlugin import SUPPORTED as WEBP_SUPPORTED
from PIL.WebPImagePlugin import WebPImageFile

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, Limits, StoredImage
from xraybatch.images.readers import magic
from xraybatch.images.readers.raster import (
    READER,
    check_frame,
    check_image,
    exif_orientation,
    stored_values,
)


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode the first picture; only the first frame of a moving one can be asked for."""
    head = file.read(32)
    file.seek(0)
    with _open(file, head, limits) as image:
        check_image(image, limits)
        frames = getattr(image, "n_frames", 1)
        notes = check_frame(frame, frames)
        if frame:
            raise FilmError(
                FilmStatus.UNSUPPORTED, f"Only the first frame of a {image.format} can be read."
            )
        orientation = exif_orientation(image.info.get("exif"))
        values = stored_values(image)
        name = str(image.format)
    return StoredImage(
        array=values,
        hints=DisplayHints(orientation=orientation),
        format=name,
        reader=READER,
        frames=frames,
        notes=notes,
    )


def _open(file: BinaryIO, head: bytes, limits: Limits) -> Image.Image:
    if magic.is_gif(head):
        return GifImageFile(file)
    if magic.is_bmp(head):
        return BmpImageFile(file)
    if not WEBP_SUPPORTED:
        raise FilmError(FilmStatus.UNSUPPORTED, "This Pillow was built without WebP.")
    # Pillow reads a WebP whole when it opens it
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > limits.max_bytes:
        raise FilmError(FilmStatus.TOO_LARGE, f"The WebP takes {size} bytes.")
    return WebPImageFile(file)
