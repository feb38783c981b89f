"""What the operating system says: processor cores, memory, disks, text encoding, environment.

Only reads; a fact that this system does not tell is None.
"""

from __future__ import annotations

import locale
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from xraybatch.core.cores import available_cores, control_groups, cpu_quota
from xraybatch.models.devices import TELEMETRY_VARIABLE

PREFIX = "XRAYBATCH_"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - looked at, not written
_SHOWN = ("XRAYBATCH_BLOCK",)
_MEMORY = Path("/proc/meminfo")
_UNLIMITED = 1 << 60  # version 1 writes a number near 2**63 for "no limit"


@dataclass(frozen=True)
class System:
    """Python and what it runs on; no name of host or user."""

    python: str
    implementation: str
    bits: int
    system: str
    machine: str
    libc: str


@dataclass(frozen=True)
class Cores:
    """Processor cores: of the machine, those this process may run on, its quota, those used."""

    machine: int
    affinity: int
    quota: float | None
    used: int


@dataclass(frozen=True)
class Memory:
    """Bytes of main memory: of the machine, now available, and the container's limit and use."""

    total: int
    available: int
    limit: int | None = None
    in_use: int | None = None

    @property
    def free(self) -> int:
        """What this process may still take."""
        if self.limit is None:
            return self.available
        return min(self.available, max(0, self.limit - (self.in_use or 0)))


@dataclass(frozen=True)
class Place:
    """A folder: bytes free on its disk, and whether it can be written."""

    free: int
    total: int
    writable: bool


@dataclass(frozen=True)
class Text:
    """Encodings: of file names, of files by default, of standard output."""

    file_names: str
    files: str
    output: str


def read_system() -> System:
    """Python's version and the platform's."""
    return System(
        platform.python_version(),
        platform.python_implementation(),
        sys.maxsize.bit_length() + 1,
        f"{platform.system()} {platform.release()}",
        platform.machine(),
        " ".join(part for part in platform.libc_ver() if part),
    )


def read_cores() -> Cores:
    """Cores by four ways of counting."""
    machine = os.cpu_count() or 1
    try:
        affinity = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        affinity = machine
    return Cores(machine, affinity, cpu_quota(), available_cores())


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


def read_place(folder: Path) -> Place:
    """Free space where `folder` is or would be made."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    usage = shutil.disk_usage(there)
    return Place(usage.free, usage.total, os.access(there, os.W_OK))


def read_shared_memory() -> Place | None:
    """The disk of shared memory, which containers make small; None where there is none."""
    folder = Path(SHARED_MEMORY)
    return read_place(folder) if folder.is_dir() else None


def read_text() -> Text:
    """Encodings of this process."""
    return Text(
        sys.getfilesystemencoding(),
        locale.getpreferredencoding(False),
        getattr(sys.stdout, "encoding", "") or "",
    )


def read_environment() -> dict[str, str]:
    """Our own variables that are set; what may be a password or a path is not shown."""
    return {
        name: value if name in _SHOWN else "(set, not shown)"
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIX)
    }


def read_telemetry() -> str:
    """Whether onnxruntime may report to its maker: what the variable says that it reads."""
    return os.environ.get(TELEMETRY_VARIABLE, "")


def folder_size(folder: Path) -> int:
    """Bytes of the files below `folder`; those that vanish meanwhile count nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return total


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
