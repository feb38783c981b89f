"""DICOM: plain, deflated and RLE pixels by pydicom, JPEG baseline and grey JPEG 2000 by Pillow.

The header is read up to the pixels and judged before anything is decoded. pydicom alone hands back
an empty data set for a cut file, reads anything with ``force``, and takes the wrong bits of a film
whose high bit is not the usual one; each of these is looked for here.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import PIL
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread, read_dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    JPEG2000,
    UID,
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
from xraybatch.images.readers import magic
from xraybatch.images.readers.dicom_display import display_hints
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
_BARE = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
}
_PIXEL_DATA = 0x7FE00010
_OTHER_PIXELS = (0x7FE00008, 0x7FE00009)  # float and double
_UNDEFINED = 0xFFFFFFFF
_ITEM, _END_OF_ITEMS = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_MOST_READS = 500_000  # of a header: some hundred elements take a few reads each
_SYNTAX_ELEMENT = b"\x02\x00\x10\x00UI"
_GROUP_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
_META_START = 132


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode one frame; objects without pixels are ``no_pixels``."""
    found = _open(file, limits)
    header = found.header
    _find_pixels(found)
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
    )


@dataclass
class _Found:
    """A header that was read, and a stream that stands at the element of its pixels."""

    header: Dataset
    stream: BinaryIO
    syntax: UID
    pixel_vr: str = "OW"
    length: int = 0
    start: int = 0

    @property
    def implicit(self) -> bool:
        return self.syntax == ImplicitVRLittleEndian

    @property
    def little_endian(self) -> bool:
        return self.syntax != ExplicitVRBigEndian


def _open(file: BinaryIO, limits: Limits) -> _Found:
    head = file.read(4096)
    file.seek(0)
    file = cast(BinaryIO, _Metered(file))
    if not magic.has_preamble(head):
        written = magic.bare_syntax(head)
        if written in _BARE:
            syntax = _BARE[written]
            return _Found(_header(file, syntax), file, syntax)
    if _announced(head) == DeflatedExplicitVRLittleEndian:
        stream = _inflated(file, head, limits)
        header = _header(stream, ExplicitVRLittleEndian)
        return _Found(header, stream, DeflatedExplicitVRLittleEndian)
    header = dcmread(file, stop_before_pixels=True, force=not magic.has_preamble(head))
    if not header:
        raise FilmError(FilmStatus.TRUNCATED, "The DICOM ends before its data set.")
    announced = header.file_meta.get("TransferSyntaxUID")
    if not announced:
        raise FilmError(FilmStatus.CORRUPT, "The DICOM does not say its transfer syntax.")
    return _Found(header, file, UID(announced))


def _header(stream: BinaryIO, syntax: UID) -> Dataset:
    return read_dataset(
        stream,
        is_implicit_VR=syntax.is_implicit_VR,
        is_little_endian=syntax.is_little_endian,
        stop_when=lambda tag, *_: tag in (_PIXEL_DATA, *_OTHER_PIXELS),
    )


def _announced(head: bytes) -> str:
    """The transfer syntax in the file meta information, before anything is unpacked."""
    at = head.find(_SYNTAX_ELEMENT)
    if at < 0:
        return ""
    at += len(_SYNTAX_ELEMENT)
    length = int.from_bytes(head[at : at + 2], "little")
    return head[at + 2 : at + 2 + length].decode("latin-1").rstrip("\0 ")


def _inflated(file: BinaryIO, head: bytes, limits: Limits) -> BinaryIO:
    if head[_META_START : _META_START + 8] != _GROUP_LENGTH:
        raise FilmError(FilmStatus.CORRUPT, "The deflated DICOM does not say where it begins.")
    start = _META_START + 12 + int.from_bytes(head[_META_START + 8 : _META_START + 12], "little")
    file.seek(start)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacked = unpacker.decompress(file.read(limits.max_bytes), limits.max_bytes)
    if unpacker.unconsumed_tail:
        raise FilmError(
            FilmStatus.TOO_LARGE, f"The DICOM unpacks to more than {limits.max_bytes} bytes."
        )
    if not unpacker.eof:
        raise FilmError(FilmStatus.TRUNCATED, "The DICOM is cut short in its deflated data.")
    return cast(BinaryIO, _Metered(io.BytesIO(unpacked)))


class _Metered(io.RawIOBase):
    """A stream that allows so many reads: a megabyte can unpack to 100 million empty elements."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = _MOST_READS

    def read(self, size: int | None = -1) -> bytes:
        """Read as the stream does, while there are reads left."""
        self._left -= 1
        if self._left < 0:
            raise FilmError(
                FilmStatus.CORRUPT, f"The DICOM's header has more than {_MOST_READS:,} parts."
            )
        return self._stream.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the stream."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Where the stream stands."""
        return self._stream.tell()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True


def _find_pixels(found: _Found) -> None:
    """Read the pixel element's own header, so that the stream stands at its value."""
    order: Literal["little", "big"] = "little" if found.little_endian else "big"
    element = found.stream.read(8)
    group, number = (int.from_bytes(part, order) for part in (element[:2], element[2:4]))
    tag = group << 16 | number
    if len(element) == 8 and tag in _OTHER_PIXELS:
        raise FilmError(FilmStatus.UNSUPPORTED, "The DICOM holds floating point pixels.")
    if len(element) < 8 or tag != _PIXEL_DATA:
        kind = UID(str(found.header.get("SOPClassUID") or "")).name
        raise FilmError(
            FilmStatus.NO_PIXELS, f"The DICOM has no image ({kind or 'of no known class'})."
        )
    if found.implicit:
        length = element[4:]
    else:
        found.pixel_vr = element[4:6].decode("latin-1")
        length = found.stream.read(4)
    found.length = int.from_bytes(length, order)
    found.start = found.stream.tell()
    if found.length == 0:
        raise FilmError(FilmStatus.NO_PIXELS, "The DICOM's pixel data is empty.")


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


def _check_whole(found: _Found, frames: int) -> None:
    """Compare what the header announces with what the file holds."""
    header, stream = found.header, found.stream
    available = stream.seek(0, io.SEEK_END) - found.start
    stream.seek(found.start)
    if found.length == _UNDEFINED:
        _check_fragments(stream)
        stream.seek(found.start)
    # MPEG and private syntaxes may be laid out in any way, these not
    natural = found.syntax in _NATIVE or found.syntax in _ENCAPSULATED
    if natural and (found.syntax in _NATIVE) == (found.length == _UNDEFINED):
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
    if found.length == _UNDEFINED:
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


def _decode(found: _Found, frame: int) -> NDArray[Any]:
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
