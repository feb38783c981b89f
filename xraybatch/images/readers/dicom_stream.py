"""The way to the pixels of a DICOM: its header, and a stream that stands at their value.

A hostile header is bounded here: what deflated data unpack to, and how many parts there may be.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

from pydicom.dataset import Dataset
from pydicom.filereader import dcmread, read_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import Limits
from xraybatch.images.readers import magic

_UNDEFINED = 0xFFFFFFFF
_BARE = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
}
_PIXEL_DATA = 0x7FE00010
_OTHER_PIXELS = (0x7FE00008, 0x7FE00009)  # float and double
_MOST_READS = 500_000  # of a header: some hundred elements take a few reads each
_SYNTAX_ELEMENT = b"\x02\x00\x10\x00UI"
_GROUP_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
_META_START = 132


@dataclass
class Opened:
    """A header that was read, and a stream that stands at the element of its pixels.

    Attributes
    ----------
    header : Dataset
        Up to the pixels.
    stream : BinaryIO
    syntax : UID
        In which the pixels are written.
    pixel_vr : str
        Of the pixel element; like what follows known after `find_pixels`.
    length, start : int
        Bytes of its value, as it says, and where in the stream that begins.
    """

    header: Dataset
    stream: BinaryIO
    syntax: UID
    pixel_vr: str = "OW"
    length: int = 0
    start: int = 0

    @property
    def implicit(self) -> bool:
        """Whether the header leaves out what kind each value is."""
        return self.syntax == ImplicitVRLittleEndian

    @property
    def little_endian(self) -> bool:
        """Whether the least significant byte comes first."""
        return self.syntax != ExplicitVRBigEndian

    @property
    def encapsulated(self) -> bool:
        """Whether the pixels lie in fragments, up to an end mark."""
        return self.length == _UNDEFINED

    def begin_frame(self) -> None:
        """Go to the pixels; what was read before does not count against a frame."""
        self.stream.seek(self.start)
        if isinstance(self.stream, _Metered):
            self.stream.refill()


def open_header(file: BinaryIO, limits: Limits) -> Opened:
    """Read the header; the stream stands at the pixel element then."""
    head = file.read(4096)
    file.seek(0)
    file = cast(BinaryIO, _Metered(file))
    if not magic.has_preamble(head):
        written = magic.bare_syntax(head)
        if written in _BARE:
            syntax = _BARE[written]
            return Opened(_header(file, syntax), file, syntax)
    if _announced(head) == DeflatedExplicitVRLittleEndian:
        stream = _inflated(file, head, limits)
        header = _header(stream, ExplicitVRLittleEndian)
        return Opened(header, stream, DeflatedExplicitVRLittleEndian)
    header = dcmread(file, stop_before_pixels=True, force=not magic.has_preamble(head))
    if not header:
        raise FilmError(FilmStatus.TRUNCATED, "The DICOM ends before its data set.")
    announced = header.file_meta.get("TransferSyntaxUID")
    if not announced:
        raise FilmError(FilmStatus.CORRUPT, "The DICOM does not say its transfer syntax.")
    return Opened(header, file, UID(announced))


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
        if size is not None and size < -1:  # of which bytes in memory would give all that is left
            raise FilmError(
                FilmStatus.CORRUPT, "The DICOM says that a part of it ends before it begins."
            )
        return self._stream.read(-1 if size is None else size)

    def refill(self) -> None:
        """Allow as many reads as in the beginning."""
        self._left = _MOST_READS

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


def find_pixels(found: Opened) -> None:
    """Read the pixel element's own header, so that the stream stands at its value."""
    order: Literal["little", "big"] = "little" if found.little_endian else "big"
    element = found.stream.read(8)
    group, number = (int.from_bytes(part, order) for part in (element[:2], element[2:4]))
    tag = group << 16 | number
    if len(element) == 8 and tag in _OTHER_PIXELS:
        raise FilmError(FilmStatus.UNSUPPORTED, "The DICOM holds floating point pixels.")
    if len(element) < 8 or tag != _PIXEL_DATA:
        uid = UID(str(found.header.get("SOPClassUID") or ""))
        kind = "of no known class" if uid.name == uid else uid.name  # never what the file says
        raise FilmError(FilmStatus.NO_PIXELS, f"The DICOM has no image ({kind}).")
    if found.implicit:
        length = element[4:]
    else:
        found.pixel_vr = element[4:6].decode("latin-1")
        length = found.stream.read(4)
    found.length = int.from_bytes(length, order)
    found.start = found.stream.tell()
    if found.length == 0:
        raise FilmError(FilmStatus.NO_PIXELS, "The DICOM's pixel data is empty.")
