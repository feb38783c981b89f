"""Counts in sentences: one film, two films, one study, two studies."""

from __future__ import annotations

_MANY = {
    "study": "studies",
    "class": "classes",
    "process": "processes",
    "was": "were",
    "is": "are",
    "has": "have",
    "stands": "stand",
    "stays": "stay",
}
_ONE = {many: one for one, many in _MANY.items()}


def counted(count: int, unit: str) -> str:
    """``1 film``, ``1,203 studies``."""
    return f"{count:,} {unit if count == 1 else many(unit)}"


def films(count: int) -> str:
    """``1 film``, ``1,203 films``."""
    return counted(count, "film")


def one_of(units: str) -> str:
    """The singular of a unit; one that has no plural (``MB``) stays as it is."""
    return _ONE.get(units, units.removesuffix("s"))


def many(word: str) -> str:
    """The plural of a unit or of a verb: ``films``, ``studies``, ``were``."""
    return _MANY.get(word, f"{word}s")


def verb(one: str, count: int) -> str:
    """``was`` of one, ``were`` of several."""
    return one if count == 1 else many(one)
