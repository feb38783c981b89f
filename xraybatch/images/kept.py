"""The file whose frames are decoded one after another: opened once, and kept until another's turn.

A decoding process has one of these. It holds what it read last only where more frames are likely to
be asked for, and never two files.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from xraybatch.core.zipped import read_member
from xraybatch.extension.records import ImageReader, Limits
from xraybatch.images.rule import DecodingRule

if TYPE_CHECKING:
    from xraybatch.images.decode import FrameDecoder
    from xraybatch.images.fetching import Fetched
    from xraybatch.images.film import Film


@dataclass(frozen=True)
class FilmSource:
    """A film to decode.

    Attributes
    ----------
    path : str
        In the file system: the film, or the ZIP archive that it lies in.
    name : str
        What it is called; a suffix that lies is noted.
    frame : int
        From 0.
    member : str
        Its place in the archive (`ZipPlace`); empty: it lies in none.
    size : int
        Bytes, as far as whoever listed it knew; 0 where nobody says.
    etag : str
        What its store calls this version; empty where it lies in the file system.
    is_remote : bool
        `path` is an address: the film is fetched, not opened.
    """

    path: str
    name: str
    frame: int = 0
    member: str = ""
    size: int = 0
    etag: str = ""
    is_remote: bool = False

    @property
    def file(self) -> tuple[str, str, str, int, str]:
        """What frames of one file have in common."""
        return (self.path, self.member, self.name, self.size, self.etag)


class KeptFile:
    """Decodes films; of a file whose later frames are asked for, what was opened is kept.

    Parameters
    ----------
    rule : DecodingRule
    limits : Limits
    readers : sequence of ImageReader or None
        Those of the installation if None.
    """

    def __init__(
        self, rule: DecodingRule, limits: Limits, readers: Sequence[ImageReader] | None
    ) -> None:
        self.rule, self.limits, self.readers = rule, limits, readers
        self._which: tuple[object, ...] = ()
        self._file: BinaryIO | None = None
        self._decoder: FrameDecoder | None = None

    def film(self, source: FilmSource, fetched: Fetched | None = None) -> Film:
        """Decode a film.

        Parameters
        ----------
        source : FilmSource
        fetched : Fetched, optional
            Of one that is elsewhere, unless it is kept.

        Raises
        ------
        FilmError
            With a status and a sentence.
        """
        if source.frame == 0:  # perhaps its only one
            self.close()
            return self._alone(source, fetched)
        if not self.holds(source):
            self.close()
            which = _identity(source)
            self._open(source, fetched)
            self._which = which
        assert self._decoder is not None
        film = self._decoder.film(source.frame)
        if source.frame + 1 >= film.facts.frames:
            self.close()
        return film

    def holds(self, source: FilmSource) -> bool:
        """Whether the film's file is open already."""
        if source.frame == 0 or self._decoder is None:
            return False
        return _identity(source) == self._which

    def close(self) -> None:
        """Let go of the file and of what was unpacked."""
        self._which, self._decoder = (), None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _alone(self, source: FilmSource, fetched: Fetched | None) -> Film:
        from xraybatch.images.decode import decode, decode_path

        rule, limits, readers = self.rule, self.limits, self.readers
        if not (source.member or source.is_remote):
            return decode_path(source.path, rule, name=source.name, limits=limits, readers=readers)
        content = self._content(source, fetched)
        return decode(content, rule, name=source.name, limits=limits, readers=readers)

    def _open(self, source: FilmSource, fetched: Fetched | None) -> None:
        from xraybatch.images.decode import FrameDecoder, open_film

        if source.member or source.is_remote:
            self._file = io.BytesIO(self._content(source, fetched))
        else:
            self._file = open_film(source.path)
        self._decoder = FrameDecoder(
            self._file, self.rule, name=source.name, limits=self.limits, readers=self.readers
        )

    def _content(self, source: FilmSource, fetched: Fetched | None) -> bytes:
        from xraybatch.images.faults import one_status

        if source.is_remote:
            assert fetched is not None, "whoever decodes films that are elsewhere fetches them"
            return fetched.bytes_or_error()
        with one_status("The film in its archive"):
            return read_member(source.path, source.member, self.limits.max_bytes)


def _identity(source: FilmSource) -> tuple[object, ...]:
    """Tells a file from another, and from itself after it was written anew."""
    if source.is_remote:
        return source.file
    try:
        now = os.stat(source.path)  # noqa: PTH116 - a path of any kind
    except (OSError, ValueError):  # it is gone; opening it says why
        return ()
    written = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns)
    return (source.path, source.member, source.name, *written)
