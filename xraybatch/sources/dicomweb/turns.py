"""Taking turns: how many may ask a server at once, and how often, over all processes of a run.

Whoever asks holds one of so many files locked. The system unlocks what a process held, however that
ends, so nobody who is killed keeps a place. A small file says when the next one may begin, until
when all of them wait, and how many films were refused before the first one came.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from xraybatch.core.errors import InputError

_LOOK = 0.01  # seconds between two looks at a file that another holds
_STATE = struct.Struct("<ddqq")


@dataclass
class State:
    """What all processes know of the server.

    Attributes
    ----------
    next_begin, closed_until : float
        Of the monotonic clock, which all processes of a machine share.
    answered : int
        1: a film came.
    refused : int
        Films that the server did not give to us.
    """

    next_begin: float = 0.0
    closed_until: float = 0.0
    answered: int = 0
    refused: int = 0


class Turns:
    """Who may ask; to be pickled, so that all processes have the same.

    Parameters
    ----------
    folder : str
        On a local disk; made where it is missing. On another machine it is another one.
    most : int
        How many may ask at once.
    rate : float or None
        How many may begin in a second; None: as many as come.

    Attributes
    ----------
    folder : str
    """

    def __init__(self, folder: str, most: int, rate: float | None = None) -> None:
        self.folder = folder
        self._most = most
        self._interval = 1 / rate if rate else 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place and for the time, and hold the place within the block."""
        # one of all that wait looks at the places, the others wait for that one's file
        queue = self._held("queue", _LOOK)
        try:
            place = self._place()
        finally:
            os.close(queue)
        try:
            self._wait()
            yield
        finally:
            os.close(place)

    def close_for(self, seconds: float) -> None:
        """Let nobody begin for so long: the server asked for it."""
        with self._state() as state:
            state.closed_until = max(state.closed_until, time.monotonic() + seconds)

    def answered(self) -> None:
        """A film came."""
        with self._state() as state:
            state.answered = 1

    def refused(self) -> State:
        """A film was not given to us; what is known now."""
        with self._state() as state:
            state.refused += 1
        return state

    def _wait(self) -> None:
        """Until the server takes requests, and the last one began long enough ago."""
        with self._state() as state:
            begin = max(time.monotonic(), state.next_begin)
            state.next_begin = begin + self._interval
        while True:
            with self._state() as state:
                until = max(begin, state.closed_until)
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(left)

    def _place(self) -> int:
        places = [self._open(f"place-{number}") for number in range(self._most)]
        try:
            while True:
                for place in places:
                    if _locked(place):
                        places.remove(place)
                        return place
                time.sleep(_LOOK)
        finally:
            for place in places:
                os.close(place)

    @contextmanager
    def _state(self) -> Iterator[State]:
        file = self._held("state", _LOOK / 10)
        try:
            content = os.read(file, _STATE.size)
            known = len(content) == _STATE.size
            state = State(*_STATE.unpack(content)) if known else State()
            before = astuple(state)
            yield state
            if astuple(state) != before:
                os.lseek(file, 0, os.SEEK_SET)
                os.write(file, _STATE.pack(*astuple(state)))
        finally:
            os.close(file)

    def _held(self, name: str, look: float) -> int:
        file = self._open(name)
        try:
            while not _locked(file):
                time.sleep(look)
        except BaseException:
            os.close(file)
            raise
        return file

    def _open(self, name: str) -> int:
        path = Path(self.folder, name)
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)


if sys.platform == "win32":
    import msvcrt

    def _locked(file: int) -> bool:
        """Lock a file against all others, also of this process, if none of them holds it."""
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _locked(file: int) -> bool:
        """Lock a file against all others, also of this process, if none of them holds it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise InputError(
                f"Files in the folder for temporary files cannot be locked: {error.strerror}.",
                "Set TMPDIR to a folder on a local disk.",
            ) from None
        return True
