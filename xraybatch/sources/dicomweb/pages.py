"""All answers to a query, from services of which some do not turn their pages right.

Some apply the offset before the filter, so that later pages are empty though there is more; some
ignore it; some give fewer than they were asked for. An end is therefore believed only when it is
confirmed: by the same query without pages or, where a service cuts that off, by its last page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xraybatch.core.errors import InputError

PAGE = 500  # answers asked for at once

Answer = Mapping[str, Any]


class NotTaken(Exception):
    """The service does not take the query as it is."""


@dataclass(frozen=True)
class Answers:
    """What a query found.

    Attributes
    ----------
    all : list of mapping
        Each once, in the order in which they came first.
    lost_by_pages : int
        How many of them no page had.
    """

    all: list[Answer]
    lost_by_pages: int = 0


def every_answer(
    ask: Callable[[int | None, int], Sequence[Answer]],
    name: Callable[[Answer], object],
    expected: int | None = None,
) -> Answers:
    """Ask until nothing is left.

    Parameters
    ----------
    ask : callable
        Of a limit (None: none) and an offset; may raise `NotTaken` where there is no limit.
    name : callable
        What tells one answer from another.
    expected : int, optional
        How many there are, where the service said so before: then so many need no confirmation.

    Raises
    ------
    InputError
        If the pages do not fit together and nothing else says how many there are.
    """
    found: dict[object, Answer] = {}
    pages = _read_on(ask, name, found, 0, expected)
    if expected is not None and len(found) == expected:
        return Answers(list(found.values()))
    paged = len(found)
    try:
        whole = ask(None, 0)
    except NotTaken:
        whole = []
    for answer in whole:
        found.setdefault(name(answer), answer)
    lost = len(found) - paged
    if lost:  # perhaps that one was cut off, too
        _read_on(ask, name, found, len(whole))
        lost = len(found) - paged
    elif len(whole) < paged and [name(answer) for answer in ask(PAGE, pages - 1)] != _last(found):
        raise InputError(
            "The service's pages do not fit together: it may have more films than it names.",
            "Ask for a shorter --study-date or for one --modality at a time.",
        )
    return Answers(list(found.values()), lost)


def _read_on(
    ask: Callable[[int | None, int], Sequence[Answer]],
    name: Callable[[Answer], object],
    found: dict[object, Answer],
    offset: int,
    expected: int | None = None,
) -> int:
    """Turn pages from an offset until one has nothing new, or all are there; where that was."""
    while len(found) != expected and (page := ask(PAGE, offset)):
        before = len(found)
        for answer in page:
            found.setdefault(name(answer), answer)
        if len(found) == before:  # it knows no offset
            break
        offset += len(page)
    return offset


def _last(found: dict[object, Answer]) -> list[object]:
    return list(found)[-1:]
