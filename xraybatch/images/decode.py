"""`decode`: the only way from bytes to a film.

Sniff the bytes → reader: stored values and display hints → depth where none is declared → display
values in uint8 → orientation → size of the rule. One order for every format.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, BinaryIO

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import ImageReader, Limits, StoredImage
from xraybatch.extension.records.image import ReadFrame
from xraybatch.extension.registry import OURS, Owned, Registry, registry
from xraybatch.images.depth import settle_depth
from xraybatch.images.display import display
from xraybatch.images.faults import one_status
from xraybatch.images.film import Film, FilmFacts
from xraybatch.images.recognise import HEAD, lies, recognise
from xraybatch.images.resize import fit, reduced, reducible, upright
from xraybatch.images.rule import DecodingRule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_LIMITS = Limits()

_SMALL = 1 << 16  # bytes of a file that is read at once


def decode(
    file: BinaryIO | bytes,
    rule: DecodingRule,
    *,
    name: str = "",
    frame: int = 0,
    limits: Limits = DEFAULT_LIMITS,
    readers: Sequence[ImageReader] | None = None,
) -> Film:
    """Decode one film.

    Parameters
    ----------
    file : binary file or bytes
        Seekable. Not closed.
    rule : DecodingRule
    name : str
        What the file is called; a suffix that lies is noted.
    frame : int
        Which frame, from 0.
    limits : Limits
    readers : sequence of ImageReader, optional
        Asked in this order; those of the installation, ours first, if None.

    Returns
    -------
    Film
        Pixels of the rule's size.

    Raises
    ------
    FilmError
        With a status and a sentence, for everything that is no whole film.
    """
    known = installed_readers() if readers is None else readers
    with one_status("The file") as reading:
        stream, head = _begun(io.BytesIO(file) if isinstance(file, bytes) else file)
        reader = recognise(head, known)
        reading.what = f"The {reader.name.upper()}"
        stream.seek(0)
        image = settle_depth(_read(reader, stream, limits, frame, rule))
        pixels = _shown(image, rule)
        notes = (*_foreign(reader), *lies(name, reader, known), *image.notes)
        return Film(pixels, _facts(image, notes))


class FrameDecoder:
    """A file whose frames are decoded one after another, each as `decode` would.

    Parameters
    ----------
    stream : binary file
        Seekable; stays open while frames are asked for.
    rule, name, limits, readers
        As of `decode`.

    Raises
    ------
    FilmError
        As `decode`, where the file cannot be opened as one with frames.
    """

    def __init__(
        self,
        stream: BinaryIO,
        rule: DecodingRule,
        *,
        name: str = "",
        limits: Limits = DEFAULT_LIMITS,
        readers: Sequence[ImageReader] | None = None,
    ) -> None:
        known = installed_readers() if readers is None else readers
        self._rule, self._limits = rule, limits
        with one_status("The file"):
            self._stream, head = _begun(stream)
            self._reader = recognise(head, known)
        self._said = (*_foreign(self._reader), *lies(name, self._reader, known))
        self._read: ReadFrame | None = None

    def film(self, frame: int) -> Film:
        """Decode a frame, from 0.

        Raises
        ------
        FilmError
            With a status and a sentence; other frames can be asked for all the same.
        """
        with one_status(f"The {self._reader.name.upper()}"):
            image = settle_depth(self._stored(frame))
            pixels = _shown(image, self._rule)
            return Film(pixels, _facts(image, (*self._said, *image.notes)))

    def _stored(self, frame: int) -> StoredImage:
        if self._reader.open_frames is None:
            self._stream.seek(0)
            return _read(self._reader, self._stream, self._limits, frame, self._rule)
        if self._read is None:
            self._stream.seek(0)
            self._read = self._reader.open_frames(self._stream, self._limits)
        return self._read(frame)


def decode_path(
    path: str | os.PathLike[str],
    rule: DecodingRule,
    *,
    name: str | None = None,
    frame: int = 0,
    limits: Limits = DEFAULT_LIMITS,
    readers: Sequence[ImageReader] | None = None,
) -> Film:
    """Decode a file of the file system; see `decode`.

    `name` is the file's own where it is None.

    Raises
    ------
    FilmError
        Also ``unreadable``, for what cannot be opened or is no regular file; a pipe is not waited
        for.
    """
    called = os.path.basename(path) if name is None else name  # noqa: PTH119 - a million times
    with open_film(path) as file:
        return decode(file, rule, name=called, frame=frame, limits=limits, readers=readers)


def installed_readers() -> list[ImageReader]:
    """The readers of this installation in the order they are asked: ours, then strangers'."""
    return list(_installed(registry()))


def readers_in_use() -> list[str]:
    """``owner:name`` of every reader, in the order they are asked: who reads what."""
    return [f"{owned.owner}:{owned.record.name}" for owned in registry().records(ImageReader)]


@lru_cache(maxsize=1)
def _installed(known: Registry) -> tuple[ImageReader, ...]:
    return tuple(owned.record for owned in known.records(ImageReader))


@lru_cache(maxsize=1)
def _strangers(known: Registry) -> tuple[Owned[ImageReader], ...]:
    return tuple(o for o in known.records(ImageReader) if o.owner.partition(":")[0] != OURS)


def _foreign(reader: ImageReader) -> tuple[str, ...]:
    """No reference film is of a stranger's format, so nobody knows whether it decodes as before."""
    return tuple(
        f"Read by '{reader.name}' of {owned.owner}, which no self-test compares."
        for owned in _strangers(registry())
        if owned.record is reader
    )


def open_film(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a film of the file system.

    Raises
    ------
    FilmError
        ``unreadable``, for what cannot be opened or is no regular file.
    """
    try:
        # asked before opening, because opening a pipe waits for its writer
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a path of any kind
            raise FilmError(FilmStatus.UNREADABLE, "It is no regular file.")
        return open(path, "rb")  # noqa: PTH123 - the caller closes
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        said = getattr(error, "strerror", None) or str(error)
        raise FilmError(FilmStatus.UNREADABLE, f"The file cannot be opened: {said}.") from None


def _begun(stream: BinaryIO) -> tuple[BinaryIO, bytes]:
    """A file and its first bytes; a small one of the file system is then in memory, to seek in."""
    on_disk = isinstance(stream, io.BufferedReader)  # reads less than asked for only at the end
    stream.seek(0)
    start = stream.read(_SMALL if on_disk else HEAD)
    if not start:
        raise FilmError(FilmStatus.EMPTY, "The file has no bytes.")
    if on_disk and len(start) < _SMALL:
        stream = io.BytesIO(start)
    return stream, start[:HEAD]


def _shown(image: StoredImage, rule: DecodingRule) -> NDArray[np.uint8]:
    """Stored values as the film that a network sees."""
    orientation = image.hints.orientation
    place = reduced(image.array.shape, image.whole, image.reduction, orientation)
    return fit(upright(display(image), orientation), rule, place)


def _read(
    reader: ImageReader, stream: BinaryIO, limits: Limits, frame: int, rule: DecodingRule
) -> StoredImage:
    if reader.read_reduced is None:
        return reader.read(stream, limits, frame)
    return reader.read_reduced(stream, limits, frame, partial(reducible, rule=rule))


def _facts(image: StoredImage, notes: tuple[str, ...]) -> FilmFacts:
    height, width = image.whole or image.array.shape[:2]
    return FilmFacts(
        format=image.format,
        height=height,
        width=width,
        bits_stored=image.hints.bits_stored or _bits(image),
        reader=image.reader,
        frames=image.frames,
        notes=notes,
        tags=dict(image.facts),
        turned=image.hints.orientation >= 5,
    )


def _bits(image: StoredImage) -> int:
    return 1 if image.array.dtype.kind == "b" else image.array.dtype.itemsize * 8
