"""What the readers of raster formats share: Pillow's image to stored values, limits, frames.

Each reader opens Pillow's class for its own format instead of calling ``Image.open``: no search
through forty formats, no limit that is global to the process, and never a path, because Pillow
scrambles turned TIFFs that it maps into memory.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import Limits
from xraybatch.images.memory import announce

READER = f"pillow {PIL.__version__}"

EIGHT_OF_SIXTEEN = "Its 16-bit colour was read with 8 bits a sample."
ORIENTATION_TAG = 0x0112
_EXIF_START = b"Exif\0\0"


def check_cost(height: int, width: int, samples: int, sample_bytes: int, limits: Limits) -> None:
    """Refuse a film by its header, before a byte of it is decoded.

    Raises
    ------
    FilmError
        ``corrupt`` without any pixel, ``too_large`` beyond a limit.
    """
    if height <= 0 or width <= 0:
        raise FilmError(FilmStatus.CORRUPT, f"The header says {height} rows of {width} pixels.")
    if height * width > limits.max_pixels:
        raise FilmError(
            FilmStatus.TOO_LARGE,
            f"The film has {height} x {width} pixels, more than the limit of "
            f"{limits.max_pixels:,} (--max-pixels).",
            (height, width),
        )
    if height * width * samples * sample_bytes > limits.max_bytes:
        raise FilmError(
            FilmStatus.TOO_LARGE,
            f"The film has {height} x {width} pixels of {samples * sample_bytes} bytes, more than "
            f"the limit of {limits.max_bytes:,} bytes.",
        )
    announce(height * width * samples * sample_bytes)


def check_image(image: Image.Image, limits: Limits) -> None:
    """`check_cost` of an image that Pillow has opened and not yet decoded."""
    sample_bytes = 4 if image.mode in ("I", "F") else 2 if image.mode.startswith("I;16") else 1
    check_cost(image.height, image.width, len(image.getbands()), sample_bytes, limits)


def check_frame(frame: int, frames: int) -> tuple[str, ...]:
    """Refuse a frame that is not there; the note of a file with several says which was read."""
    if not 0 <= frame < frames:
        raise FilmError(
            FilmStatus.CORRUPT, f"Frame {frame} was asked for; the file has {frames}, from 0."
        )
    return () if frames == 1 else (frame_note(frame, frames),)


def frame_note(frame: int, frames: int) -> str:
    """What is said of a file of which one frame was read."""
    return f"The file has {frames} frames; frame {frame} was read."


def stored_values(image: Image.Image) -> NDArray[Any]:
    """Decode an opened image to values as stored.

    Returns
    -------
    ndarray
        Shape and dtype as `xraybatch.StoredImage` has them; palettes are resolved, a transparent
        colour becomes alpha, CMYK becomes red, green and blue.
    """
    image.load()
    transparent = image.info.get("transparency")
    if image.mode == "P" or (image.mode == "RGB" and transparent is not None):
        image = image.convert("RGB" if transparent is None else "RGBA")
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX", "PA", "La", "RGBa"):
        image = image.convert("RGBA" if image.mode in ("PA", "La", "RGBa") else "RGB")
    values = np.asarray(image)
    if values.dtype.byteorder == ">" or (values.dtype.byteorder == "=" and sys.byteorder == "big"):
        values = values.astype(values.dtype.newbyteorder("<"))
    if transparent is not None and values.ndim == 2 and isinstance(transparent, int):
        values = _with_transparent_value(values, transparent)
    return values


def exif_orientation(exif: bytes | None) -> int:
    """The orientation, 1 to 8, that a block of Exif holds; 1 where it says nothing valid."""
    if not exif:
        return 1
    tags = Image.Exif()
    tags.load(exif if exif.startswith(_EXIF_START) else _EXIF_START + exif)
    return valid_orientation(tags.get(ORIENTATION_TAG))


def valid_orientation(value: object) -> int:
    """`value` if it is an orientation of Exif 2.3, else 1."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _with_transparent_value(values: NDArray[Any], transparent: int) -> NDArray[Any]:
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    full = np.iinfo(values.dtype).max
    alpha = np.where(values == transparent, 0, full).astype(values.dtype)
    return np.stack([values, alpha], axis=-1)
