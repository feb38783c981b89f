"""`Audit`: what is wrong with a folder, as a tree of frozen records; JSON is this tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xraybatch.auditing.properties import Property, Quartiles
from xraybatch.auditing.shortcut import Shortcut
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import plain
from xraybatch.evaluation.schema import schema_of

SCHEMA_VERSION = 1
LEAK, CONFLICT, SHORTCUT = BARS = ("leak", "conflict", "shortcut")


@dataclass(frozen=True)
class Unreadable:
    """Films without pixels, by reason.

    Attributes
    ----------
    status : str
    films : int
    by_class : tuple of int
        In the order of the classes.
    sentence : str
        Why, of the first of them.
    examples : tuple of str
        Paths of the first few.
    """

    status: str
    films: int
    by_class: tuple[int, ...]
    sentence: str
    examples: tuple[str, ...]


@dataclass(frozen=True)
class CopiedFilm:
    """A film of a group of copies: its path, class and part; empty: not known."""

    path: str
    label: str
    part: str


@dataclass(frozen=True)
class Alike:
    """How some films of a group are alike.

    Attributes
    ----------
    kind : str
        ``identical bytes``, ``identical pixels``, ``nearly identical``, ``other contrast``,
        ``mirrored``, ``turned``, ``moved or cropped``.
    pairs : int
        Pairs of this kind that were found in the group; there may be more.
    similarity : float
        Of the least alike of these pairs, 0 to 1.
    """

    kind: str
    pairs: int
    similarity: float


@dataclass(frozen=True)
class Copies:
    """Films that are one film.

    Attributes
    ----------
    films : tuple of CopiedFilm
    alike : tuple of Alike
        What joins them, the surest kind first.
    conflict, leak : bool
        Whether they have different classes; whether they stand in different parts.
    patients : int
        How many patients they are said to be of; 0: not known.
    """

    films: tuple[CopiedFilm, ...]
    alike: tuple[Alike, ...]
    conflict: bool
    leak: bool
    patients: int

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of `alike`."""
        return tuple(one.kind for one in self.alike)


@dataclass(frozen=True)
class KindOfCopies:
    """Pairs of films that are one, of one kind.

    Attributes
    ----------
    kind : str
        As in `Alike`.
    pairs : int
        Pairs that were found, of all there are: of identical films each is paired with the first,
        of many changed copies of one film each with some.
    films : int
        Films in these pairs.
    conflicts, leaks : int
        Pairs with different classes; pairs in different parts of the split.
    """

    kind: str
    pairs: int
    films: int
    conflicts: int
    leaks: int


@dataclass(frozen=True)
class Suspect:
    """A film that looks odd: its path, a number that says how much, and a sentence."""

    path: str
    value: float
    sentence: str


@dataclass(frozen=True)
class Leak:
    """What stands on two sides of the split.

    Attributes
    ----------
    parts : mapping of str to int
        Films of each part; empty: there is no split.
    groups : int
        Groups of copies in several parts.
    exact_groups : int
        Of these, groups of the same bytes or pixels.
    copied : Estimate
        Share of the films outside train that have a copy in train.
    patients : int
        Patients in several parts.
    patient_films : int
        Their films.
    of_patients : Estimate
        Share of the films outside train whose patient is in train, too.
    """

    parts: Mapping[str, int]
    groups: int
    exact_groups: int
    copied: Estimate
    patients: int
    patient_films: int
    of_patients: Estimate


@dataclass(frozen=True)
class Audit:
    """The health of a folder of films.

    Attributes
    ----------
    schema : int
    version : str
        Of xraybatch.
    films : int
        Films that were found.
    readable : Estimate
        Share of them that has pixels.
    skipped : mapping of str to int
        Files that are no films, by reason.
    source : str
        Where labels come from, in words; empty: there are none.
    classes : mapping of str to int
        Films of each class, sorted by name.
    unlabelled : int
    patients : int
        0: not known.
    not_there : int
        Rows of the labels table without a film.
    unreadable : tuple of Unreadable
    suffix_lies : tuple of Suspect
        Films whose suffix is another format's.
    properties : tuple of Property
    numbers : tuple of Quartiles
    shortcut : Shortcut
    copies : tuple of Copies
        The films that are one film, in the order of their first.
    copy_kinds : tuple of KindOfCopies
        The same as pairs, the surest kind first.
    copied_films : Estimate
        Share of the readable films that has an exact or changed copy.
    conflicts : int
        Groups of copies with different classes, and films that the table names twice, differently.
    labelled_twice : tuple of str
        Paths of those that the table names twice.
    leak : Leak
    constant, inverted, written : tuple of Suspect
        Nearly constant films; films that look like negatives; films with marks like writing.
    sentences : tuple of str
        What nobody may overlook.
    notes : tuple of str
        How to read it, and what was not looked for.
    seconds : float
    """

    schema: int
    version: str
    films: int
    readable: Estimate
    skipped: Mapping[str, int]
    source: str
    classes: Mapping[str, int]
    unlabelled: int
    patients: int
    not_there: int
    unreadable: tuple[Unreadable, ...]
    suffix_lies: tuple[Suspect, ...]
    properties: tuple[Property, ...]
    numbers: tuple[Quartiles, ...]
    shortcut: Shortcut
    copies: tuple[Copies, ...]
    copy_kinds: tuple[KindOfCopies, ...]
    copied_films: Estimate
    conflicts: int
    labelled_twice: tuple[str, ...]
    leak: Leak
    constant: tuple[Suspect, ...]
    inverted: tuple[Suspect, ...]
    written: tuple[Suspect, ...]
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    def failures(self) -> tuple[str, ...]:
        """Which of ``leak``, ``conflict`` and ``shortcut`` there are."""
        there = {
            LEAK: bool(self.leak.groups or self.leak.patients),
            CONFLICT: bool(self.conflicts),
            SHORTCUT: self.shortcut.found,
        }
        return tuple(bar for bar in BARS if there[bar])

    def unchecked(self) -> dict[str, str]:
        """Which of those could not be looked for, and why."""
        why = {
            LEAK: "" if self.leak.parts else "the films have no split",
            CONFLICT: "" if self.classes else "the films have no labels",
            SHORTCUT: self.shortcut.balanced_accuracy.reason
            or ("" if self.shortcut.p is not None else "no labels were permuted"),
        }
        return {bar: why[bar] for bar in BARS if why[bar]}

    def to_dict(self) -> dict[str, Any]:
        """The audit as JSON's own types; ``json.dumps(..., allow_nan=False)`` always succeeds."""
        found = plain(self)
        assert isinstance(found, dict)
        return found


def audit_schema() -> dict[str, Any]:
    """JSON schema of `Audit.to_dict`; published as ``docs/audit.schema.json``."""
    return schema_of(Audit, f"xraybatch audit, version {SCHEMA_VERSION}")
