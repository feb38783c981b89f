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

from xraybatch.extension.records import ImageReader
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
        SHA-256 of its bytes.
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


def look_outside(path: str, name: str, readers: Sequence[ImageReader]) -> Outside:
    """Read a file's bytes once and its header; never raises for a file's sake.

    Parameters
    ----------
    path : str
        What to open.
    name : str
        What the file is called.
    readers : sequence of ImageReader
        Asked for what the bytes are.
    """
    try:
        if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a pipe would be waited for
            with open(path, "rb") as file:  # noqa: PTH123
                return look_inside(file, name, readers)
    except (OSError, ValueError):
        pass
    return Outside(suffix=_suffix(name))


def look_inside(file: BinaryIO, name: str, readers: Sequence[ImageReader]) -> Outside:
    """The same for an open file, which may lie in an archive.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    file.seek(0)
    head = file.read(HEAD)
    size, digest = _whole(file)
    found = Outside(size, digest, _suffix(name))
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


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - a name of any kind


def _whole(file: BinaryIO) -> tuple[int, bytes]:
    digest = hashlib.sha256()
    size = 0
    file.seek(0)
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return size, digest.digest()


def _recognised(head: bytes, readers: Sequence[ImageReader]) -> ImageReader | None:
    for reader in readers:
        try:
            if head and reader.sniff(head):
                return reader
        except Exception:  # noqa: S112 - a stranger's reader that fails knows nothing of it
            continue
    return None
