"""`extract_films`: the films of an archive, and of the archives inside it, into a folder of ours.

Names, types and sizes in an archive are anybody's claim. What is written are regular files under
names that were looked at, in a folder that nobody else writes to; what is no film stays inside and
is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from xraybatch.core.errors import InputError
from xraybatch.core.progress import SILENT, Progress, Stage
from xraybatch.sources.archives.budget import ArchiveLimits, Budget
from xraybatch.sources.archives.members import (
    Member,
    Readable,
    broken_is_input_error,
    kind_of,
    members,
)
from xraybatch.sources.archives.names import (
    LOOK,
    Unsafe,
    folded,
    quoted,
    refused,
    safe_parts,
)
from xraybatch.sources.item import HEAD, HIDDEN, MACOSX

FOREIGN_ARCHIVE = "archive of a kind that is not read"
LARGE_TABLE = "table that is too large"
NOT_TEXT = "name that is not UTF-8"
TABLES = frozenset((".csv", ".tsv", ".parquet", ".pq"))
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tbz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
FOREIGN = (".7z", ".rar", ".tar.zst", ".zst")  # known and not read

_COPY = 1 << 20
_LARGEST_TABLE = 256 << 20  # bytes; tables are read whole


@dataclass(frozen=True)
class Extracted:
    """What came out of an archive.

    Attributes
    ----------
    films, tables : int
        Files written.
    archives : int
        Opened, the outermost one among them.
    skipped : mapping of str to int
        Files that stayed inside, by reason.
    """

    films: int
    tables: int
    archives: int
    skipped: Mapping[str, int]


def is_archive(path: Path) -> bool:
    """Whether a file is an archive that can be opened here, judged by its first bytes.

    Raises
    ------
    InputError
        If it is an archive of another kind, or cannot be read.
    """
    try:
        return bool(kind_of(path))
    except OSError as error:
        raise InputError(f"{quoted(str(path))} cannot be read: {error.strerror}.") from None


def extract_films(
    archive: Path,
    folder: Path,
    *,
    why_no_film: Callable[[str, bytes], str],
    name: str = "",
    limits: ArchiveLimits | None = None,
    progress: Progress = SILENT,
) -> Extracted:
    """Write the films and tables of an archive into a folder.

    Parameters
    ----------
    archive : Path
        ZIP, or TAR as it is or compressed by gzip, bzip2 or xz; known by its content.
    folder : Path
        Exists, is empty, and nobody else writes to it.
    why_no_film : callable
        ``why_no_film(file name, first 4 KiB) -> reason``, empty for a film.
    name : str
        Of the archive for sentences; that of the file by default.
    limits : ArchiveLimits, optional
    progress : Progress

    Returns
    -------
    Extracted
        Archives inside the archive are unpacked into a folder of their name without suffix.

    Raises
    ------
    InputError
        At the first thing that a well-meant archive does not have: a name that leaves the folder,
        two names that are one on some system, a link, a device, a size beyond the limits, bytes
        that cannot be read. What was written until then is the caller's to remove.
    """
    limits = limits or ArchiveLimits()
    name = name or archive.name
    try:
        budget = Budget(name, archive.stat().st_size, limits)
        with progress.stage("unpacking", None) as stage:
            work = Unpacking(folder, why_no_film, budget, limits, stage)
            work.archive(archive, (), 0)
    except OSError as error:
        raise InputError(
            f"The archive {quoted(name)} cannot be unpacked: {error.strerror or error}.",
            "Look for room and permissions where it is unpacked.",
        ) from None
    return work.result()


def stem_of(name: str) -> str:
    """The name of an archive without its suffix, empty where it has none of an archive's."""
    suffix = next((suffix for suffix in ARCHIVES if name.lower().endswith(suffix)), "")
    return (name[: -len(suffix)] or name) if suffix else ""


class Unpacking:
    """Archives on their way into a folder, each name in it taken once.

    Parameters
    ----------
    folder, why_no_film, limits
        As `extract_films` takes them.
    budget : Budget
        Names the archive that is unpacked, for sentences.
    stage : Stage
        Advances by each film.
    """

    def __init__(
        self,
        folder: Path,
        why_no_film: Callable[[str, bytes], str],
        budget: Budget,
        limits: ArchiveLimits,
        stage: Stage,
    ) -> None:
        self.films = self.tables = self.archives = 0
        self.skipped: Counter[str] = Counter()
        self._folder, self._why_no_film, self._stage = folder, why_no_film, stage
        self._budget, self._limits = budget, limits
        self._files: set[str] = set()  # folded
        self._folders: set[str] = set()

    def archive(self, path: Path, base: tuple[str, ...], depth: int) -> None:
        """Unpack `path` below the folders `base`."""
        kind = kind_of(path)
        if not kind:
            raise InputError(
                f"{quoted('/'.join(base) or self._budget.archive)} is called an archive and is "
                "none.",
                LOOK,
            )
        self.archives += 1
        for member in members(path, kind, self._budget):
            try:
                parts = base + safe_parts(member.name)
            except Unsafe as why:
                raise refused(self._budget.archive, member.name, str(why)) from None
            if not member.is_folder:
                self._file(member, parts, len(base), depth)

    def loose(self, path: Path, parts: tuple[str, ...]) -> None:
        """Take a file that lies beside archives, as if it came out of one."""
        with path.open("rb") as file:
            self._file(Member("/".join(parts), False, lambda: file), parts, 0, 0)

    def result(self) -> Extracted:
        """What came out until now."""
        skipped = dict(sorted(self.skipped.items()))
        return Extracted(self.films, self.tables, self.archives, skipped)

    def _file(self, member: Member, parts: tuple[str, ...], outer: int, depth: int) -> None:
        own, lower = parts[outer:], parts[-1].lower()
        if MACOSX in own:
            self.skipped[MACOSX] += 1
        elif any(part.startswith(".") for part in own):
            self.skipped[HIDDEN] += 1
        elif lower.endswith(FOREIGN):
            self.skipped[FOREIGN_ARCHIVE] += 1
        elif not _is_text(parts):
            self.skipped[NOT_TEXT] += 1
        elif lower.endswith(ARCHIVES):
            self._inner(member, parts, depth)
        else:
            self._film(member, parts)

    def _inner(self, member: Member, parts: tuple[str, ...], depth: int) -> None:
        if depth >= self._limits.depth:
            raise InputError(
                f"The archive {quoted(self._budget.archive)} has archives inside archives more "
                f"than {self._limits.depth} deep.",
                f"If that is meant, raise --max-depth of `xraybatch prepare`. {LOOK}",
            )
        place = self._folder / f".{depth}.archive"  # no member can be called so: hidden ones stay
        try:
            self._copy(place, b"", self._opened(member))
            self.archive(place, (*parts[:-1], stem_of(parts[-1])), depth + 1)
        finally:
            place.unlink(missing_ok=True)

    def _film(self, member: Member, parts: tuple[str, ...]) -> None:
        stream = self._opened(member)
        with broken_is_input_error(self._budget.archive):
            head = _at_least(stream, HEAD)
        is_table = PurePosixPath(parts[-1]).suffix.lower() in TABLES
        if not is_table and (why := self._why_no_film(parts[-1], head[:HEAD])):
            self.skipped[why] += 1
            return
        self._claim(parts)
        target = self._folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self._copy(target, head, stream, _LARGEST_TABLE if is_table else None):
            target.unlink()
            self.skipped[LARGE_TABLE] += 1
        elif is_table:
            self.tables += 1
        else:
            self.films += 1
            self._stage.advance()

    def _opened(self, member: Member) -> Readable:
        with broken_is_input_error(self._budget.archive):
            return member.open()

    def _claim(self, parts: tuple[str, ...]) -> None:
        """Take a name that no other member has on any file system."""
        name = folded(parts)
        above = {folded(parts[:depth]) for depth in range(1, len(parts))}
        if name in self._files or name in self._folders or above & self._files:
            raise refused(
                self._budget.archive,
                "/".join(parts),
                "has a name that another one has too, at least where capitals do not count",
            )
        self._files.add(name)
        self._folders |= above

    def _copy(self, target: Path, head: bytes, stream: Readable, most: int | None = None) -> bool:
        """Write a member's bytes; False if they are more than `most`."""
        with target.open("xb") as file:  # never into what is there
            file.write(head)
            while most is None or file.tell() <= most:
                with broken_is_input_error(self._budget.archive):
                    block = stream.read(_COPY)
                if not block:
                    return True
                file.write(block)
        return False


def _at_least(stream: Readable, size: int) -> bytes:
    """The first `size` bytes; fewer only where the stream ends."""
    head = b""
    while len(head) < size and (block := stream.read(size - len(head))):
        head += block
    return head


def _is_text(parts: tuple[str, ...]) -> bool:
    try:
        "/".join(parts).encode()
    except UnicodeEncodeError:
        return False
    return True
