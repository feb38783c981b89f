"""How decoding processes start and end: spawned without the caller's main module, deaf to Ctrl-C.

A spawned child normally runs the caller's script again as ``__mp_main__``. A worker needs nothing
of it, and a script without ``if __name__ == "__main__"``, a notebook, or the whole command line
would be run or imported in every worker.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from xraybatch.core.interrupts import uninterrupted

if TYPE_CHECKING:
    from pebble import ProcessPool

_END = 5.0  # seconds in which pebble's threads end after their processes
_one_at_a_time = threading.Lock()


class _WorkerProcess(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802 - multiprocessing's name
        with _one_at_a_time, _no_main(), _no_interrupt():
            return SpawnProcess._Popen(process_obj)


class WorkerContext(SpawnContext):
    """A `multiprocessing` context whose processes are decoding workers."""

    def __init__(self) -> None:
        super().__init__()
        self._started: WeakSet[SpawnProcess] = WeakSet()

    def Process(self, *args: Any, **options: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        """A worker that is not yet started."""
        process = _WorkerProcess(*args, **options)
        self._started.add(process)
        return process

    def kill_all(self) -> None:
        """End all workers of this context at once, also those that are still starting.

        A gentle end would wait for those inside a film, and let those that start find their
        parent's side closed, and say so on the terminal.
        """
        for process in list(self._started):
            if process.pid is not None:
                process.kill()


def end(pool: ProcessPool, context: WorkerContext) -> None:
    """End a pool and its processes at once, whatever they are doing; takes 5 seconds at most."""
    with uninterrupted():
        pool.stop()  # first, so that none is replaced
        context.kill_all()
        # a process that is killed in the middle of a message, or with a lock in its hand, may leave
        # a thread of pebble's waiting for ever: nobody waits for that, and it ends with us
        ending = threading.Thread(target=pool.join, name="end of decoding", daemon=True)
        ending.start()
        ending.join(_END)
        context.kill_all()  # those that were just being started


def kill(process: int) -> None:
    """End a process at once, whatever it is doing."""
    with suppress(OSError):  # it was faster
        os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))


def is_alive(process: int) -> bool:
    """Whether a process still exists; on Windows, where asking would end it, always True."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def last_words(exit_code: int) -> str:
    """What an exit code of `multiprocessing` says: the name of a signal, or the code."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"


@contextmanager
def _no_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """A child inherits the mask: Ctrl-C is the parent's, also while the child still starts."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
