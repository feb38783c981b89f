"""`audit_films`: the pass over the films, and everything that is asked of what it found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xraybatch.auditing import copies as copying
from xraybatch.auditing.assemble import assemble
from xraybatch.auditing.duplicates import find_near_duplicates
from xraybatch.auditing.known import Known
from xraybatch.auditing.polarity import against_the_others
from xraybatch.auditing.properties import columns_of
from xraybatch.auditing.record import Audit
from xraybatch.auditing.said import notes, sentences
from xraybatch.auditing.shortcut import PERMUTATIONS, Shortcut, ask_shortcut
from xraybatch.auditing.survey import Survey, survey
from xraybatch.auditing.writing import written_on
from xraybatch.core.interrupts import beside, result_of
from xraybatch.core.progress import SILENT, Progress
from xraybatch.sources.discover import Discovery


@dataclass(frozen=True)
class AuditOptions:
    """What is asked for.

    Attributes
    ----------
    near : bool
        Look for copies that were changed, too.
    permutations : int
        Of the test for shortcuts; 0: no test.
    seed : int
    workers : int or None
        Processes that decode; None: as many as there are cores.
    timeout : float
        Seconds that one film may take.
    hashed : bool
        Hash the bytes of all files while they are read; else the search for copies, and the table,
        read anew what they must know.
    """

    near: bool = True
    permutations: int = PERMUTATIONS
    seed: int = 0
    workers: int | None = None
    timeout: float = 60.0
    hashed: bool = True


@dataclass(frozen=True)
class Audited:
    """An audit, with what its table and page of films are made from.

    Attributes
    ----------
    audit : Audit
    survey : Survey
    known : Known
    groups : tuple of CopyGroup
        Those of `audit.copies`, with positions.
    inverted : mapping of int to float
        As `against_the_others` returns.
    written : mapping of int to int
        As `written_on` returns.
    patients_across : tuple of (tuple of int)
        Films of each patient who stands in several parts.
    """

    audit: Audit
    survey: Survey
    known: Known
    groups: tuple[copying.CopyGroup, ...]
    inverted: Mapping[int, float]
    written: Mapping[int, int]
    patients_across: tuple[tuple[int, ...], ...]


def audit_films(
    given: Discovery, known: Known, options: AuditOptions, progress: Progress = SILENT
) -> Audited:
    """Look at films before anyone trains on them.

    Parameters
    ----------
    given : Discovery
    known : Known
        Of the same items.
    options : AuditOptions
    progress : Progress
    """
    begin = time.perf_counter()
    beside(_load_sklearn)  # while other processes read
    found = survey(
        given.items,
        progress,
        workers=options.workers,
        timeout=options.timeout,
        hashed=options.hashed,
    )
    # comparing bytes waits for the disk, and laying films over each other leaves a core free
    each = beside(lambda: (against_the_others(found), written_on(found)))
    links = copying.exact_links(found, progress)
    if options.near:
        links += _near(found, links, progress)
    groups = copying.group_copies(links, known)
    clusters = copying.clusters_of(known, links)
    shortcut = _shortcut(found, known, clusters, options, progress)
    inverted, written = result_of(each)
    audit = assemble(given, found, known, groups, inverted, written, shortcut)
    audit = _finished(audit, known, options, time.perf_counter() - begin)
    across = tuple(copying.across_parts(known.patients, known.parts))
    return Audited(audit, found, known, groups, inverted, written, across)


def _load_sklearn() -> None:
    """Import what the test for shortcuts takes, which is half a second."""
    import sklearn.tree  # noqa: F401


def _near(found: Survey, exact: Sequence[copying.Link], progress: Progress) -> list[copying.Link]:
    """Changed copies, of one film of each group of exact ones, without nearly constant films."""
    again = {link.second for link in exact}
    films = [i for i in found.readable() if i not in again and not found.films[i].is_constant]
    if len(films) < 2:
        return []
    rows = found.rows[films]
    contiguous = len(rows) == len(found.pixels) and bool((np.diff(rows) == 1).all())
    pixels = found.pixels if contiguous else found.pixels[rows]
    return copying.near_links(find_near_duplicates(pixels, progress=progress), films)


def _shortcut(
    found: Survey,
    known: Known,
    clusters: NDArray[np.int64],
    options: AuditOptions,
    progress: Progress,
) -> Shortcut:
    films = found.readable()
    return ask_shortcut(
        columns_of([found.films[i] for i in films]),
        [known.labels[i] for i in films],
        clusters[films],
        seed=options.seed,
        permutations=options.permutations,
        progress=progress,
    )


def _finished(audit: Audit, known: Known, options: AuditOptions, seconds: float) -> Audit:
    said = (*known.notes, *notes(audit, near=options.near))
    return replace(audit, sentences=sentences(audit), notes=said, seconds=seconds)
