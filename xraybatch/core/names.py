"""Names: the nearest known one to a mistyped one, and one spelling of those that look alike."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable

from xraybatch.core.errors import UsageError

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet executes


def no_formula(cell: str) -> str:
    """A cell that no spreadsheet executes: ``./`` in front, which before a path changes nothing."""
    return f"./{cell}" if cell.startswith(FORMULA_STARTS) else cell


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known name, or all of them where none is near."""
    names = sorted(known)
    if near := nearest(wrong, names):
        return near
    return f"Known are: {', '.join(names)}." if names else "None is known."


def nearest(wrong: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known name; empty where none is near. Capitals say nothing."""
    import difflib  # 5 ms, and only on the way to an error

    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.6)
    if not near:
        folded = {name.casefold(): name for name in names}
        found = difflib.get_close_matches(wrong.casefold(), folded, n=1, cutoff=0.6)
        near = [folded[name] for name in found]
    return f"Did you mean '{near[0]}'?" if near else ""


def nearest_few(wrong: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names that are most like a given one, the nearest first. Capitals say nothing."""
    import difflib

    folded = {name.casefold(): name for name in sorted(known)}
    near = difflib.get_close_matches(wrong.casefold(), folded, n=most, cutoff=0.45)
    return [folded[name] for name in near]


def listed_words(text: str, option: str) -> tuple[str, ...]:
    """Words as typed for an option, with commas between.

    Raises
    ------
    UsageError
        If there is none, one is empty, or one stands twice.
    """
    words = tuple(word.strip() for word in text.split(","))
    if not any(words):
        raise UsageError(f"{option} names nothing.", "Name something, or leave it out.")
    if not all(words):
        raise UsageError(f"{option} names nothing between two commas.", "Leave one comma out.")
    if twice := sorted({word for word in words if words.count(word) > 1}):
        raise UsageError(f"{option} names '{twice[0]}' twice.", "Leave one out.")
    return words


def number_of(text: str) -> float | None:
    """The finite number that a text is; None if it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def same_word(text: str) -> str:
    """What spellings of one word share: no capitals, accents composed; numbers have one form."""
    number = number_of(text)
    return plain_name(text).casefold() if number is None else repr(number + 0.0)


def plain_name(text: str) -> str:
    """A name as it is compared: no blanks around it, accents composed (NFC)."""
    return unicodedata.normalize("NFC", text).strip()
