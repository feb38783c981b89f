"""What a compressed frame says of itself, read before any codec sees it.

A codec believes the codestream, not the DICOM around it: it would unpack 65535 x 65535 pixels of a
small film, and fill what a cut one lacks with grey. So the size must be the header's, and the end
must be there.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace

from pydicom.uid import JPEGLSTransferSyntaxes, JPEGTransferSyntaxes, RLELossless

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.images.readers.jpeg_restarts import check_restarts

# Markers of JPEG and JPEG-LS (the second bytes)
_SOI, _EOI, _SOS, _DHT, _APP14 = 0xD8, 0xD9, 0xDA, 0xC4, 0xEE
_LOSSLESS = 0xC3
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {_DHT, 0xC8, 0xCC})
_NEEDED = frozenset({_LOSSLESS, _DHT, 0xDD, _SOS})
# quantisation, restarts, arithmetic coding, presets of JPEG-LS, a comment, applications
_OTHER_SEGMENTS = frozenset({0xDB, 0xDD, 0xCC, 0xF8, 0xFE, *range(0xE0, 0xF0)})

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
    bare : bytes
        Of lossless JPEG: the frame without all that is not needed to decode it. gdcm ends the
        process over a segment that it does not understand.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    transformed: bool = False
    bare: bytes = b""


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
    """Walk over the segments up to the coded data."""
    if frame[:2] != bytes((0xFF, _SOI)):
        raise _foreign() if len(frame) >= 2 else _cut()
    found: Inner | None = None
    transformed = lossless = False
    tables: set[int] = set()
    bare = [frame[:2]]
    at = 2
    while True:
        while frame[at : at + 2] == b"\xff\xff":  # fill
            at += 1
        start, marker, length = struct.unpack_from(">BBH", frame, at)
        segment = frame[at + 4 : at + 2 + length]
        if len(segment) < length - 2 or at + 4 >= len(frame):  # a byte of padding may stand there
            raise _cut()
        if start != 0xFF or length < 2:
            raise _foreign()
        if marker in _NEEDED:
            bare.append(frame[at : at + 2 + length])
        at += 2 + length
        if marker in _FRAME_HEADERS and found is None:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", segment)
            found = Inner(rows, columns, samples, bits)
            lossless = marker == _LOSSLESS
            if len(segment) != 6 + 3 * samples:
                raise _foreign()
        elif marker == _DHT:
            tables |= _tables(segment)
        elif marker == _SOS:
            break
        elif marker == _APP14 and segment[:5] == b"Adobe" and len(segment) >= 12:
            transformed = segment[11] == 1
        elif marker not in _OTHER_SEGMENTS:
            raise _foreign()
    if found is None:
        raise _foreign()
    # in coded data 0xFF is never followed by the byte of the end mark
    end = frame.rfind(bytes((0xFF, _EOI)), at)
    if end < 0:
        raise _cut()
    if not lossless:
        check_restarts(io.BytesIO(frame), "The DICOM's compressed picture")
        return replace(found, transformed=transformed)
    _check_scan(segment, tables, found.bits)
    return replace(found, bare=b"".join((*bare, frame[at : end + 2])))


def _tables(segment: bytes) -> set[int]:
    """The places of a segment's Huffman tables, each of which must hold together."""
    places = set()
    at = 0
    while at < len(segment):
        counts = segment[at + 1 : at + 17]
        space = sum(count << (15 - length) for length, count in enumerate(counts))
        if len(counts) < 16 or space > 1 << 16 or not 0 < sum(counts) <= 256:
            raise _foreign()
        places.add(segment[at])
        at += 17 + sum(counts)
    if at != len(segment):
        raise _foreign()
    return places


def _check_scan(segment: bytes, tables: set[int], bits: int) -> None:
    """Of lossless JPEG: every component has its table, and the predictor is one of seven."""
    count = segment[0]
    if len(segment) != 4 + 2 * count or not 2 <= bits <= 16:
        raise _foreign()
    used = {place >> 4 for place in segment[2 : 1 + 2 * count : 2]}
    predictor, _, shift = segment[1 + 2 * count :]
    if not used <= tables or not 1 <= predictor <= 7 or shift >= bits:
        raise _foreign()


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
