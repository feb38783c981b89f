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
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_LOOK = 0.1  # seconds that Ctrl-C may have to wait while a future is waited for
_AHEAD = 4  # of `in_order`: works a thread that are begun before they are asked for


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C, and SIGTERM where it means the same, until the block is through.

    For short blocks: nobody waits gladly after Ctrl-C. In other threads than the main one, which
    no signal interrupts, it does nothing.

    Raises
    ------
    KeyboardInterrupt
        At the end, if a signal came that means it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept: dict[int, FrameType | None] = {}

    def keep(number: int, frame: FrameType | None) -> None:
        kept[number] = frame

    interrupt, term = (signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM))
    try:
        # what is no function is the system's own: ignored, or the end
        if callable(interrupt):
            signal.signal(signal.SIGINT, keep)
        if callable(term):
            signal.signal(signal.SIGTERM, keep)
        yield
    finally:
        try:
            if callable(term):
                signal.signal(signal.SIGTERM, term)
        finally:  # one that comes in between must not take Ctrl-C with it
            if callable(interrupt):
                signal.signal(signal.SIGINT, interrupt)
        for number, frame in kept.items():
            handler = interrupt if number == signal.SIGINT else term
            if callable(handler):
                handler(number, frame)


def is_done(future: Future[Any], within: float = math.inf) -> bool:
    """Whether a future is done, for which it is given so many seconds; Ctrl-C ends the waiting."""
    until = time.monotonic() + within
    while True:
        left = until - time.monotonic()
        with uninterrupted():
            if future.done() or (left > 0 and wait([future], min(left, _LOOK)).done):
                return True
        if left <= 0:
            return False


def result_of(future: Future[_Result]) -> _Result:
    """What ``future.result()`` gives or raises; Ctrl-C ends the waiting."""
    is_done(future)
    try:
        with uninterrupted():
            return future.result()
    finally:
        del future  # else its error, whose traceback has this frame, would keep itself in memory


def beside(work: Callable[[], _Result]) -> Future[_Result]:
    """Begin work in a thread of its own, which keeps nobody from leaving."""
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    with uninterrupted():
        threading.Thread(target=run, name="beside", daemon=True).start()
    return future


def in_order(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    threads: int,
    *,
    leaving: threading.Event | None = None,
) -> Iterator[_Result]:
    """Results of `work` in the order of the items, from so many threads.

    Parameters
    ----------
    work : callable
    items : iterable
        Taken as they are needed.
    threads : int
    leaving : Event, optional
        Set where the results are no longer asked for, so that what is under way may end early. It
        is waited for; what was not begun is dropped.
    """
    executor = ThreadPoolExecutor(threads)
    futures: deque[Future[_Result]] = deque()
    try:
        for item in items:
            with uninterrupted():
                futures.append(executor.submit(work, item))
            if len(futures) >= _AHEAD * threads:
                yield result_of(futures.popleft())
        while futures:
            yield result_of(futures.popleft())
    finally:
        futures.clear()
        with uninterrupted():
            if leaving is not None:
                leaving.set()
            executor.shutdown(wait=False, cancel_futures=True)
        executor.shutdown()
