"""How many processor cores this process may use, and using them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from xraybatch.core.interrupts import in_order

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Cores that the affinity mask and the container's quota leave; at least 1.

    ``os.cpu_count`` counts the machine's, and a container with a quota of two would start sixty
    processes.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        allowed = os.cpu_count() or 1
    quota = cpu_quota()
    return max(1, allowed if quota is None else min(allowed, int(quota)))


def in_threads(
    work: Callable[[_Item], _Result], items: Iterable[_Item], threads: int | None = None
) -> list[_Result]:
    """Results of `work`, in the order of the items; several at once where there are cores.

    Each thread multiplies matrices alone meanwhile: threads of ours and threads of OpenBLAS that
    wait for each other made a search of one second one of twenty.

    Parameters
    ----------
    work : callable
        Most of its time in calls that let other threads run, as numpy's on long arrays do.
    items : iterable
    threads : int, optional
        By default as many as there are cores.
    """
    given = list(items)
    workers = min(threads or available_cores(), len(given))
    if workers < 2:
        return [work(item) for item in given]
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        return list(in_order(work, given, workers))


def cpu_quota() -> float | None:
    """The smallest CPU quota, in cores, of the control groups that hold this process.

    Of version 2 or 1; None where there is none.
    """
    found = []
    for folder in control_groups(""):
        try:
            limit, period = (folder / "cpu.max").read_text().split()
            found.append(float(limit) / float(period))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    for folder in control_groups("cpu"):
        try:
            limit = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        except OSError:
            continue
        if float(limit) > 0:  # −1: none
            found.append(float(limit) / float(period))
    return min(found, default=None)


def control_groups(controller: str) -> list[Path]:
    """Folders of the control groups that hold this process, the innermost first.

    Parameters
    ----------
    controller : str
        Of version 1, such as ``memory``; empty for version 2.
    """
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        _, names, inner = line.split(":", 2)
        if controller in names.split(",") if controller else not names:
            root = _CGROUPS / controller
            own = root / inner.strip("/")
            return [own, *(p for p in own.parents if p.is_relative_to(root))]
    return []
