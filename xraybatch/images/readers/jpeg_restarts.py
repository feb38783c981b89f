"""Restart markers of a JPEG: whether a part of its picture has gone.

A decoder fills what lies between two markers that do not follow each other, or behind the last one
of too few, with grey or with its neighbours, and only warns; Pillow hands no warning on. The
markers count from 0 to 7 and over again, and how many there are follows from the picture's size.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from xraybatch.core.counting import counted
from xraybatch.core.status import FilmError, FilmStatus

_EOI, _SOS, _DRI, _RST0, _RST7 = 0xD9, 0xDA, 0xDD, 0xD0, 0xD7
_ALONE = frozenset({0x01, *range(_RST0, 0xD9)})  # markers without a length: TEM, RST, SOI
_BLOCKWISE = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})  # frames of blocks of 8 x 8


def check_restarts(file: BinaryIO, what: str = "The JPEG") -> None:
    """Refuse a JPEG whose restart markers are out of order, too few or too many.

    Without restart markers nothing can be told, and little more than the header is read.

    Parameters
    ----------
    file : BinaryIO
        Seekable; read from its beginning. What is no whole JPEG is left to its decoder.
    what : str
        What is read, for the sentence.

    Raises
    ------
    FilmError
        ``corrupt``.
    """
    if not _restarts(file):
        return
    file.seek(0)
    try:
        why = _wrong(file.read())
    except (IndexError, KeyError):  # a segment is cut, or names what is not there
        return
    if why:
        raise FilmError(
            FilmStatus.CORRUPT, f"{what} is damaged: {why}, so a part of the picture is missing."
        )


def _restarts(file: BinaryIO) -> bool:
    """Whether the header before the first scan announces restart markers."""
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF:
        marker = head[1]
        if marker in (_DRI, _SOS, _EOI):
            return marker == _DRI
        step = -3 if marker == 0xFF else -2 if marker in _ALONE else 0
        file.seek(step or max(0, (head[2] << 8 | head[3]) - 2), io.SEEK_CUR)
    return False


@dataclass(frozen=True)
class _Frame:
    """Rows, columns, and how often each component is sampled: horizontally, vertically."""

    rows: int
    columns: int
    sampling: dict[int, tuple[int, int]]

    def units(self, components: bytes) -> int:
        """How many units (MCU) a scan of these components has."""
        across = max(h for h, _ in self.sampling.values())
        down = max(v for _, v in self.sampling.values())
        if len(components) > 1:
            return -(-self.columns // (8 * across)) * -(-self.rows // (8 * down))
        h, v = self.sampling[components[0]]
        columns, rows = -(-self.columns * h // across), -(-self.rows * v // down)
        return -(-columns // 8) * -(-rows // 8)


def _wrong(data: bytes) -> str:
    """What is wrong with the markers; empty: nothing, or nothing that can be told."""
    at, interval = 2, 0
    markers: _Markers | None = None
    frame: _Frame | None = None
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _EOI:
            break
        if marker in _ALONE or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        length = data[at + 2] << 8 | data[at + 3]
        segment = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == _DRI:
            interval = segment[0] << 8 | segment[1]
        elif marker in _BLOCKWISE:
            frame = _frame(segment)
        elif marker == _SOS:
            if not interval or frame is None:
                break
            components = segment[1 : 1 + 2 * segment[0] : 2]
            markers = markers or _Markers(data)
            why, at = markers.wrong(at, -(-frame.units(components) // interval) - 1)
            if why:
                return why
    return ""


def _frame(segment: bytes) -> _Frame | None:
    rows, columns = segment[1] << 8 | segment[2], segment[3] << 8 | segment[4]
    sampling = {
        segment[at]: (segment[at + 1] >> 4, segment[at + 1] & 15)
        for at in range(6, 6 + 3 * segment[5], 3)
    }
    usable = rows and columns and sampling and all(h and v for h, v in sampling.values())
    return _Frame(rows, columns, sampling) if usable else None


class _Markers:
    """Where the markers of a file stand that are in its pictures, not in segments."""

    def __init__(self, data: bytes) -> None:
        values = np.frombuffer(data, np.uint8)
        at = np.flatnonzero(values[:-1] == 0xFF)
        codes = values[at + 1]
        restarts = (codes >= _RST0) & (codes <= _RST7)
        self._restarts, self._numbers = at[restarts], codes[restarts] - _RST0
        # 0xff 0x00 is a byte of the picture, a further 0xff fills
        self._others = at[~restarts & (codes != 0) & (codes != 0xFF)]

    def wrong(self, at: int, wanted: int) -> tuple[str, int]:
        """What is wrong in the scan that begins at `at` and wants so many, and where it ends."""
        following = np.searchsorted(self._others, at)
        if following == len(self._others):
            return "", sys.maxsize  # cut short, which the decoder says
        end = int(self._others[following])
        first, last = np.searchsorted(self._restarts, (at, end))
        numbers = self._numbers[first:last]
        if (numbers != np.arange(len(numbers)) % 8).any():
            return "its restart markers do not follow each other", end
        if wanted <= len(numbers) <= wanted + 1:  # some write one behind the last part, too
            return "", end
        return f"a scan has {counted(len(numbers), 'restart marker')}, not {wanted:,}", end
