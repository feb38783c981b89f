"""What an archive may grow to, counted while it and those inside it are read."""

from __future__ import annotations

from dataclasses import dataclass

from xraybatch.core.errors import InputError
from xraybatch.sources.archives.names import LOOK, quoted

_FLOOR = 10 << 20  # bytes: what unpacks to less is no bomb, however small it was


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may grow to.

    Attributes
    ----------
    total : int
        Bytes, all archives inside it together.
    ratio : float
        Bytes unpacked for each byte of the file.
    entries : int
    depth : int
        Archives inside archives; 0: none.
    """

    total: int = 100 << 30
    ratio: float = 200.0
    entries: int = 1_000_000
    depth: int = 3


class Budget:
    """What is left of the limits while one archive, and those inside it, are read.

    Parameters
    ----------
    archive : str
        Its name, for sentences.
    size : int
        Of its file.
    limits : ArchiveLimits
    """

    def __init__(self, archive: str, size: int, limits: ArchiveLimits) -> None:
        self.archive = archive
        self._limits = limits
        self._by_ratio = max(_FLOOR, int(size * limits.ratio))
        self._bytes = 0
        self._entries = 0

    def next(self, archive: str, size: int) -> None:
        """Go on with another archive beside the one before; the limits hold for both together.

        Parameters
        ----------
        archive : str
            Its name, for sentences.
        size : int
            Of its file.
        """
        self.archive = archive
        self._by_ratio = self._bytes + max(_FLOOR, int(size * self._limits.ratio))

    def entry(self, count: int = 1) -> None:
        """Count entries that were met.

        Raises
        ------
        InputError
            If there are more than the limit.
        """
        self._entries += count
        self._check_entries(self._entries)

    def expect(self, size: int, entries: int) -> None:
        """Look ahead at what an archive says that it holds.

        Raises
        ------
        InputError
            If that is more than the limits.
        """
        self._check(self._bytes + size)
        self._check_entries(self._entries + entries)

    def spend(self, size: int) -> None:
        """Count bytes that were unpacked.

        Raises
        ------
        InputError
            If they are more than the limits.
        """
        self._bytes += size
        self._check(self._bytes)

    def _check(self, size: int) -> None:
        if size > self._limits.total:
            raise InputError(
                f"The archive {quoted(self.archive)} holds more than "
                f"{gigabytes(self._limits.total)} unpacked.",
                "If that is meant, raise --max-gigabytes of `xraybatch prepare`.",
            )
        if size > self._by_ratio:
            raise InputError(
                f"The archive {quoted(self.archive)} unpacks to more than "
                f"{self._limits.ratio:g} times its size, as archives do that are made to fill a "
                "disk.",
                f"If you trust it, raise --max-ratio of `xraybatch prepare`. {LOOK}",
            )

    def _check_entries(self, entries: int) -> None:
        if entries > self._limits.entries:
            raise InputError(
                f"The archive {quoted(self.archive)} has more than {self._limits.entries:,} "
                "entries.",
                "If that is meant, raise --max-entries of `xraybatch prepare`.",
            )


def gigabytes(size: int) -> str:
    """``3.2 GB``, or in MB where it is less than one."""
    return f"{size / (1 << 30):,.3g} GB" if size >= 1 << 30 else f"{size / (1 << 20):,.3g} MB"
