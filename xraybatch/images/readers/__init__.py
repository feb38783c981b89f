"""Our own readers, registered by the same hook as anybody's.

Comes in: an open file whose first bytes a reader recognised. Goes out: the values as stored and
what the file says about showing them. The libraries are loaded at the first film, because this
module is imported by every command that lists plugins.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO, cast

from xraybatch.extension.hookspecs import hookimpl
from xraybatch.extension.records import ImageReader, Limits, StoredImage
from xraybatch.images.readers import magic

if TYPE_CHECKING:
    from xraybatch.extension.records.image import ReadFrame, Reducible

_Read = Callable[[BinaryIO, Limits, int], StoredImage]
_Open = Callable[[BinaryIO, Limits], "ReadFrame"]


@hookimpl
def register_image_readers() -> list[ImageReader]:
    """PNG, JPEG, TIFF, DICOM, and what else Pillow opens safely."""
    return [
        ImageReader("png", "PNG, 1 to 16 bits", (".png",), magic.is_png, _first_use("png")),
        ImageReader(
            "jpeg",
            "JPEG, 8 bits",
            (".jpg", ".jpeg", ".jpe", ".jfif"),
            magic.is_jpeg,
            _first_use("jpeg"),
            _read_jpeg_reduced,
        ),
        ImageReader(
            "jpeg2000",
            "JPEG 2000, up to 16 bits",
            (".jp2", ".j2k", ".j2c", ".jpf", ".jpx"),
            magic.is_jpeg2000,
            _first_use("jpeg2000"),
        ),
        ImageReader(
            "tiff",
            "TIFF, 1 to 32 bits, grey or colour",
            (".tif", ".tiff"),
            magic.is_tiff,
            _first_use("tiff"),
            open_frames=_first_open("tiff"),
        ),
        ImageReader(
            "dicom",
            "DICOM; compressed ones with the extra dicom",
            (".dcm", ".dicom", ".dic"),
            magic.is_dicom,
            _first_use("dicom"),
            open_frames=_first_open("dicom"),
        ),
        ImageReader(
            "bitmap",
            "BMP, GIF and WebP, 8 bits",
            (".bmp", ".gif", ".webp"),
            lambda head: magic.is_bmp(head) or magic.is_gif(head) or magic.is_webp(head),
            _first_use("bitmap"),
        ),
    ]


def _first_use(module: str) -> _Read:
    def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
        implementation = cast(_Read, import_module(f"{__name__}.{module}").read)
        return implementation(file, limits, frame)

    return read


def _first_open(module: str) -> _Open:
    def open_frames(file: BinaryIO, limits: Limits) -> ReadFrame:
        implementation = cast(_Open, import_module(f"{__name__}.{module}").open_frames)
        return implementation(file, limits)

    return open_frames


def _read_jpeg_reduced(
    file: BinaryIO, limits: Limits, frame: int, reducible: Reducible
) -> StoredImage:
    from xraybatch.images.readers import jpeg

    return jpeg.read_reduced(file, limits, frame, reducible)
