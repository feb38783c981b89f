"""JPEG 2000, decoded by OpenJPEG through Pillow, which scales odd depths up to 8 or 16 bits."""

from __future__ import annotations

from typing import BinaryIO

from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from xraybatch.extension.records import DisplayHints, Limits, StoredImage
from xraybatch.images.readers.raster import READER, check_frame, check_image, stored_values


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode the whole picture; a cut one is an error, never a picture with a grey rest."""
    check_frame(frame, 1)
    with Jpeg2KImageFile(file) as image:
        check_image(image, limits)
        values = stored_values(image)
    return StoredImage(array=values, hints=DisplayHints(), format="JPEG2000", reader=READER)
