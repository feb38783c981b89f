"""Films that are one film: again, in other contrast, mirrored, turned, or moved in their frame.

A hash of 64 bits calls every two knees the same. Here neighbours by spectrum are only suspected
(`suspicions`); a pair is told when one film can be laid over the other (`shifts`, `registration`)
so that fine details agree in most parts of the frame, which two films, however alike, do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from threading import Event
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from xraybatch.auditing.contrast import even, small
from xraybatch.auditing.registration import Films, Laid, lay
from xraybatch.auditing.shifts import SURE, Guess, guess_shifts
from xraybatch.auditing.suspicions import Suspicion, suspicions
from xraybatch.core.cores import available_cores
from xraybatch.core.interrupts import in_order
from xraybatch.core.progress import SILENT, Progress

Some = TypeVar("Some")

_STILL = 0.02  # sides of a film that a corner may move before a copy counts as moved
_SAME_GREY = 4.0  # mean grey levels that re-encoding may change
_SAMPLED = 8  # every so many pixels
# Pairs: that one thread takes, that are guessed at a time, and laid: what is done to few of them is
# too short to be shared by cores, what is done to many does not fit into a core's memory
_AT_ONCE, _GUESSED, _LAID = 256, 64, 32
_MANY = 1000  # pairs; more take a while, if they are more than there are films


@dataclass(frozen=True)
class Pair:
    """Two films that are one.

    Attributes
    ----------
    first, second : int
        Numbers of the films, `first` below `second`.
    kind : {"identical", "near", "contrast", "mirrored", "turned", "moved"}
        The same pixels; re-encoded; other grey values (a negative, too); mirrored, whatever else;
        turned by quarters; shifted, zoomed, rotated a little or cropped.
    similarity : float
        How well details agree, 0.66 to 1; 1 for identical ones.
    """

    first: int
    second: int
    kind: str
    similarity: float


def find_near_duplicates(
    films: NDArray[np.uint8], *, progress: Progress | None = None, threads: int | None = None
) -> list[Pair]:
    """Pairs of films that show the same exposure.

    Parameters
    ----------
    films : ndarray of uint8, shape (N, H, W)
        Decoded to one size, best stretched to 256 × 256: a copy whose aspect was changed then
        lies on its original.
    progress : Progress, optional
    threads : int, optional
        By default as many as there are cores.

    Returns
    -------
    list of Pair
        By their numbers. Of identical films each is paired with the first, and only the first
        takes part in what follows; constant films take part in nothing. Each film is compared with
        its nearest neighbours only: of many copies of one film each is paired with some.
    """
    from threadpoolctl import threadpool_limits

    # matrices are small, and threads of ours multiply several: those of OpenBLAS would only wait
    with threadpool_limits(1, user_api="blas"):
        return _found(films, progress or SILENT, threads)


def _found(films: NDArray[np.uint8], tell: Progress, threads: int | None) -> list[Pair]:
    identical, chosen = _identical(films)
    with tell.stage("looking for copies", len(chosen)) as stage:
        suspected = suspicions(films, chosen, threads=threads, advance=stage.advance)
    if len(suspected) > max(_MANY, len(chosen)):
        tell.note(
            f"Many films look alike, so {len(suspected):,} pairs are compared; "
            "--no-near leaves that out."
        )
    found: list[Pair] = []
    leaving = Event()
    with tell.stage("comparing copies", len(suspected), unit="pairs") as stage:

        def compared(part: list[Suspicion]) -> list[Pair]:
            told = _compared(films, part, leaving)
            stage.advance(len(part))
            return told

        parts, together = _parts(suspected, _AT_ONCE), threads or available_cores()
        for pairs in in_order(compared, parts, together, leaving=leaving):
            found += pairs
    return sorted([*identical, *found], key=lambda pair: (pair.first, pair.second))


def _identical(films: NDArray[np.uint8]) -> tuple[list[Pair], NDArray[np.intp]]:
    """Pairs of the same pixels, and the films to compare further."""
    sampled: dict[bytes, int] = {}
    seen: dict[bytes, int] = {}
    pairs, chosen = [], []
    for number, film in enumerate(films):
        if film.min(initial=255) >= film.max(initial=0):
            continue
        # few pixels tell nearly all films apart, and all pixels those that they do not
        first = sampled.setdefault(film[::_SAMPLED, ::_SAMPLED].tobytes(), number)
        if first != number:
            seen.setdefault(_digest(films[first]), first)
            first = seen.setdefault(_digest(film), number)
        if first == number:
            chosen.append(number)
        else:
            pairs.append(Pair(first, number, "identical", 1.0))
    return pairs, np.array(chosen, np.intp)


def _digest(film: NDArray[np.uint8]) -> bytes:
    return blake2b(film.tobytes(), digest_size=16).digest()


def _compared(films: NDArray[np.uint8], suspected: list[Suspicion], leaving: Event) -> list[Pair]:
    sure: list[tuple[Suspicion, Guess]] = []
    for part in _parts(suspected, _GUESSED):
        if leaving.is_set():
            return []
        first, second = _stacked(films, part)
        guesses = guess_shifts(first.even, second.even, [one.manner for one in part])
        sure += [pair for pair in zip(part, guesses, strict=True) if pair[1].height >= SURE]
    found = []
    for these in _parts(sure, _LAID):
        if leaving.is_set():
            break
        first, second = _stacked(films, [one for one, _ in these])
        for laid in lay(first, second, [guess for _, guess in these]):
            one, guess = these[laid.pair]
            similarity = min(1.0, laid.agreement)
            found.append(Pair(one.first, one.second, _kind(laid, guess), similarity))
    return found


def _stacked(films: NDArray[np.uint8], suspected: list[Suspicion]) -> tuple[Films, Films]:
    """First and second films of each pair; one that is in several is made small once."""
    pairs = np.array([(one.first, one.second) for one in suspected])
    numbers, places = np.unique(pairs, return_inverse=True)
    grey = small(films[numbers])
    level = even(grey)
    first, second = places.reshape(pairs.shape).T
    return (
        Films(films, numbers[first], grey[first], level[first]),
        Films(films, numbers[second], grey[second], level[second]),
    )


def _parts(whole: list[Some], size: int) -> list[list[Some]]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _kind(laid: Laid, guess: Guess) -> str:
    if guess.mirrored:
        return "mirrored"
    if guess.quarters:
        return "turned"
    if laid.moved > _STILL:
        return "moved"
    return "contrast" if guess.negative or laid.difference > _SAME_GREY else "near"
