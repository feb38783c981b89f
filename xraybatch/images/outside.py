"""What a file is outside its pixels: bytes, compression, colour, and what its header says.

Nothing here is a film. A network should not need any of it, and where it tells the classes apart, a
network may learn it all the same. So the audit asks for it, in the pass that decodes the films.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from xraybatch.core.status import FilmError
from xraybatch.core.zipped import read_member
from xraybatch.extension.records import ImageReader, Limits
from xraybatch.images.decode import DEFAULT_LIMITS
from xraybatch.images.headers import HeaderFacts, header_facts
from xraybatch.images.recognise import HEAD

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Outside:
    """A file as it is outside its pixels; what it does not say is empty or None.

    Attributes
    ----------
    size : int
        Bytes.
    digest : bytes
        SHA-256 of its bytes, where it was asked for.
    suffix : str
        Of its name, in lower case.
    content : str
        What its first bytes say it is, in capitals: ``JPEG``.
    suffix_lies : bool
        Whether the suffix is another reader's.
    header : HeaderFacts
    """

    size: int = 0
    digest: bytes = b""
    suffix: str = ""
    content: str = ""
    suffix_lies: bool = False
    header: HeaderFacts = field(default_factory=HeaderFacts)


def look_outside(
    path: str, name: str, readers: Sequence[ImageReader], *, hashed: bool = True
) -> Outside:
    """Read a file's header, and all of its bytes where wanted; never raises for a file's sake.

    Parameters
    ----------
    path : str
        What to open.
    name : str
        What the file is called.
    readers : sequence of ImageReader
        Asked for what the bytes are.
    hashed : bool
        Whether the digest of its bytes is wanted, which takes reading all of them.
    """
    try:
        if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a pipe would be waited for
            with open(path, "rb") as file:  # noqa: PTH123
                return look_inside(file, name, readers, hashed=hashed)
    except (OSError, ValueError):
        pass
    return Outside(suffix=_suffix(name))


def look_inside(
    file: BinaryIO, name: str, readers: Sequence[ImageReader], *, hashed: bool = True
) -> Outside:
    """The same for an open file, which may lie in an archive.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    file.seek(0)
    head = file.read(HEAD)
    digest = _digest(file) if hashed else b""
    found = Outside(file.seek(0, os.SEEK_END), digest, _suffix(name))
    reader = _recognised(head, readers)
    if reader is None:
        return found
    claimed = {s for other in readers for s in other.suffixes}
    return replace(
        found,
        content=reader.name.upper(),
        suffix_lies=found.suffix in claimed and found.suffix not in reader.suffixes,
        header=header_facts(file, reader.name),
    )


def bytes_digest(path: str, member: str = "", limits: Limits = DEFAULT_LIMITS) -> bytes:
    """SHA-256 of a file, or of a member of an archive; empty where it cannot be read."""
    try:
        if member:
            return hashlib.sha256(read_member(path, member, limits.max_bytes)).digest()
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a pipe would be waited for
            return b""
        with open(path, "rb") as file:  # noqa: PTH123 - a path of any kind
            return _digest(file)
    except (OSError, ValueError, FilmError):
        return b""


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - a name of any kind


def _digest(file: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.digest()


def _recognised(head: bytes, readers: Sequence[ImageReader]) -> ImageReader | None:
    for reader in readers:
        try:
            if head and reader.sniff(head):
                return reader
        except Exception:  # noqa: S112 - a stranger's reader that fails knows nothing of it
            continue
    return None
