"""Ctrl-C where nothing is half done.

Python raises KeyboardInterrupt between any two instructions of the main thread, also where a
`threading.Condition`, and with it a `Future`, has just taken its lock and not yet come to the line
that gives it back. The lock is then held for ever: whoever wants it next waits for ever, or is told
that it was never taken.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_LOOK = 0.1  # seconds that Ctrl-C may have to wait while a future is waited for
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C, and SIGTERM where it means the same, until the block is through.

    For blocks of well under a second. In other threads than the main one, which no signal
    interrupts, it does nothing.

    Raises
    ------
    KeyboardInterrupt
        At the end, if a signal came that means it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept: list[tuple[Any, ...]] = []

    def keep(*came: Any) -> None:
        kept.append(came)

    before: dict[signal.Signals, Callable[..., Any]] = {}
    try:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):  # else the system's own: ignored, or the end
                before[number] = handler
                signal.signal(number, keep)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for came in kept[:1]:
            before[came[0]](*came)


def is_done(future: Future[Any], within: float = math.inf) -> bool:
    """Whether a future is done, for which it is given so many seconds; Ctrl-C ends the waiting."""
    until = time.monotonic() + within
    while True:
        left = until - time.monotonic()
        with uninterrupted():
            if wait([future], max(0.0, min(left, _LOOK))).done:
                return True
        if left <= 0:
            return False


def result_of(future: Future[_Result]) -> _Result:
    """What ``future.result()`` gives or raises; Ctrl-C ends the waiting."""
    is_done(future)
    with uninterrupted():
        return future.result()


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], threads: int
) -> Iterator[_Result]:
    """Results of `work` in the order of the items, from so many threads.

    What was not begun is dropped where the results are no longer asked for.
    """
    executor = ThreadPoolExecutor(threads)
    try:
        with uninterrupted():
            futures = [executor.submit(work, item) for item in items]
        for future in futures:
            yield result_of(future)
    finally:
        executor.shutdown(cancel_futures=True)
