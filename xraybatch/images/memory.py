"""What memory decoding may take: a share for each process, and more for one film at a time.

What a film may take depends on the machine and the limits alone, never on how many processes there
are: a film that does not fit into a process's share is tried again where it may take all of that,
one such film at a time. All together stay below the machine's memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from xraybatch.core.memory import Memory, read_memory
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import Limits

_MEMORY = 4  # private bytes that a film may take, by those of its pixels: most need half of that
_ONE = 0.375  # of this machine's memory, for one film
_ALL = 0.75  # the same for all processes together
_LEAST = 384 << 20  # private bytes of a process; one that has loaded its libraries takes 90 MB
_PERHAPS = frozenset({FilmStatus.CORRUPT, FilmStatus.TRUNCATED, FilmStatus.UNSUPPORTED})


@dataclass(frozen=True)
class Shares:
    """How memory is shared.

    Attributes
    ----------
    workers : int
        Processes; at least one.
    each : int
        Private bytes of each.
    alone : int
        Those of one of them while it has a film that did not fit into `each`.
    """

    workers: int
    each: int
    alone: int


def shares(workers: int, limits: Limits) -> Shares:
    """Share this machine's memory among at most so many processes."""
    return shares_of(read_memory(), workers, limits)


def shares_of(machine: Memory | None, workers: int, limits: Limits) -> Shares:
    """The same for a machine; None: one that does not tell."""
    wanted = _MEMORY * limits.max_bytes
    if machine is None:
        return Shares(workers, wanted, wanted)
    alone = min(wanted, int(_ONE * machine.size))
    left = int(_ALL * machine.size) - alone
    workers = min(workers, 1 + left // _LEAST)
    return Shares(workers, alone if workers == 1 else min(alone, left // (workers - 1)), alone)


class Announced:
    """What the header of a film says that it takes, once it was read.

    Attributes
    ----------
    size : int
        Bytes of its pixels.
    """

    size: int = 0


def announce(size: int) -> None:
    """Note what the film that this thread reads takes, before it is decoded."""
    _current.get().size = size


@contextmanager
def announcing() -> Iterator[Announced]:
    """Where it is noted what the film takes that is read within the block."""
    announced = Announced()
    token = _current.set(announced)
    try:
        yield announced
    finally:
        _current.reset(token)


def perhaps_short(error: FilmError, announced: Announced, memory: int) -> bool:
    """Whether a film failed perhaps only because a process had no more memory.

    Parameters
    ----------
    error : FilmError
    announced : Announced
    memory : int
        Private bytes that the process may take.
    """
    if isinstance(error.__cause__, MemoryError):
        return True
    # a library that gets no memory may call the film damaged
    return error.status in _PERHAPS and _MEMORY * announced.size > memory // 2


_current: ContextVar[Announced] = ContextVar("announced", default=Announced())  # noqa: B039
