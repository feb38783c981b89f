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

from xraybatch.core.cores import available_cores, cpu_quota
from xraybatch.models.devices import TELEMETRY_VARIABLE

PREFIX = "XRAYBATCH_"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - looked at, not written
_SHOWN = ("XRAYBATCH_BLOCK",)


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
