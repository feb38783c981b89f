"""What a compressed frame says of itself, read before any codec sees it.

A codec believes the codestream, not the DICOM around it: it would unpack 65535 x 65535 pixels of a
small film, and fill what a cut one lacks with grey. So the size must be the header's, and the end
must be there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom.uid import JPEGLSTransferSyntaxes, JPEGTransferSyntaxes, RLELossless

from xraybatch.core.status import FilmError, FilmStatus

# Markers of JPEG and JPEG-LS (the second bytes)
_SOI, _EOI, _SOS, _APP14 = 0xD8, 0xD9, 0xDA, 0xEE
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})

# Markers of JPEG 2000
_START_2000 = b"\xff\x4f\xff\x51"
_TILE_PART, _END_2000 = b"\xff\x90", b"\xff\xd9"
_BOX = b"\0\0\0\x0cjP  "
_LEAST_TILE_PART = 14


@dataclass(frozen=True)
class Inner:
    """A compressed frame's own header.

    Attributes
    ----------
    rows, columns, samples : int
    bits : int
        Bits a sample.
    transformed : bool
        An Adobe marker says that the colour is YCbCr: decoders turn it to red, green and blue.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    transformed: bool = False


def inner_header(frame: bytes, syntax: str) -> Inner | None:
    """Read the header of a frame and find its end; None for RLE, which has neither.

    Raises
    ------
    FilmError
        ``truncated`` where the end is missing, ``corrupt`` for what is no codestream.
    """
    if syntax == RLELossless:
        return None
    try:
        if syntax in JPEGTransferSyntaxes or syntax in JPEGLSTransferSyntaxes:
            return _jpeg(frame)
        return _jpeg2000(frame)
    except (IndexError, struct.error):
        raise _cut() from None


def _cut() -> FilmError:
    return FilmError(FilmStatus.TRUNCATED, "The DICOM's compressed picture is cut short.")


def _foreign() -> FilmError:
    return FilmError(
        FilmStatus.CORRUPT, "The DICOM's compressed picture is not what its transfer syntax says."
    )


def _jpeg(frame: bytes) -> Inner:
    if frame[:2] != bytes((0xFF, _SOI)):
        raise _foreign() if len(frame) >= 2 else _cut()
    found: Inner | None = None
    transformed = False
    at = 2
    while True:
        if frame[at] != 0xFF:
            raise _foreign()
        marker = frame[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker in _BARE_MARKERS:
            at += 2
            continue
        if marker == _EOI:
            raise _foreign()  # an end without a picture
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker in _FRAME_HEADERS:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", frame, at + 4)
            found = Inner(rows, columns, samples, bits)
        elif marker == _APP14 and frame[at + 4 : at + 9] == b"Adobe" and length >= 14:
            transformed = frame[at + 15] == 1
        elif marker == _SOS:
            break
        at += 2 + max(2, length)
    # in coded data 0xFF is never followed by the byte of the end mark
    if frame.rfind(bytes((0xFF, _EOI)), at) < 0:
        raise _cut()
    if found is None:
        raise _foreign()
    return Inner(found.rows, found.columns, found.samples, found.bits, transformed)


def _jpeg2000(frame: bytes) -> Inner:
    start = _codestream(frame) if frame.startswith(_BOX) else 0
    if frame[start : start + 4] != _START_2000:
        raise _foreign() if len(frame) >= start + 4 else _cut()
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    (samples,) = struct.unpack_from(">H", frame, start + 40)
    depth, across, down = struct.unpack_from(">3B", frame, start + 42)
    if not across or not down:
        raise _foreign()
    _check_tile_parts(frame, start + 2)
    return Inner(
        rows=-(-bottom // down) + (-top // down),
        columns=-(-right // across) + (-left // across),
        samples=samples,
        bits=(depth & 0x7F) + 1,
    )


def _codestream(frame: bytes) -> int:
    """Where the codestream lies in boxes, which DICOM forbids and some writers leave around it."""
    at = 0
    while True:
        length, kind = struct.unpack_from(">I4s", frame, at)
        inside = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", frame, at + 8)
            inside = 16
        if kind == b"jp2c":
            return at + inside
        if length < inside:  # also 0: up to the end, and no codestream in it
            raise _foreign()
        at += length


def _check_tile_parts(frame: bytes, at: int) -> None:
    """Follow the lengths of the tile parts to the end; `at` is the first marker with a length."""
    while (marker := frame[at : at + 2]) != _TILE_PART:
        (length,) = struct.unpack_from(">H", frame, at + 2)
        if marker[0] != 0xFF or length < 2:
            raise _foreign()
        at += 2 + length
    while frame[at : at + 2] == _TILE_PART:
        (length,) = struct.unpack_from(">I", frame, at + 6)
        if length == 0:  # the last one goes up to the end mark
            if frame.rfind(_END_2000, at) < 0:
                raise _cut()
            return
        if length < _LEAST_TILE_PART:
            raise _foreign()
        at += length
    if at > len(frame):
        raise _cut()
