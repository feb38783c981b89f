"""Which reader a file is for: its first bytes decide, never its name."""

from __future__ import annotations

from collections.abc import Sequence

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import ImageReader

HEAD = 4096  # bytes that a reader may look at to recognise its format


def recognise(head: bytes, readers: Sequence[ImageReader]) -> ImageReader:
    """The first reader that knows a file by its first bytes.

    Raises
    ------
    FilmError
        ``unsupported``, with a guess at what it is, where none does.
    """
    for reader in readers:
        try:
            if reader.sniff(head):
                return reader
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: S112 - a stranger's reader that fails knows nothing of it
            continue
    raise FilmError(FilmStatus.UNSUPPORTED, f"No reader knows this content{_guess(head)}.")


def lies(name: str, reader: ImageReader, readers: Sequence[ImageReader]) -> tuple[str, ...]:
    """The note of a suffix that is another reader's than the one that reads the film."""
    suffix = name[name.rfind(".") :].lower()  # without a dot a letter, which is no suffix
    if suffix in reader.suffixes:
        return ()
    if any(suffix in other.suffixes for other in readers):
        return (f"It is named {suffix}, but is {reader.name.upper()}.",)
    return ()


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
