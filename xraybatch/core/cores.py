"""How many processor cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Cores that the affinity mask and the container's quota leave; at least 1.

    ``os.cpu_count`` counts the machine's, and a container with a quota of two would start sixty
    processes.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, int(_quota())))


def _quota() -> float:
    """The smallest CPU quota of the control groups (version 2) that hold this process."""
    smallest = float("inf")
    for folder in _own_groups():
        try:
            limit, period = (folder / "cpu.max").read_text().split()
            smallest = min(smallest, float(limit) / float(period))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return smallest if smallest != float("inf") else 1e6


def _own_groups() -> list[Path]:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    inner = next((line[3:] for line in lines if line.startswith("0::")), "/")
    own = _CGROUPS / inner.strip("/")
    return [own, *(parent for parent in own.parents if parent.is_relative_to(_CGROUPS))]
