"""Films that are one film: again, in other contrast, mirrored, turned, or moved in their frame.

A hash of 64 bits calls every two knees the same. Here neighbours by spectrum are only suspected
(`spectra`); a pair is told when one film can be laid over the other (`registration`) so that fine
details agree in most parts of the frame, which two films, however alike, do not.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from xraybatch.auditing.registration import Laid, Sizes, lay
from xraybatch.auditing.spectra import Suspicion, suspicions
from xraybatch.core.cores import in_threads
from xraybatch.core.progress import SILENT, Progress

AGREES = 0.66  # mean correlation of details from which two films are one
_TILES = 8  # that must show anything in both films
_COVERED = 0.25  # share of all such tiles
_STILL = 0.02  # sides of a film that a corner may move before a copy counts as moved
_SAME_GREY = 4.0  # mean grey levels that re-encoding may change
_KEPT = 64  # films that each thread keeps prepared


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
        How well details agree, `AGREES` to 1; 1 for identical ones.
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
    tell = progress or SILENT
    identical, chosen = _identical(films)
    with tell.stage("looking for copies", None) as stage:
        suspected = list(suspicions(films, chosen, threads=threads))
        stage.advance(len(chosen))
    found: list[Pair] = []
    with tell.stage("comparing copies", len(suspected), unit="pairs") as stage:

        def compared(part: list[Suspicion]) -> list[Pair]:
            told = _compared(films, part)
            stage.advance(len(part))
            return told

        for pairs in in_threads(compared, _parts(suspected), threads):
            found += pairs
    return sorted([*identical, *found], key=lambda pair: (pair.first, pair.second))


def _identical(films: NDArray[np.uint8]) -> tuple[list[Pair], NDArray[np.intp]]:
    """Pairs of the same pixels, and the films to compare further."""
    seen: dict[bytes, int] = {}
    pairs, chosen = [], []
    for number, film in enumerate(films):
        if film.min(initial=255) >= film.max(initial=0):
            continue
        digest = blake2b(film.tobytes(), digest_size=16).digest()
        first = seen.setdefault(digest, number)
        if first == number:
            chosen.append(number)
        else:
            pairs.append(Pair(first, number, "identical", 1.0))
    return pairs, np.array(chosen, np.intp)


def _parts(suspected: list[Suspicion]) -> list[list[Suspicion]]:
    """Pairs in the order of their numbers, about 64 a part; those of one film stay together."""
    of_film = groupby(suspected, key=lambda one: min(one.first, one.second))
    parts: list[list[Suspicion]] = [[]]
    for _, group in of_film:
        if len(parts[-1]) >= _KEPT:
            parts.append([])
        parts[-1] += group
    return parts


def _compared(films: NDArray[np.uint8], suspected: list[Suspicion]) -> list[Pair]:
    ready: OrderedDict[int, Sizes] = OrderedDict()

    def sizes(number: int) -> Sizes:
        if number not in ready:
            ready[number] = Sizes(films[number])
            if len(ready) > _KEPT:
                ready.popitem(last=False)
        return ready[number]

    found = []
    for one in suspected:
        laid = lay(sizes(one.first), sizes(one.second), one.manner)
        if laid is not None and _is_one(laid):
            first, second = sorted((one.first, one.second))
            found.append(Pair(first, second, _kind(laid), min(1.0, laid.agreement)))
    return found


def _is_one(laid: Laid) -> bool:
    return laid.agreement >= AGREES and laid.tiles >= _TILES and laid.covered >= _COVERED


def _kind(laid: Laid) -> str:
    if laid.mirrored:
        return "mirrored"
    if laid.quarters:
        return "turned"
    if laid.moved > _STILL:
        return "moved"
    return "contrast" if laid.negative or laid.difference > _SAME_GREY else "near"
