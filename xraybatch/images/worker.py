"""The child's side of the pool: what runs in a decoding process.

A worker decodes films into shared memory and notes there which film it is on and since when, so
that its death, or a film without end, has a culprit. It never prints, ignores Ctrl-C, and leaves
when its parent is gone. numpy is imported after the number of threads is set, so not at the top.
"""

from __future__ import annotations

import ctypes
import io
import math
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.process import parent_process
from typing import TYPE_CHECKING, Any

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.core.zipped import read_member
from xraybatch.extension.records import ImageReader, Limits
from xraybatch.extension.registry import BLOCK_VARIABLE
from xraybatch.images.asked import NOTHING, Asked, asking
from xraybatch.images.fetching import Fetch, Fetched, ReadAhead, Reads
from xraybatch.images.kept import FilmSource, KeptFile
from xraybatch.images.memory import Shares, announcing, perhaps_short
from xraybatch.images.rule import DecodingRule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xraybatch.images.film import FilmFacts
    from xraybatch.images.look import Look
    from xraybatch.images.outside import Outside

NOTE = 3  # numbers a slot: process id, position in the chunk (or NOBODY), begin (monotonic)
NOBODY = -1.0

_MOVING = frozenset(("GIF", "WEBP"))  # what moves is one film, its first frame

_LOCK_TIMEOUT = 5.0
_AHEAD = 4  # films read ahead take at most this part of the process's memory

# a batch waits for its slowest thread, decoding for nobody: the session's threads go first
_NICE = 10

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT = 64 << 20  # bytes of freed memory that a process keeps

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Outcome:
    """What became of a film; its pixels travel otherwise.

    Of what its header says only that is here which was asked for; `facts`, `outside` and `look`
    come with a survey only: predictions of a million films do without. `short` says that it failed
    perhaps only because its process had no more memory;
    `fetching` is what was waited for its bytes, in seconds, beside those of decoding.
    """

    status: FilmStatus
    sentence: str
    notes: tuple[str, ...]
    seconds: float
    frames: int = 1
    told: Mapping[str, str] = field(default_factory=dict)
    facts: FilmFacts | None = None
    outside: Outside | None = None
    look: Look | None = None
    short: bool = False
    fetching: float = 0.0


@dataclass(frozen=True)
class Desk:
    """Everything a worker needs to know, given once when it starts.

    Attributes
    ----------
    films : shared array of uint8
        ``slots x chunk`` films of the rule's size.
    notes : shared array of float64
        ``slots x NOTE``.
    chunk : int
    rule : DecodingRule
    limits : Limits
    readers_from : str or None
        ``module:function`` that returns the readers; None: those of the installation.
    memory : Shares
        Private memory that a worker may have.
    blocked : str
        What `XRAYBATCH_BLOCK` said when the parent loaded its plugins: a worker loads the same.
    asked : Asked
        What is asked of every header.
    fetch : Fetch or None
        Reads films that are elsewhere; None: there are none.
    """

    films: ctypes.Array[ctypes.c_uint8]
    notes: ctypes.Array[ctypes.c_double]
    chunk: int
    rule: DecodingRule
    limits: Limits
    readers_from: str | None
    memory: Shares
    blocked: str
    asked: Asked = NOTHING
    fetch: Fetch | None = None


def start(desk: Desk) -> None:
    """Make this process a worker; called once, before its first chunk."""
    from pebble import CONSTS

    # one that is killed with the lock in its hand must not hold up the others for a minute
    CONSTS.channel_lock_timeout = _LOCK_TIMEOUT
    global _desk, _kept, _reads
    for variable in _THREADS:
        os.environ[variable] = "1"
    if hasattr(os, "nice"):  # Windows has none
        os.nice(_NICE)
    _keep_freed_memory()
    _fall_silent()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    os.environ[BLOCK_VARIABLE] = desk.blocked
    _desk = desk
    _kept = KeptFile(desk.rule, desk.limits, load_readers(desk.readers_from))
    if desk.fetch is not None:
        _reads = Reads(desk.fetch, desk.limits.max_bytes)
    _limit_memory(desk.memory.each)


def nothing() -> None:
    """A task that only has the processes started."""


def run(
    slot: int, films: Sequence[tuple[int, FilmSource]], *, alone: bool = False
) -> list[Outcome]:
    """Decode films into their positions of a slot; called in a worker.

    `alone` says that no other worker has as much memory as one film may take: this one has it.

    Raises
    ------
    XraybatchError
        Where a film cannot be fetched for a reason that no other can be fetched either.
    """
    import numpy as np

    desk, kept = _desk, _kept
    assert desk is not None and kept is not None, "start() comes first"  # noqa: PT018
    height, width = desk.rule.height, desk.rule.width
    space = np.frombuffer(memoryview(desk.films), np.uint8)
    space = space.reshape((-1, desk.chunk, height, width))
    note = slot * NOTE
    desk.notes[note] = os.getpid()
    outcomes = []
    memory = desk.memory.alone if alone else desk.memory.each
    if alone:
        kept.close()
        _limit_memory(memory)
    sources = [source for _, source in films]
    ahead = ReadAhead(_reads, sources, memory // _AHEAD, kept.holds)
    for number, (position, source) in enumerate(films):
        # waiting for its bytes is not decoding: that has limits of its own
        desk.notes[note + 2] = math.inf
        desk.notes[note + 1] = position
        fetched = ahead.wait(number)
        desk.notes[note + 2] = time.monotonic()
        pixels, outcome = attempt(source, kept, desk.asked, memory, fetched)
        if pixels is not None:
            space[slot, position] = pixels
        if outcome.short:
            kept.close()
            outcome = replace(outcome, short=memory < desk.memory.alone)
        outcomes.append(outcome)
    if desk.asked.survey:
        # not film by film: what runs again at once runs in half of the time
        for number, (position, source) in enumerate(films):
            # what its decoding took is of the same time limit
            desk.notes[note + 2] = time.monotonic() - outcomes[number].seconds
            desk.notes[note + 1] = position
            pixels = space[slot, position] if outcomes[number].status is FilmStatus.OK else None
            outcomes[number] = surveyed(source, kept, desk.asked, pixels, outcomes[number])
    if alone:
        kept.close()
        _limit_memory(desk.memory.each)
    desk.notes[note + 1] = NOBODY
    return outcomes


def attempt(
    source: FilmSource,
    kept: KeptFile,
    asked: Asked = NOTHING,
    memory: int | None = None,
    fetched: Fetched | None = None,
) -> tuple[NDArray[np.uint8] | None, Outcome]:
    """Decode one film; never raises for a film's sake.

    `memory` is what this process may take; None: it has no limit. `fetched` is what came of a film
    that is elsewhere; of one whose earlier frame is kept, None.
    """
    begin = time.perf_counter()
    waited = 0.0 if fetched is None else fetched.seconds
    with asking(asked) as told, announcing() as announced:
        try:
            film = kept.film(source, fetched)
            facts = film.facts
            asked.check(facts.tags, dicom=facts.format == "DICOM")
        except FilmError as error:
            seconds = time.perf_counter() - begin
            said = (error.status, error.sentence, (), seconds)
            short = memory is not None and perhaps_short(error, announced, memory)
            return None, Outcome(*said, told=told, short=short, fetching=waited)
    seconds = time.perf_counter() - begin
    frames = 1 if facts.format in _MOVING else facts.frames
    # of a reader that did not ask itself; identifiers only our own reader hashes
    told |= {tag: facts.tags[tag] for tag in asked.tags if tag in facts.tags}
    return film.pixels, Outcome(
        *(FilmStatus.OK, "", facts.notes, seconds),
        frames=frames,
        told=told,
        facts=replace(facts, tags={}) if asked.survey else None,
        fetching=waited,
    )


def surveyed(
    source: FilmSource,
    kept: KeptFile,
    asked: Asked,
    pixels: NDArray[np.uint8] | None,
    outcome: Outcome,
) -> Outcome:
    """The outcome of a film, with what a survey is to know of it besides."""
    from xraybatch.images.look import look_at

    look = None if pixels is None else look_at(pixels)
    return replace(outcome, outside=_outside(source, kept, asked), look=look)


def _outside(source: FilmSource, kept: KeptFile, asked: Asked) -> Outside:
    from xraybatch.images.outside import Outside, look_inside, look_outside

    readers = kept.readers or ()
    if not source.member:
        return look_outside(source.path, source.name, readers, hashed=asked.hashed)
    try:
        content = read_member(source.path, source.member, kept.limits.max_bytes)
    except Exception:  # decoding says what is wrong with it
        return Outside()
    return look_inside(io.BytesIO(content), source.name, readers, hashed=asked.hashed)


def took_too_long(seconds: float) -> Outcome:
    """The outcome of a film that met its time limit."""
    sentence = f"It took longer than {seconds:g} seconds."
    return Outcome(FilmStatus.TIMEOUT, sentence, (), seconds)


def load_readers(readers_from: str | None) -> list[ImageReader]:
    """The readers that ``module:function`` returns, or those of the installation."""
    from xraybatch.images.decode import installed_readers

    if readers_from is None:
        return installed_readers()
    module, _, function = readers_from.partition(":")
    return list(getattr(import_module(module), function)())


_desk: Desk | None = None
_kept: KeptFile | None = None
_reads: Reads | None = None


def _fall_silent() -> None:
    """C libraries write to the terminal behind Python's back."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _leave_with_parent() -> None:
    parent: Any = parent_process()
    wait([parent.sentinel])
    os._exit(1)


def _keep_freed_memory() -> None:
    """Have glibc keep what a film freed for the next one.

    Else it hands every large array back, and the kernel clears its pages anew for each film, which
    costs processes that do it side by side an eighth of their time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library
        return
    mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most that it takes
    mallopt(_M_TRIM_THRESHOLD, _KEPT)


def _limit_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, wanted in ((resource.RLIMIT_DATA, limit), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        if hard == resource.RLIM_INFINITY or wanted <= hard:
            resource.setrlimit(kind, (wanted, hard))
