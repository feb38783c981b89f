"""Counts in sentences: one film, two films, one study, two studies."""

from __future__ import annotations

_MANY = {"study": "studies", "was": "were", "is": "are", "has": "have"}


def counted(count: int, unit: str) -> str:
    """``1 film``, ``1,203 studies``."""
    return f"{count:,} {unit if count == 1 else many(unit)}"


def films(count: int) -> str:
    """``1 film``, ``1,203 films``."""
    return counted(count, "film")


def many(word: str) -> str:
    """The plural of a unit or of a verb: ``films``, ``studies``, ``were``."""
    return _MANY.get(word, f"{word}s")


def verb(one: str, count: int) -> str:
    """``was`` of one, ``were`` of several."""
    return one if count == 1 else many(one)
