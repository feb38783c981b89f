"""Films that are one film: the same bytes, the same pixels, or copies that were changed.

From pairs to groups, and from groups to what is wrong with them: two labels on one film, one film
on two sides of a split.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraybatch.auditing.duplicates import Pair
from xraybatch.auditing.known import Known
from xraybatch.auditing.record import Alike
from xraybatch.auditing.survey import Survey
from xraybatch.core.cores import available_cores
from xraybatch.core.interrupts import in_order
from xraybatch.core.progress import SILENT, Progress

BYTES, PIXELS = "identical bytes", "identical pixels"
KINDS = {
    "identical": PIXELS,
    "near": "nearly identical",
    "contrast": "other contrast",
    "mirrored": "mirrored",
    "turned": "turned",
    "moved": "moved or cropped",
}
EXACT = (BYTES, PIXELS)
ORDER = (BYTES, *KINDS.values())  # the surest first


@dataclass(frozen=True)
class Link:
    """Two films that are one, and how they differ.

    Attributes
    ----------
    first, second : int
        Positions of the films, `first` being the smaller.
    kind : str
        ``identical bytes``, ``identical pixels``, or one of `KINDS`.
    similarity : float
        0 to 1; 1 for identical ones.
    """

    first: int
    second: int
    kind: str
    similarity: float = 1.0


@dataclass(frozen=True)
class CopyGroup:
    """Films that are copies of each other, or of copies of each other.

    Attributes
    ----------
    films : tuple of int
        Positions, rising.
    links : tuple of Link
        What joins them, enough to connect all.
    labels, parts : tuple of str
        The different classes, and parts of the split, that its films have; sorted, without empty.
    patients : int
        How many different patients its films are said to be of.
    """

    films: tuple[int, ...]
    links: tuple[Link, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...]
    patients: int

    @property
    def is_exact(self) -> bool:
        """Whether all are the same bytes or pixels."""
        return all(link.kind in EXACT for link in self.links)

    @property
    def kinds(self) -> tuple[str, ...]:
        """How its films differ, the surest first."""
        return tuple(one.kind for one in self.alike)

    @property
    def alike(self) -> tuple[Alike, ...]:
        """The same with the pairs that were found of each kind, and the least alike of them."""
        found = defaultdict(list)
        for link in self.links:
            found[link.kind].append(link.similarity)
        return tuple(
            Alike(kind, len(found[kind]), min(found[kind])) for kind in ORDER if kind in found
        )

    @property
    def is_conflict(self) -> bool:
        """Whether its films have different classes."""
        return len(self.labels) > 1

    @property
    def is_leak(self) -> bool:
        """Whether its films stand in different parts of the split."""
        return len(self.parts) > 1


def exact_links(found: Survey, progress: Progress = SILENT) -> list[Link]:
    """Films with the same bytes, and films whose bytes differ but not their pixels.

    Each is linked to the first of its kind. Nearly constant films are left out: two black films are
    no copies.
    """
    films = {i: film for i, film in enumerate(found.films) if film.is_ok and not film.is_constant}
    # the same bytes have the same pixels: only of few films the bytes must be known
    alike = Counter((film.digest, film.outside.size) for film in films.values())
    asked = [i for i, film in films.items() if alike[film.digest, film.outside.size] > 1]
    contents: dict[int, bytes] = {}
    if asked:
        with progress.stage("comparing bytes", len(asked)) as stage:
            digests = in_order(found.bytes_digest, asked, available_cores())
            for i, digest in zip(asked, digests, strict=True):
                contents[i] = digest
                stage.advance()
    links = []
    by_bytes: dict[bytes, int] = {}
    by_pixels: dict[bytes, int] = {}
    for i, film in films.items():
        content = contents.get(i)
        same = by_bytes.setdefault(content, i) if content else i
        if same != i:
            links.append(Link(same, i, BYTES))
            continue
        first = by_pixels.setdefault(film.digest, i)
        if first != i:
            links.append(Link(first, i, PIXELS))
    return links


def near_links(pairs: Iterable[Pair], positions: Sequence[int]) -> list[Link]:
    """Links of pairs; `positions` says which film each number of a pair is."""
    links = []
    for pair in pairs:
        first, second = sorted((positions[pair.first], positions[pair.second]))
        links.append(Link(first, second, KINDS[pair.kind], float(pair.similarity)))
    return links


def group_copies(links: Sequence[Link], known: Known) -> tuple[CopyGroup, ...]:
    """Films that any links connect, as groups in the order of their first film."""
    count = len(known.labels)
    numbers = connected(count, [(link.first, link.second) for link in links])
    films, joined = defaultdict(list), defaultdict(list)
    for link in links:
        joined[numbers[link.first]].append(link)
    for i in range(count):
        if numbers[i] in joined:
            films[numbers[i]].append(i)
    groups = []
    for number in sorted(joined, key=lambda n: films[n][0]):
        its = tuple(films[number])
        groups.append(
            CopyGroup(
                its,
                tuple(sorted(joined[number], key=lambda one: (one.first, one.second))),
                _different(known.labels, its),
                _different(known.parts, its),
                len(_different(known.patients, its)),
            )
        )
    return tuple(groups)


def connected(count: int, pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """A number for each of `count` films, equal for those that pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return np.arange(count)
    rows, columns = np.array(pairs, np.int64).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    numbers: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return numbers


def clusters_of(known: Known, links: Sequence[Link]) -> NDArray[np.int64]:
    """A number for each film, equal for those of one patient, and for copies of one film."""
    pairs = [(link.first, link.second) for link in links]
    pairs += _alike(known.patients)
    return connected(len(known.labels), pairs)


def across_parts(names: Sequence[str], parts: Sequence[str]) -> list[tuple[int, ...]]:
    """Films of each name (a patient's) whose films stand in different parts of the split."""
    films: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        if name and parts[i]:
            films[name].append(i)
    return [tuple(its) for its in films.values() if len({parts[i] for i in its}) > 1]


def _alike(names: Sequence[Hashable]) -> list[tuple[int, int]]:
    first: dict[Hashable, int] = {}
    return [(first.setdefault(name, i), i) for i, name in enumerate(names) if name]


def _different(values: Sequence[str], films: Sequence[int]) -> tuple[str, ...]:
    return tuple(sorted({values[i] for i in films} - {""}))
