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
from typing import BinaryIO

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import ImageReader, Limits, StoredImage
from xraybatch.extension.registry import OURS, Owned, Registry, registry
from xraybatch.images.depth import settle_depth
from xraybatch.images.display import display
from xraybatch.images.faults import one_status
from xraybatch.images.film import Film, FilmFacts
from xraybatch.images.resize import fit, reduced, reducible, upright
from xraybatch.images.rule import DecodingRule

HEAD = 4096  # bytes that a reader may look at to recognise its format
DEFAULT_LIMITS = Limits()


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
    with one_status("The file"):
        stream = io.BytesIO(file) if isinstance(file, bytes) else file
        stream.seek(0)
        head = stream.read(HEAD)
        if not head:
            raise FilmError(FilmStatus.EMPTY, "The file has no bytes.")
        reader = _recognise(head, known)
        with one_status(f"The {reader.name.upper()}"):
            stream.seek(0)
            image = settle_depth(_read(reader, stream, limits, frame, rule))
            orientation = image.hints.orientation
            place = reduced(image.array.shape, image.whole, image.reduction, orientation)
            pixels = fit(upright(display(image), orientation), rule, place)
    notes = (*_foreign(reader), *_lie(name, reader, known), *image.notes)
    return Film(pixels, _facts(image, notes))


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
    with _opened(path) as file:
        return decode(file, rule, name=called, frame=frame, limits=limits, readers=readers)


def installed_readers() -> list[ImageReader]:
    """The readers of this installation in the order they are asked: ours, then strangers'."""
    return list(_installed(registry()))


def strangers_read() -> bool:
    """Whether readers of other packages are installed: what those do to a process is not known."""
    return bool(_strangers())


def readers_in_use() -> list[str]:
    """``owner:name`` of every reader, in the order they are asked: who reads what."""
    return [f"{owned.owner}:{owned.record.name}" for owned in registry().records(ImageReader)]


@lru_cache(maxsize=1)
def _installed(known: Registry) -> tuple[ImageReader, ...]:
    return tuple(owned.record for owned in known.records(ImageReader))


def _strangers() -> tuple[Owned[ImageReader], ...]:
    return _strangers_of(registry())


@lru_cache(maxsize=1)
def _strangers_of(known: Registry) -> tuple[Owned[ImageReader], ...]:
    return tuple(o for o in known.records(ImageReader) if o.owner.partition(":")[0] != OURS)


def _foreign(reader: ImageReader) -> tuple[str, ...]:
    """No reference film is of a stranger's format, so nobody knows whether it decodes as before."""
    return tuple(
        f"Read by '{reader.name}' of {owned.owner}, which no self-test compares."
        for owned in _strangers()
        if owned.record is reader
    )


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        # asked before opening, because opening a pipe waits for its writer
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a path of any kind
            raise FilmError(FilmStatus.UNREADABLE, "It is no regular file.")
        return open(path, "rb")  # noqa: PTH123 - the caller closes
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        said = getattr(error, "strerror", None) or str(error)
        raise FilmError(FilmStatus.UNREADABLE, f"The file cannot be opened: {said}.") from None


def _read(
    reader: ImageReader, stream: BinaryIO, limits: Limits, frame: int, rule: DecodingRule
) -> StoredImage:
    if reader.read_reduced is None:
        return reader.read(stream, limits, frame)
    return reader.read_reduced(stream, limits, frame, partial(reducible, rule=rule))


def _recognise(head: bytes, readers: Sequence[ImageReader]) -> ImageReader:
    for reader in readers:
        try:
            if reader.sniff(head):
                return reader
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: S112 - a stranger's reader that fails knows nothing of it
            continue
    raise FilmError(FilmStatus.UNSUPPORTED, f"No reader knows this content{_guess(head)}.")


# What people find in folders of films, by its first bytes: the sentence then says what it is.
_FOREIGN = (
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"\x1f\x8b", "gzip"),
    (b"<svg", "SVG"),
    (b"<!DOCTYPE html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "XML"),
    (b"{", "JSON"),
)


def _guess(head: bytes) -> str:
    text = head.lstrip()
    for start, words in _FOREIGN:
        if text[: len(start)].lower() == start.lower():
            return f"; it looks like {words}"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypavif", b"ftypmif1"):
        return "; it looks like HEIC or AVIF"
    return "; it holds only zeros" if not head.strip(b"\0") else ""


def _lie(name: str, reader: ImageReader, readers: Sequence[ImageReader]) -> tuple[str, ...]:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a million times
    if suffix in reader.suffixes:
        return ()
    if any(suffix in other.suffixes for other in readers):
        return (f"It is named {suffix}, but is {reader.name.upper()}.",)
    return ()


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
