"""From what was found to the record of it: counts, shares with intervals, suspects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from xraybatch.auditing.copies import ORDER, CopyGroup, across_parts
from xraybatch.auditing.known import Known
from xraybatch.auditing.properties import count_properties, quartiles
from xraybatch.auditing.record import (
    SCHEMA_VERSION,
    Audit,
    CopiedFilm,
    Copies,
    KindOfCopies,
    Leak,
    Suspect,
    Unreadable,
)
from xraybatch.auditing.shortcut import Shortcut
from xraybatch.auditing.survey import Survey
from xraybatch.core.versions import versions_of
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import proportion
from xraybatch.sources.discover import Discovery

TRAIN = "train"
_EXAMPLES = 5


def assemble(
    given: Discovery,
    found: Survey,
    known: Known,
    groups: Sequence[CopyGroup],
    inverted: Mapping[int, float],
    written: Mapping[int, int],
    shortcut: Shortcut,
) -> Audit:
    """The record of everything that was found, without what is said of it.

    Parameters
    ----------
    given : Discovery
    found : Survey
    known : Known
    groups : sequence of CopyGroup
    inverted : mapping of int to float
    written : mapping of int to int
    shortcut : Shortcut
    """
    films, labels, classes = found.films, known.labels, known.classes
    ok = np.array([film.is_ok for film in films], bool)
    patients = _numbered(known.patients)
    copied = np.zeros(len(films), bool)
    for group in groups:
        copied[list(group.films)] = True
    paths = [item.key for item in found.items]
    counted = Counter(labels)
    return Audit(
        schema=SCHEMA_VERSION,
        version=versions_of(["xraybatch"]).get("xraybatch", ""),
        films=len(films),
        readable=proportion(ok, patients, "there is no film"),
        skipped=dict(given.skipped),
        source=known.source,
        classes={name: counted[name] for name in classes},
        unlabelled=counted[""],
        patients=len(set(known.patients) - {""}),
        not_there=known.not_there,
        unreadable=_unreadable(found, labels, classes),
        suffix_lies=tuple(
            Suspect(path, 1.0, f"It is named {film.outside.suffix}, but is {film.outside.content}.")
            for path, film in zip(paths, films, strict=True)
            if film.outside.suffix_lies
        ),
        properties=count_properties(films, labels, classes),
        numbers=quartiles(films, labels, classes),
        shortcut=shortcut,
        copies=tuple(_copies(group, paths, known) for group in groups),
        copy_kinds=_kinds(groups, known),
        copied_films=proportion(copied[ok], _again(patients[ok]), "no film can be read"),
        conflicts=sum(group.is_conflict for group in groups) + len(known.labelled_twice),
        labelled_twice=tuple(paths[i] for i in known.labelled_twice),
        leak=_leak(known, groups, patients),
        constant=_constant(found, paths),
        inverted=_inverted(found, paths, inverted),
        written=_written(paths, written),
        sentences=(),
        notes=(),
        seconds=0.0,
    )


def _unreadable(
    found: Survey, labels: Sequence[str], classes: Sequence[str]
) -> tuple[Unreadable, ...]:
    rows = []
    failed = [i for i, film in enumerate(found.films) if not film.is_ok]
    by_status = Counter(str(found.films[i].status) for i in failed)
    for status, count in by_status.most_common():
        its = [i for i in failed if found.films[i].status == status]
        of = Counter(labels[i] for i in its)
        rows.append(
            Unreadable(
                status,
                count,
                tuple(of[name] for name in classes),
                found.films[its[0]].sentence,
                tuple(found.items[i].key for i in its[:_EXAMPLES]),
            )
        )
    return tuple(rows)


def _copies(group: CopyGroup, paths: Sequence[str], known: Known) -> Copies:
    return Copies(
        tuple(CopiedFilm(paths[i], known.labels[i], known.parts[i]) for i in group.films),
        group.alike,
        group.is_conflict,
        group.is_leak,
        group.patients,
    )


def _kinds(groups: Sequence[CopyGroup], known: Known) -> tuple[KindOfCopies, ...]:
    links = [link for group in groups for link in group.links]
    found = []
    for kind in ORDER:
        pairs = [(link.first, link.second) for link in links if link.kind == kind]
        if pairs:
            found.append(
                KindOfCopies(
                    kind,
                    len(pairs),
                    len({film for pair in pairs for film in pair}),
                    sum(_differ(known.labels, pair) for pair in pairs),
                    sum(_differ(known.parts, pair) for pair in pairs),
                )
            )
    return tuple(found)


def _differ(values: Sequence[str], pair: tuple[int, int]) -> bool:
    one, other = (values[film] for film in pair)
    return bool(one and other and one != other)


def _leak(known: Known, groups: Sequence[CopyGroup], patients: NDArray[np.int64]) -> Leak:
    parts = np.array(known.parts, dtype=str)
    judged = np.flatnonzero((parts != "") & (parts != TRAIN))
    copied = np.zeros(len(parts), bool)
    for group in groups:
        if TRAIN in group.parts:
            copied[list(group.films)] = True
    of_patient = np.zeros(len(parts), bool)
    across = across_parts(known.patients, known.parts)
    for films in across:
        if any(parts[i] == TRAIN for i in films):
            of_patient[list(films)] = True
    nothing = "no film stands in another part than train"
    leaking = [group for group in groups if group.is_leak]
    trained = bool((parts == TRAIN).any())
    counted = Counter(parts.tolist())
    no_patients = Estimate.undefined("patients are not known", n=len(judged))
    return Leak(
        parts={name: counted[name] for name in sorted(counted) if name},
        groups=len(leaking),
        exact_groups=sum(group.is_exact for group in leaking),
        copied=proportion(copied[judged], _again(patients[judged]), nothing)
        if trained
        else Estimate.undefined("there is no part called train"),
        patients=len(across),
        patient_films=sum(map(len, across)),
        of_patients=proportion(of_patient[judged], _again(patients[judged]), nothing)
        if any(known.patients)
        else no_patients,
    )


def _constant(found: Survey, paths: Sequence[str]) -> tuple[Suspect, ...]:
    return tuple(
        Suspect(paths[i], film.look.spread, f"It has {film.look.spread} grey levels.")
        for i, film in enumerate(found.films)
        if film.look and film.is_constant
    )


def _inverted(
    found: Survey, paths: Sequence[str], inverted: Mapping[int, float]
) -> tuple[Suspect, ...]:
    suspects = []
    for i, value in sorted(inverted.items(), key=lambda one: one[1]):
        tag = found.films[i].outside.header.photometric
        says = f"; its header says {tag}" if tag else ""
        sentence = f"Light and dark are exchanged against the other films{says}."
        suspects.append(Suspect(paths[i], value, sentence))
    return tuple(suspects)


def _written(paths: Sequence[str], written: Mapping[int, int]) -> tuple[Suspect, ...]:
    return tuple(
        Suspect(paths[i], glyphs, "Marks in a line near the border: perhaps writing.")
        for i, glyphs in sorted(written.items())
    )


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    """Numbers for patients; each film its own where the name is empty."""
    first: dict[object, int] = {}
    keys = (name or film for film, name in enumerate(names))
    return np.array([first.setdefault(key, len(first)) for key in keys], np.int64)


def _again(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same numbers without gaps."""
    found: NDArray[np.int64] = np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    return found
