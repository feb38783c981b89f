"""What the first bytes of a film say: its format, and whether its header alone makes it fail.

The readers judge the header themselves: under a limit of no pixels at all they refuse every film
before they decode it, and what they refuse it for is what the header says. Films are hostile, so
this is done in processes of their own, each film with a time limit.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import TimeoutError as TooLong
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from pebble import ProcessExpired, ProcessPool

from xraybatch.core.cores import available_cores
from xraybatch.core.interrupts import result_of, uninterrupted
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.core.zipped import read_member
from xraybatch.extension.records import ImageReader, Limits
from xraybatch.extension.registry import OURS, Owned, registry
from xraybatch.images.asked import Asked, asking
from xraybatch.images.decode import decode, decode_path
from xraybatch.images.faults import one_status
from xraybatch.images.fetching import Fetch
from xraybatch.images.processes import WorkerContext, end, last_words
from xraybatch.images.readers.raster import check_cost
from xraybatch.images.rule import DecodingRule
from xraybatch.sources.item import HEAD, Item

_SECONDS = 20.0  # that one header may take
_FETCH_SECONDS = 600.0  # and fetching a film, which has limits of its own
_RULE = DecodingRule(8, 8)  # nothing is ever decoded


@dataclass(frozen=True)
class Glance:
    """What the beginning of a film says.

    Attributes
    ----------
    format : str
        Name of the reader that knows its first bytes; empty where none does.
    status : FilmStatus
        ``ok``: nothing in its header is against it. Its pixels may be.
    sentence : str
        Why it is not ``ok``; empty otherwise.
    """

    format: str
    status: FilmStatus
    sentence: str = ""


def glances(
    items: Sequence[Item], max_pixels: int, asked: Asked, fetch: Fetch | None = None
) -> Iterator[Glance]:
    """Look at the headers of films, several at a time; one answer for each, in their order.

    Parameters
    ----------
    items : sequence of Item
    max_pixels : int
        As the run would have it.
    asked : Asked
        What ``--where`` leaves out is ``left_out``.
    fetch : Fetch, optional
        Reads films that are elsewhere, whole.

    Raises
    ------
    XraybatchError
        Where no film can be fetched.
    """
    # the salt stays here: nobody's hash is wanted
    look = partial(glance, max_pixels=max_pixels, asked=Asked(asked.where), fetch=fetch)
    workers = min(available_cores(), 1 + len(items) // 16)
    context = WorkerContext()
    pool = ProcessPool(workers, context=context)
    fetching = _FETCH_SECONDS if any(item.is_remote for item in items) else 0.0
    try:
        looks = []
        for item in items:
            with uninterrupted():
                looks.append(pool.schedule(look, [item], timeout=_SECONDS + fetching))
        for found in looks:
            try:
                yield result_of(found)
            except TooLong:
                yield Glance("", FilmStatus.TIMEOUT, "Its header took too long.")
            except ProcessExpired as error:
                words = last_words(error.exitcode or 0)
                yield Glance("", FilmStatus.CRASHED, f"Its header ended the process ({words}).")
    finally:
        end(pool, context)


def glance(item: Item, max_pixels: int, asked: Asked, fetch: Fetch | None = None) -> Glance:
    """Look at one film; never raises for a film's sake."""
    limits = Limits(max_pixels=0)
    name = ""
    try:
        with asking(asked):
            content = _content(item, limits, fetch)
            owned = _reader_of(_head(item.path) if content is None else content[:HEAD])
            name = owned.record.name if owned else ""
            if owned and owned.owner.partition(":")[0] != OURS:
                return Glance(name, FilmStatus.OK)  # what it does under a limit is not known
            if content is None:
                decode_path(item.path, _RULE, name=item.key, limits=limits)
            else:
                decode(content, _RULE, name=item.key, limits=limits)
        return Glance(name, FilmStatus.OK)
    except FilmError as error:
        if error.shape is None:
            return Glance(name, error.status, error.sentence)
        height, width = error.shape
    try:
        with one_status("The header"):
            check_cost(height, width, 1, 1, Limits(max_pixels))
            if name != _DICOM:  # whose header was asked already
                asked.check({}, dicom=False)
    except FilmError as error:
        return Glance(name, error.status, error.sentence)
    return Glance(name, FilmStatus.OK)


_DICOM = "dicom"


def _content(item: Item, limits: Limits, fetch: Fetch | None) -> bytes | None:
    """The bytes of what lies in an archive or elsewhere; None of what is a file."""
    if item.is_remote:
        assert fetch is not None, "films that are elsewhere need a Fetch"
        return fetch.read(item.path, item.size, item.etag, limits.max_bytes)
    if not item.member:
        return None
    with one_status("The film in its archive"):
        return read_member(item.path, item.member, limits.max_bytes)


def _head(path: str) -> bytes:
    """The first bytes of a regular file; none of what cannot be read, of which decoding tells."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a pipe would be waited for
            return b""
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path of any kind
            return file.read(HEAD)
    except (OSError, ValueError):
        return b""


def _reader_of(head: bytes) -> Owned[ImageReader] | None:
    for owned in registry().records(ImageReader):
        with suppress(Exception):  # a stranger's reader that fails knows nothing of the file
            if head and owned.record.sniff(head):
                return owned
    return None
