"""Files made worse: cut short, a bit flipped; and reading them without waiting for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

_CUTS = 32
_FLIPS = 48
_START = 64  # bytes from the start at which a header is likely: each is cut and flipped sooner


def cut(file: bytes) -> Iterator[tuple[int, bytes]]:
    """The file cut at places from its first byte to its last but one; length and bytes."""
    lengths = np.linspace(1, len(file) - 1, _CUTS).astype(int).tolist()
    lengths += range(4, min(_START, len(file)), 6)
    for length in sorted(set(lengths)):
        yield length, file[:length]


def flipped(file: bytes) -> Iterator[tuple[int, bytes]]:
    """The file with one bit flipped, a third of the places near its start; place and bytes."""
    random = np.random.default_rng(13)
    for number in range(_FLIPS):
        place = int(random.integers(min(_START, len(file)) if number % 3 == 0 else len(file)))
        worse = bytearray(file)
        worse[place] ^= 1 << int(random.integers(8))
        yield place, bytes(worse)


def within(seconds: float, work: Callable[[], T]) -> T:
    """Do `work` in a thread, which is left behind when it takes longer.

    Raises
    ------
    TimeoutError
        If it does.
    """
    result: dict[str, Any] = {}

    def run() -> None:
        try:
            result["value"] = work()
        except BaseException as error:
            result["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError
    if "error" in result:
        raise result["error"]
    value: T = result["value"]
    return value
