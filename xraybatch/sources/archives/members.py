"""What an archive holds, one member after the other, and how much of it may be read.

Nothing is written here, links are never followed, and limits are looked at before the bytes that
would break them are read whole.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from xraybatch.core.errors import InputError, XraybatchError
from xraybatch.sources.archives.budget import Budget, gigabytes
from xraybatch.sources.archives.names import LOOK, quoted, refused

ZIP, TAR = "zip", "tar"
_LONGEST_DIRECTORY = 1 << 29  # bytes of a ZIP's names, which a library reads at once
_LONGEST_HEADER = 1 << 20  # bytes of names and attributes before a tar's member
_BLOCK = 512
_FOREIGN = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "RAR", b"\x28\xb5\x2f\xfd": "Zstandard"}


class Readable(Protocol):
    """What a member's bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""


_Open = Callable[[BinaryIO], Readable]
_COMPRESSED: tuple[tuple[bytes, _Open], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
)


@dataclass(frozen=True)
class Member:
    """One file of an archive, not yet read.

    Attributes
    ----------
    name : str
        As the archive has it, not to be trusted.
    is_folder : bool
    open : callable
        Gives its bytes, counted against the budget; before the next member is asked for.
    """

    name: str
    is_folder: bool
    open: Callable[[], Readable]


def kind_of(path: Path) -> str:
    """``zip`` or ``tar`` (compressed or not), judged by the first bytes; empty: no archive.

    Raises
    ------
    InputError
        If it is an archive of a kind that is not read here.
    """
    with path.open("rb") as file:
        head = file.read(_BLOCK)
    if head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return ZIP
    if any(head.startswith(magic) for magic, _ in _COMPRESSED) or _is_tar_header(head):
        return TAR
    for magic, kind in _FOREIGN.items():
        if head.startswith(magic):
            raise InputError(
                f"{quoted(path.name)} is a {kind} archive, which is not read here.",
                "Unpack it with another program and give the folder.",
            )
    return ""


def members(path: Path, kind: str, budget: Budget) -> Iterator[Member]:
    """Each file and folder that an archive holds, in its order.

    Raises
    ------
    InputError
        If it is broken, cut, encrypted or beyond the limits, or holds a link or a device.
    """
    with broken_is_input_error(budget.archive):
        yield from _zip_members(path, budget) if kind == ZIP else _tar_members(path, budget)


@contextmanager
def broken_is_input_error(archive: str) -> Iterator[None]:
    """One seam for whatever the libraries raise at bytes that somebody made to break them."""
    try:
        yield
    except (XraybatchError, GeneratorExit):
        raise
    except NotImplementedError:
        raise InputError(
            f"The archive {quoted(archive)} is compressed in a way that is not read here.",
            "Unpack it with another program and give the folder.",
        ) from None
    except Exception as error:
        reason = " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
        raise InputError(
            f"The archive {quoted(archive)} is broken or cut: {reason.replace(chr(39), '’')}.",
            "Get it again; if its maker tells a SHA-256, `xraybatch prepare --sha256` compares it.",
        ) from None


def _zip_members(path: Path, budget: Budget) -> Iterator[Member]:
    budget.expect(0, count_entries(path))
    with zipfile.ZipFile(path) as archive:
        entries = entries_of(archive, path, budget)
        budget.expect(sum(entry.file_size for entry in entries), 0)
        for entry in entries:
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind == stat.S_IFLNK:
                raise refused(budget.archive, entry.filename, "is a link")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise refused(budget.archive, entry.filename, "is a device or pipe")
            if entry.flag_bits & 1:
                raise InputError(
                    f"The archive {quoted(budget.archive)} is encrypted.",
                    "Unpack it with its password and give the folder.",
                )
            # before a NUL was cut off
            name = entry.orig_filename if "\0" in entry.orig_filename else entry.filename
            yield Member(name, entry.is_dir(), _opener(archive, entry, budget))


def _opener(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget
) -> Callable[[], Readable]:
    return lambda: _Metered(archive.open(entry), budget)


def entries_of(archive: zipfile.ZipFile, path: Path, budget: Budget) -> list[zipfile.ZipInfo]:
    """What the directory of an opened ZIP archive lists.

    Raises
    ------
    InputError
        If those are too many, or more than the file can hold.
    """
    entries = archive.infolist()
    budget.entry(len(entries))
    if sum(entry.compress_size for entry in entries) > path.stat().st_size:
        raise InputError(
            f"The archive {quoted(budget.archive)} is refused: its entries overlap, as in "
            "archives that are made to fill a disk.",
            LOOK,
        )
    return entries


def count_entries(path: Path) -> int:
    """How many entries the directory at the end holds, counted before a library loads them all."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - (1 << 16) - 22))
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or at + 16 > len(tail):
            raise InputError(
                f"The archive {quoted(path.name)} is broken or cut: its directory is not there.",
                "Get it again; if its maker tells a SHA-256, `xraybatch prepare --sha256` "
                "compares it.",
            )
        end = size - len(tail) + at
        length = int.from_bytes(tail[at + 12 : at + 16], "little")
        if length == 0xFFFFFFFF:  # a record before it says it, else all is an upper bound
            wide = tail[max(0, at - 76) : at - 20]
            length = int.from_bytes(wide[40:48], "little") if wide[:4] == b"PK\6\6" else end
        if length > min(_LONGEST_DIRECTORY, size):
            raise InputError(
                f"The archive {quoted(path.name)} is refused: its directory would be "
                f"{gigabytes(length)} long.",
                LOOK,
            )
        file.seek(max(0, end - length - 128))
        count, rest = 0, b""
        while (left := end - file.tell()) > 0 and (block := file.read(min(1 << 20, left))):
            count += (rest + block).count(b"PK\1\2")
            rest = block[-3:]
    return count


def _tar_members(path: Path, budget: Budget) -> Iterator[Member]:
    with path.open("rb") as file:
        head = file.read(_BLOCK)
        file.seek(0)
        unpacked = next((make(file) for magic, make in _COMPRESSED if head.startswith(magic)), file)
        metered = _Metered(unpacked, budget)
        end = 0
        with tarfile.open(
            fileobj=cast(BinaryIO, metered), mode="r|", tarinfo=_Header, errorlevel=2
        ) as archive:
            for entry in archive:
                budget.entry()
                if entry.issym() or entry.islnk():
                    raise refused(budget.archive, entry.name, "is a link")
                if not (entry.isreg() or entry.isdir()):
                    raise refused(budget.archive, entry.name, "is a device or pipe")
                if entry.issparse():  # its holes would be counted nowhere
                    raise refused(budget.archive, entry.name, "is a file with holes")
                if entry.size < 0:
                    raise tarfile.ReadError("a size is negative")
                if entry.isreg():
                    end = entry.offset_data + entry.size
                yield Member(entry.name, entry.isdir(), _reader(archive, entry))
                # every header is kept for a second look that never comes
                cast("list[tarfile.TarInfo]", archive.members).clear()  # type: ignore[attr-defined]
        while metered.read(1 << 20):  # to the checksum at the end
            pass
        if metered.count < end + _BLOCK or metered.tail.strip(b"\0"):
            raise tarfile.ReadError("its end is missing")


def _reader(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Callable[[], Readable]:
    def read() -> Readable:
        opened = archive.extractfile(entry)  # a stream: nothing is written
        assert opened is not None, "a regular file"
        return opened

    return read


class _Header(tarfile.TarInfo):
    """A tar header whose long names and attributes are not believed to be gigabytes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        header = super().frombuf(buf, encoding, errors)
        extra = header.type in (
            *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
            *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
        )
        if extra and header.size > _LONGEST_HEADER:
            raise InputError(
                "The archive is refused: the name of a file in it would be "
                f"{gigabytes(header.size)} long.",
                LOOK,
            )
        return header


class _Metered:
    """A stream whose bytes are counted against a budget."""

    def __init__(self, stream: Readable, budget: Budget) -> None:
        self._stream, self._budget = stream, budget
        self.count = 0
        self.tail = b""

    def read(self, size: int = -1, /) -> bytes:
        block = self._stream.read(size)
        self.count += len(block)
        self.tail = (self.tail + block[-_BLOCK:])[-_BLOCK:]
        self._budget.spend(len(block))
        return block


def _is_tar_header(head: bytes) -> bool:
    if len(head) < _BLOCK or not head.strip(b"\0"):
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True
