"""Fragments of a DICOM's compressed pixels: found once, and joined to the frame that is wanted.

pydicom looks for the fragments of each frame anew from the first, which for all frames of a long
film takes the square of their number.
"""

from __future__ import annotations

import io
from typing import BinaryIO, NamedTuple

from pydicom.encaps import get_frame
from pydicom.pixels.utils import as_pixel_options

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.images.readers.dicom_stream import Opened

_ITEM, _END_OF_ITEMS = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_END_OF_PICTURE = b"\xff\xd9"  # of JPEG, JPEG-LS and JPEG 2000
_LAST = 10  # bytes of a fragment among which that mark is looked for: padding may follow


class Fragment(NamedTuple):
    """Where in the stream a fragment lies, and whether a picture ends with it."""

    start: int
    length: int
    ends: bool


def find_fragments(stream: BinaryIO) -> list[Fragment]:
    """Walk over the fragments to their end mark; the first is the table of offsets.

    Raises
    ------
    FilmError
        ``corrupt`` where something else lies among them, ``truncated`` without an end mark.
    """
    found: list[Fragment] = []
    while True:
        item = stream.read(8)
        if item[:4] == _END_OF_ITEMS:
            return found
        length = int.from_bytes(item[4:], "little")
        if len(item) == 8 and item[:4] != _ITEM:
            raise FilmError(FilmStatus.CORRUPT, "The DICOM's encapsulated pixels have no order.")
        start = stream.tell()
        last = min(length, _LAST)
        stream.seek(length - last, io.SEEK_CUR)
        end = stream.read(last)
        if len(item) < 8 or len(end) < last:
            raise FilmError(
                FilmStatus.TRUNCATED, "The DICOM is cut short in its encapsulated pixels."
            )
        found.append(Fragment(start, length, _END_OF_PICTURE in end))


def frame_of(found: Opened, fragments: list[Fragment], frame: int, frames: int) -> bytes:
    """The bytes of one frame; the stream stands at the pixels.

    By the table of offsets where there is one. Otherwise a fragment is a frame where they are as
    many, and a frame ends with a picture where they are more.

    Raises
    ------
    FilmError
        ``corrupt`` where there is no such frame.
    ValueError
        Of pydicom, where the table says so.
    """
    offsets = as_pixel_options(found.header).get("extended_offsets")
    if offsets or not fragments or fragments[0].length:
        return get_frame(found.stream, frame, number_of_frames=frames, extended_offsets=offsets)
    parts = _parts(fragments[1:], frame, frames)
    if not parts:
        raise FilmError(
            FilmStatus.CORRUPT, f"The DICOM's compressed pixels hold no frame {frame}, from 0."
        )
    return b"".join(_bytes_of(found.stream, part) for part in parts)


def _parts(fragments: list[Fragment], frame: int, frames: int) -> list[Fragment]:
    if len(fragments) == 1 or len(fragments) == frames:
        return fragments[frame : frame + 1]
    if frames == 1:
        return fragments
    parts: list[Fragment] = []
    passed = 0
    for fragment in fragments:
        if passed == frame:
            parts.append(fragment)
        passed += fragment.ends
        if passed > frame:
            break
    return parts


def _bytes_of(stream: BinaryIO, fragment: Fragment) -> bytes:
    stream.seek(fragment.start)
    return stream.read(fragment.length)
