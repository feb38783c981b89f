"""Outer properties of files, as columns: counted, crossed with the classes, and as numbers.

What a network should not need to know. Where one of them goes with the label, a network may learn
that instead of the disease.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.auditing.survey import Surveyed

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = "none"
OTHERS = "others"
_MOST_VALUES = 12  # of a property; the rest is counted together


@dataclass(frozen=True)
class Counted:
    """One value of a property, or the rare ones together.

    Attributes
    ----------
    value : str
        ``others`` for the rare ones.
    films : int
    by_class : tuple of int
        Films of each class, in the order of the classes.
    stands_for : int
        How many values this is: 1, or the number of rare ones.
    """

    value: str
    films: int
    by_class: tuple[int, ...]
    stands_for: int = 1


@dataclass(frozen=True)
class Property:
    """What films have of one property.

    Attributes
    ----------
    name : str
    values : tuple of Counted
        The most frequent first; beyond twelve the rest is one row.
    """

    name: str
    values: tuple[Counted, ...]


@dataclass(frozen=True)
class Quartiles:
    """A property that is a number: quartiles of each class's films, in the classes' order.

    Attributes
    ----------
    name : str
    all : tuple of float
        First quartile, median and third, of all films that have a number.
    by_class : tuple of (tuple of float)
        Empty for a class without films.
    """

    name: str
    all: tuple[float, ...]
    by_class: tuple[tuple[float, ...], ...]


# Name → what a film has of it. Words are counted, numbers get quartiles.
WORDS: dict[str, Callable[[Surveyed], str]] = {
    "format": lambda f: f.outside.content or NOTHING,
    "suffix": lambda f: f.outside.suffix or NOTHING,
    "size": lambda f: f"{f.facts.width} x {f.facts.height}" if f.facts else "",
    "bits stored": lambda f: str(f.facts.bits_stored) if f.facts else "",
    "colour": lambda f: f.outside.header.colour,
    "photometric": lambda f: f.outside.header.photometric,
    "compression": lambda f: f.outside.header.compression,
    "JPEG quality": lambda f: _text(f.outside.header.quality),
    "JPEG tables": lambda f: _text(f.outside.header.tables),
    "subsampling": lambda f: f.outside.header.subsampling,
    "Exif": lambda f: ("yes" if f.outside.header.exif else "no") if f.outside.content else "",
    "modality": lambda f: f.outside.header.modality,
    "maker": lambda f: f.outside.header.maker,
    "frames": lambda f: str(f.facts.frames) if f.facts else "",
}
NUMBERS: dict[str, Callable[[Surveyed], float]] = {
    "bytes": lambda f: float(f.outside.size),
    "bytes a pixel": lambda f: (
        f.outside.size / (f.facts.height * f.facts.width) if f.facts else 0.0
    ),
    "height": lambda f: float(f.facts.height) if f.facts else 0.0,
    "width": lambda f: float(f.facts.width) if f.facts else 0.0,
    "width to height": lambda f: f.facts.width / f.facts.height if f.facts else 0.0,
}


def count_properties(
    films: Sequence[Surveyed], labels: Sequence[str], classes: Sequence[str]
) -> tuple[Property, ...]:
    """Count what films have, in all and by class; a property that no film has is left out.

    Parameters
    ----------
    films : sequence of Surveyed
    labels : sequence of str
        Of the same films; empty: none.
    classes : sequence of str
    """
    found = []
    for name, of in WORDS.items():
        values = [of(film) for film in films]
        there = set(values) - {"", NOTHING}
        if not there or (name == "frames" and there == {"1"}):
            continue
        found.append(count_words(name, values, labels, classes))
    return tuple(found)


def count_words(
    name: str, values: Sequence[str], labels: Sequence[str], classes: Sequence[str]
) -> Property:
    """Count one property's values, in all and by class; the empty value is not there."""
    total = Counter(value for value in values if value)
    crossed = Counter(zip(values, labels, strict=True))
    order = sorted(total, key=lambda value: (-total[value], value))
    shown, rest = order[:_MOST_VALUES], order[_MOST_VALUES:]
    if len(rest) == 1:
        shown, rest = order, []
    rows = [
        Counted(value, total[value], tuple(crossed[value, label] for label in classes))
        for value in shown
    ]
    if rest:
        rows.append(
            Counted(
                OTHERS,
                sum(total[value] for value in rest),
                tuple(sum(crossed[value, label] for value in rest) for label in classes),
                len(rest),
            )
        )
    return Property(name, tuple(rows))


def quartiles(
    films: Sequence[Surveyed], labels: Sequence[str], classes: Sequence[str]
) -> tuple[Quartiles, ...]:
    """Quartiles of the properties that are numbers; of films without pixels nothing counts."""
    readable = [i for i, film in enumerate(films) if film.is_ok]
    if not readable:
        return ()
    of = np.array([labels[i] for i in readable], dtype=object)
    found = []
    for name, number in NUMBERS.items():
        values = np.array([number(films[i]) for i in readable])
        by_class = tuple(_quartiles(values[of == label]) for label in classes)
        found.append(Quartiles(name, _quartiles(values), by_class))
    return tuple(found)


def columns_of(films: Sequence[Surveyed]) -> dict[str, NDArray[np.float64]]:
    """Every property as numbers for a tree, one entry a film; those that are all equal left out.

    Words become their rank by frequency, which a tree can cut anywhere.
    """
    found = {}
    for name, number in NUMBERS.items():
        found[name] = np.array([number(film) for film in films])
    for name, word in WORDS.items():
        if name == "size":  # height and width say it
            continue
        values = [word(film) for film in films]
        if name in ("JPEG quality", "JPEG tables", "bits stored", "frames"):
            found[name] = np.array([float(value or -1) for value in values])
        else:
            ranks = {value: rank for rank, (value, _) in enumerate(Counter(values).most_common())}
            found[name] = np.array([float(ranks[value]) for value in values])
    return {name: values for name, values in found.items() if len(np.unique(values)) > 1}


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _quartiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    if not len(values):
        return ()
    return tuple(float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
