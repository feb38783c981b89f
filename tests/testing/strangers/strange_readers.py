"""A reader of a format of its own, and the same with one fault each."""

from __future__ import annotations

import struct
import threading
import zlib
from dataclasses import replace
from itertools import count

import numpy as np

from xraybatch import DisplayHints, FilmError, FilmStatus, ImageReader, StoredImage
from xraybatch.images.readers import magic, png

MAGIC = b"GREY\n\0"
HEADER = struct.Struct("<6sHHI")
_calls = count()
RELEASE = threading.Event()  # what hangs may go on


def example(rows: int = 24, columns: int = 20) -> bytes:
    pixels = (np.arange(rows * columns).reshape(rows, columns) % 251).astype(np.uint8).tobytes()
    return HEADER.pack(MAGIC, rows, columns, zlib.crc32(pixels)) + pixels


def sniff(head: bytes) -> bool:
    return head.startswith(MAGIC)


def read(file, limits, frame):
    data = file.read()
    if len(data) < HEADER.size:
        raise FilmError(FilmStatus.TRUNCATED, "The GREY ends in its header.")
    _, rows, columns, check = HEADER.unpack_from(data)
    if rows * columns > min(limits.max_pixels, limits.max_bytes):
        raise FilmError(FilmStatus.TOO_LARGE, "The GREY is too large.")
    if frame:
        raise FilmError(FilmStatus.CORRUPT, "The GREY has one frame.")
    pixels = data[HEADER.size : HEADER.size + rows * columns]
    if len(pixels) < rows * columns:
        raise FilmError(FilmStatus.TRUNCATED, "The GREY is cut short.")
    if zlib.crc32(pixels) != check:
        raise FilmError(FilmStatus.CORRUPT, "The GREY is damaged.")
    values = np.frombuffer(pixels, np.uint8).reshape(rows, columns)
    return StoredImage(values, DisplayHints(), "GREY", "strange 1")


def wrong_type(file, limits, frame):
    image = read(file, limits, frame)
    return StoredImage(image.array.astype(np.int64), DisplayHints(bits_stored=8), "GREY", "strange")


def partial(file, limits, frame):
    data = file.read()
    if len(data) >= HEADER.size:
        _, rows, columns, _ = HEADER.unpack_from(data)
        short = rows * columns - len(data[HEADER.size :])
        if short > 0:  # what is missing becomes black
            pixels = data[HEADER.size :] + bytes(short)
            values = np.frombuffer(pixels, np.uint8).reshape(rows, columns)
            return StoredImage(values, DisplayHints(), "GREY", "strange")
    file.seek(0)
    return read(file, limits, frame)


def endless(file, limits, frame):
    try:
        return read(file, limits, frame)
    except FilmError as error:
        if error.status is FilmStatus.CORRUPT and not frame:
            RELEASE.wait()
        raise


class _AnyLimits:
    max_pixels = max_bytes = 1 << 60


def unlimited(file, limits, frame):
    return read(file, _AnyLimits, frame)


def any_frame(file, limits, frame):
    return read(file, limits, 0)


def printing(file, limits, frame):
    print("reading a film")
    return read(file, limits, frame)


def writing(file, limits, frame):
    with open("grey.tmp", "wb") as out:
        out.write(b"left behind")
    return read(file, limits, frame)


def closing(file, limits, frame):
    with file:
        return read(file, limits, frame)


def changing(file, limits, frame):
    image = read(file, limits, frame)
    return StoredImage(image.array + np.uint8(next(_calls) % 7), DisplayHints(), "GREY", "strange")


def halving(file, limits, frame, reducible):
    image = read(file, limits, frame)
    rows, columns = image.array.shape
    small = image.array[::2, ::2]
    return replace(image, array=small, reduction=2, whole=(rows, columns))


def others_frame(file, limits):
    def read_frame(frame):
        image = read(file, limits, frame)
        return replace(image, array=image.array[::-1])

    return read_frame


def short_sighted(head: bytes) -> bool:
    return head.startswith(b"GREY") and head[5] == 0


def greedy(head: bytes) -> bool:
    return sniff(head) or head.startswith(b"%PDF")


def reader(read=read, sniff=sniff, suffixes=(".grey",)):
    return ImageReader("grey", "Grey values as they are.", suffixes, sniff, read)


GOOD = reader()
# the fault, and the one check that must see it
BAD = {
    "reads_its_files": reader(wrong_type),
    "a_cut_file_is_no_film": reader(partial),
    "a_damaged_file_is_a_film_or_refused": reader(endless),
    "honours_the_limits": reader(unlimited),
    "refuses_a_frame_that_is_not_there": reader(any_frame),
    "prints_and_writes_nothing": reader(printing),
    "prints_and_writes_nothing, a file": reader(writing),
    "prints_and_writes_nothing, closed": reader(closing),
    "decodes_into_films": reader(changing),
    "sniffs_anything_without_raising": reader(sniff=short_sighted),
    "leaves_other_files_alone": reader(sniff=greedy),
    "reduces_no_more_than_it_may": replace(GOOD, read_reduced=halving),
    "reads_frames_of_an_open_file": replace(GOOD, open_frames=others_frame),
    "record_is_well_formed": reader(suffixes=("GREY",)),
    "is_the_one_that_is_asked": reader(png.read, magic.is_png, (".png",)),
}
