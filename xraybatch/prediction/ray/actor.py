"""What runs on a node of a Ray cluster: the local engine, in a thread, for the chunks handed to it.

Nothing here knows Ray: an actor is an object whose methods are called from afar. The engine works
on while the rows that it found are on their way.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from xraybatch.core.errors import XraybatchError
from xraybatch.extension.registry import BLOCK_VARIABLE
from xraybatch.images.decode import readers_in_use
from xraybatch.images.fetching import Fetch
from xraybatch.images.fingerprint import fingerprint_digest
from xraybatch.models.model import Model
from xraybatch.prediction.engine import CHUNK, Chunk, Facts, Outcome, Seconds
from xraybatch.prediction.engines import open_local
from xraybatch.prediction.local import LocalEngine
from xraybatch.prediction.options import PredictOptions

_STEP = 0.2  # seconds of work between two looks at what was handed in


@dataclass(frozen=True)
class Joined:
    """What an actor says when it is ready, or why it is not.

    Attributes
    ----------
    facts : Facts or None
        None where it could not be made ready.
    decoder : tuple of str
        The decoder's digest, and who reads what.
    sees_films : bool
        False where none of the films that it was to look for is there.
    error : XraybatchError or None
    fault : str
        An exception that is none of ours, by kind.
    machine : str
        What the machine calls itself.
    node : str
        What the cluster calls it.
    """

    facts: Facts | None = None
    decoder: tuple[str, ...] = ()
    sees_films: bool = True
    error: XraybatchError | None = None
    fault: str = ""
    machine: str = ""
    node: str = ""


@dataclass(frozen=True)
class Collected:
    """What became known on an actor since it was asked last; the seconds are of that time alone."""

    outcome: Outcome = field(default_factory=Outcome)
    seconds: Seconds = field(default_factory=Seconds)
    workers: int = 0
    error: XraybatchError | None = None
    fault: str = ""


class ChunkWorker:
    """An engine that is asked from afar; its calls may overlap.

    Parameters
    ----------
    blocked : str
        What `XRAYBATCH_BLOCK` said where the run was started: here it is the same.
    """

    def __init__(self, blocked: str) -> None:
        os.environ[BLOCK_VARIABLE] = blocked
        self._engine: LocalEngine | None = None
        self._opened = ExitStack()
        self._news = threading.Condition()
        self._inbox: deque[Chunk] = deque()
        self._outcome = Outcome()
        self._told = Seconds()
        self._error: XraybatchError | None = None
        self._fault = ""

    def open(
        self,
        model: Model,
        options: PredictOptions,
        look_for: Sequence[str] = (),
        fetch: Fetch | None = None,
    ) -> Joined:
        """Make the engine ready.

        Parameters
        ----------
        model : Model
        options : PredictOptions
            For this node alone.
        look_for : sequence of str
            Files that should be here.
        fetch : Fetch, optional
            Reads films that are elsewhere.
        """
        machine = socket.gethostname()
        try:
            self._engine = self._opened.enter_context(open_local(model, options, CHUNK, fetch))
            decoder = (fingerprint_digest(), *readers_in_use())
        except XraybatchError as error:
            return Joined(error=error, machine=machine)
        except Exception as error:
            return Joined(fault=type(error).__name__, machine=machine)
        threading.Thread(target=self._work, name="engine", daemon=True).start()
        sees = not look_for or any(map(os.path.lexists, look_for))
        return Joined(self._engine.facts, decoder, sees, machine=machine)

    def submit(self, chunk: Chunk) -> None:
        """Take a chunk; returns at once."""
        with self._news:
            self._inbox.append(chunk)
            self._news.notify_all()

    def collect(self, seconds: float) -> Collected:
        """Wait until a chunk is finished or the work is at an end, `seconds` at most."""
        until = time.monotonic() + seconds
        with self._news:
            while not (self._outcome.finished or self._error or self._fault):
                left = until - time.monotonic()
                if left <= 0 or not self._news.wait(left):
                    break
            outcome, self._outcome = self._outcome, Outcome()
            assert self._engine is not None, "open() comes first"
            now, before = replace(self._engine.seconds), self._told
            self._told = now
            spent = Seconds(
                now.decoding - before.decoding,
                now.classifying - before.classifying,
                now.fetching - before.fetching,
            )
            return Collected(outcome, spent, self._engine.workers(), self._error, self._fault)

    def _work(self) -> None:
        engine = self._engine
        assert engine is not None
        open_chunks: set[int] = set()
        try:
            while True:
                with self._news:
                    while not self._inbox and not open_chunks:
                        self._news.wait()
                    handed_in = list(self._inbox)
                    self._inbox.clear()
                for chunk in handed_in:
                    open_chunks.add(chunk.number)
                    engine.submit(chunk)
                found = engine.wait(_STEP)
                open_chunks.difference_update(found.finished)
                with self._news:
                    self._outcome.add(found)
                    self._news.notify_all()
        except XraybatchError as error:
            self._end(error, "")
        except BaseException as error:
            self._end(None, type(error).__name__)

    def _end(self, error: XraybatchError | None, fault: str) -> None:
        with self._news:
            self._error, self._fault = error, fault
            self._news.notify_all()
