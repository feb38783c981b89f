"""The header of a film, wherever the film lies: the one way to it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from pydicom.dataset import Dataset

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.core.zipped import read_member
from xraybatch.extension.records import Limits
from xraybatch.images.decode import open_film
from xraybatch.images.faults import one_status
from xraybatch.images.fetching import Reading
from xraybatch.images.readers.dicom_stream import open_header
from xraybatch.images.readers.magic import is_dicom
from xraybatch.sources.item import HEAD, Item

_LIMITS = Limits()
MOST_BYTES = _LIMITS.max_bytes


def header_of(item: Item, reading: Reading | None = None) -> Dataset:
    """The header of a DICOM up to its pixels.

    Parameters
    ----------
    item : Item
        A file, a member of a ZIP archive, or a film elsewhere.
    reading : Reading or None
        Of a film elsewhere: its bytes, on their way.

    Raises
    ------
    XraybatchError
        Where no other film can be fetched either.
    FilmError
        ``unsupported`` for what is no DICOM; else why it cannot be had or read. Its sentence quotes
        nothing of the header.
    """
    with _opened(item, reading) as file, one_status("The DICOM"):
        head = file.read(HEAD)
        if not is_dicom(head):
            raise FilmError(FilmStatus.UNSUPPORTED, "It is no DICOM.")
        file.seek(0)
        return open_header(file, _LIMITS).header


@contextmanager
def _opened(item: Item, reading: Reading | None) -> Iterator[BinaryIO]:
    if reading is not None:
        yield io.BytesIO(reading.wait().bytes_or_error())
        return
    if item.member:
        yield io.BytesIO(read_member(item.path, item.member, _LIMITS.max_bytes))
        return
    with open_film(item.path) as file:
        yield file
