"""This machine's processor: its name, and one ability that decides how int8 is computed."""

from __future__ import annotations

import platform
from pathlib import Path

_VNNI = frozenset({"avx512_vnni", "avx_vnni"})


def cpu_name() -> str:
    """Architecture and model name of this machine's CPU."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return f"{platform.machine()} {line.split(':', 1)[1].strip()}"
    except OSError:
        pass
    return f"{platform.machine()} {platform.processor()}".strip()


def has_vnni() -> bool:
    """Whether this processor is known to add products of 8 bits in 32."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return False
    return not _VNNI.isdisjoint(flags.split())
