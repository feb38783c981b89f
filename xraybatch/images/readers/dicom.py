"""DICOM: plain, deflated and RLE pixels by pydicom, JPEG baseline and grey JPEG 2000 by Pillow.

The header is read up to the pixels and judged before anything is decoded. pydicom alone hands back
an empty data set for a cut file, reads anything with ``force``, and takes the wrong bits of a film
whose high bit is not the usual one; each of these is looked for here.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
import PIL
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import Limits, StoredImage
from xraybatch.images.readers.dicom_display import display_hints
from xraybatch.images.readers.dicom_stream import Opened, find_pixels, open_header
from xraybatch.images.readers.dicom_tags import facts_of
from xraybatch.images.readers.raster import check_cost, check_frame

_NATIVE = frozenset(
    {
        *(ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian),
        DeflatedExplicitVRLittleEndian,
    }
)
_ENCAPSULATED = frozenset(
    {
        *JPEGTransferSyntaxes,
        *JPEGLSTransferSyntaxes,
        *JPEG2000TransferSyntaxes,
        RLELossless,
    }
)
_GREY_ONLY = frozenset({JPEG2000Lossless, JPEG2000})  # Pillow fails on some colour ones
_PLUGINS = {
    **dict.fromkeys(_NATIVE, ""),
    RLELossless: "pydicom",
    **dict.fromkeys((JPEGBaseline8Bit, *_GREY_ONLY), "pillow"),
}
_ITEM, _END_OF_ITEMS = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode one frame; objects without pixels are ``no_pixels``."""
    found = open_header(file, limits)
    header = found.header
    facts = facts_of(header)
    find_pixels(found)
    frames = _check(header, limits)
    notes = check_frame(frame, frames)
    _check_whole(found, frames)
    values = _decode(found, frame)
    hints, remarks = display_hints(header, frame, found.little_endian)
    reader = f"pydicom {pydicom.__version__}"
    if _PLUGINS[found.syntax] == "pillow":
        reader += f", pillow {PIL.__version__}"
    return StoredImage(
        array=values,
        hints=hints,
        format="DICOM",
        reader=reader,
        frames=frames,
        notes=(*notes, *remarks),
        facts=facts,
    )


def _check(header: Dataset, limits: Limits) -> int:
    """Judge the header; answers how many frames there are."""
    allocated, stored = int(header.BitsAllocated), int(header.BitsStored)
    high = header.get("HighBit")
    samples = int(header.SamplesPerPixel)
    if not 1 <= stored <= allocated:
        raise FilmError(
            FilmStatus.CORRUPT, f"The DICOM says that {stored} of {allocated} bits are stored."
        )
    if allocated not in (1, 8, 16, 32):
        raise FilmError(FilmStatus.UNSUPPORTED, f"The DICOM has {allocated} bits a sample.")
    if high is not None and int(high) != stored - 1:
        raise FilmError(
            FilmStatus.UNSUPPORTED,
            f"The DICOM's {stored} bits end at bit {int(high)}; only those that end at bit "
            f"{stored - 1} are read.",
        )
    announced = header.get("NumberOfFrames")
    frames = 1 if announced in (None, "", 0) else int(announced)
    if frames < 1:
        raise FilmError(FilmStatus.CORRUPT, f"The DICOM says it has {frames} frames.")
    check_cost(int(header.Rows), int(header.Columns), samples, max(1, allocated // 8), limits)
    return frames


def _check_whole(found: Opened, frames: int) -> None:
    """Compare what the header announces with what the file holds."""
    header, stream = found.header, found.stream
    available = stream.seek(0, io.SEEK_END) - found.start
    stream.seek(found.start)
    if found.encapsulated:
        _check_fragments(stream)
        stream.seek(found.start)
    # MPEG and private syntaxes may be laid out in any way, these not
    natural = found.syntax in _NATIVE or found.syntax in _ENCAPSULATED
    if natural and (found.syntax in _NATIVE) == found.encapsulated:
        raise FilmError(
            FilmStatus.CORRUPT,
            f"The DICOM says {found.syntax.name}, but its pixels are written otherwise.",
        )
    grey = int(header.SamplesPerPixel) == 1
    if found.syntax not in _PLUGINS or (found.syntax in _GREY_ONLY and not grey):
        raise FilmError(
            FilmStatus.UNSUPPORTED,
            f"The DICOM's pixels are written as {found.syntax.name} ({found.syntax}), "
            f"for which there is no codec{'' if grey else ' that reads colour'}.",
        )
    if found.encapsulated:
        return
    pixels = int(header.Rows) * int(header.Columns) * int(header.SamplesPerPixel)
    bits = frames * pixels * int(header.BitsAllocated)
    if header.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    needed = (bits + 7) // 8
    if available < found.length or found.length < needed:
        raise FilmError(
            FilmStatus.TRUNCATED,
            f"The DICOM is cut short: {min(available, found.length)} bytes of pixels of "
            f"{max(needed, found.length)}.",
        )


def _check_fragments(stream: BinaryIO) -> None:
    """Walk over the fragments of encapsulated pixels to their end mark."""
    while True:
        item = stream.read(8)
        if item[:4] == _END_OF_ITEMS:
            return
        length = int.from_bytes(item[4:], "little")
        if len(item) == 8 and item[:4] != _ITEM:
            raise FilmError(FilmStatus.CORRUPT, "The DICOM's encapsulated pixels have no order.")
        if len(item) < 8 or len(stream.read(length)) < length:
            raise FilmError(
                FilmStatus.TRUNCATED, "The DICOM is cut short in its encapsulated pixels."
            )


def _decode(found: Opened, frame: int) -> NDArray[Any]:
    header = found.header
    options = as_pixel_options(
        header,
        transfer_syntax_uid=found.syntax,
        pixel_keyword="PixelData",
        pixel_vr=found.pixel_vr,
    )
    try:
        values, _ = get_decoder(found.syntax).as_array(
            found.stream,
            index=frame,
            raw=False,  # that is: YBR becomes RGB
            decoding_plugin=_PLUGINS[found.syntax],
            **options,
        )
    except RuntimeError as error:  # what the codec said stands behind its name
        raise RuntimeError(str(error).rpartition("pillow:")[2].strip()) from error
    if header.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, header)
    return np.asarray(values)
