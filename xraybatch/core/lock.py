"""A file held against other processes; whatever ends this one lets it go."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from xraybatch.core.errors import InputError

_AGAIN = 0.2  # seconds between two looks


class Taken(Exception):
    """Another process holds the file."""


@contextmanager
def exclusive(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a file within the block.

    The file is made where it is missing, and stays: whoever removed it would let two in. Its lock
    is SQLite's, which every system has and which ends with the process, however that ends.

    Parameters
    ----------
    path : Path
        In a folder that is there.
    waiting : callable, optional
        Called once where another process holds it, which is then waited for; None: not waited for.

    Raises
    ------
    Taken
        If another process holds it and is not waited for.
    InputError
        If it cannot be held at all, as on some network drives.
    """
    try:
        opened = sqlite3.connect(path, timeout=0, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise _unlockable(path, error) from None
    with closing(opened) as lock:
        told = False
        while not _begun(lock, path):
            if waiting is None:
                raise Taken
            if not told:
                waiting()
                told = True
            time.sleep(_AGAIN)
        yield


def _begun(lock: sqlite3.Connection, path: Path) -> bool:
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise _unlockable(path, error) from None
    return True


def _unlockable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} cannot be held against other processes: {error}.",
        "Work on a local disk that you may write to; XRAYBATCH_CACHE names the cache's folder.",
    )
