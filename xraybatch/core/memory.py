"""How much main memory there is, for the machine and for the container around this process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from xraybatch.core.cores import control_groups

_MEMORY = Path("/proc/meminfo")
_UNLIMITED = 1 << 60  # version 1 writes a number near 2**63 for "no limit"


@dataclass(frozen=True)
class Memory:
    """Bytes of main memory: of the machine, now available, and the container's limit and use."""

    total: int
    available: int
    limit: int | None = None
    in_use: int | None = None

    @property
    def size(self) -> int:
        """All that this process and those beside it could ever take."""
        return self.total if self.limit is None else min(self.total, self.limit)

    @property
    def free(self) -> int:
        """What this process may still take."""
        if self.limit is None:
            return self.available
        return min(self.available, max(0, self.limit - (self.in_use or 0)))


def read_memory() -> Memory | None:
    """Main memory; None on a system that does not tell."""
    try:
        lines = _MEMORY.read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if ":" in line}
        total, available = sizes["MemTotal"], sizes["MemAvailable"]
    except (OSError, KeyError, ValueError, IndexError):
        return _memory_of_posix()
    versions = (
        ("", "memory.max", "memory.current"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    )
    limits = [
        (limit, _number(folder / use))
        for controller, name, use in versions
        for folder in control_groups(controller)
        if (limit := _number(folder / name)) is not None and limit < min(_UNLIMITED, total)
    ]
    if not limits:
        return Memory(total, available)
    limit, in_use = min(limits, key=lambda pair: pair[0])
    return Memory(total, available, limit, in_use)


def _memory_of_posix() -> Memory | None:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total = page * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        return Memory(total, page * os.sysconf("SC_AVPHYS_PAGES"))
    except (ValueError, OSError):  # macOS does not count what is free
        return Memory(total, total)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None
