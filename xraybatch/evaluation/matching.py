"""Which film of one table is which of the other, when their paths do not begin alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from xraybatch.core.errors import InputError

_DEEPEST = 8  # folders that one side may have in front of the other's paths
_Shorten = Callable[[str], str]


class Film(NamedTuple):
    """The key of a film, without a leading ``./``; `frame` is empty where it plays no part."""

    path: str
    frame: str


def match(mine: Sequence[Film], theirs: Sequence[Film]) -> tuple[list[int], str]:
    """Find the row of `theirs` for each of `mine`.

    Parameters
    ----------
    mine, theirs : sequence of Film
        Of the results and of the labels; each film once.

    Returns
    -------
    list of int
        Row of `theirs`, −1 for none.
    str
        What was compared instead of paths; empty where paths were. Only where not one path is in
        both, and only by what stands for one film on either side.

    Raises
    ------
    InputError
        If no film is in both; the message has an example of each side.
    """
    rows = {film: row for row, film in enumerate(theirs)}
    found = [rows.get(film, -1) for film in mine]
    if max(found, default=-1) >= 0:
        return found, ""
    ambiguous = ""
    for words, shorten_mine, shorten_theirs in _attempts():
        short_mine = [Film(shorten_mine(_spelled(f.path)), f.frame) for f in mine]
        short_theirs = [Film(shorten_theirs(_spelled(f.path)), f.frame) for f in theirs]
        shared = set(short_mine) & set(short_theirs)
        if not shared:
            continue
        if clash := _clash(shared, mine, short_mine) or _clash(shared, theirs, short_theirs):
            ambiguous = ambiguous or f" By {words}, '{clash}' would stand for several films."
            continue
        rows = {film: row for row, film in enumerate(short_theirs)}
        return [rows.get(film, -1) for film in short_mine], words
    examples = [f"'{films[0].path}'" if films else "no film" for films in (mine, theirs)]
    raise InputError(
        f"No film is in both tables: the results have {examples[0]}, the labels {examples[1]}."
        + ambiguous,
        "Make the paths of the labels begin where those of the results do, "
        "or name their column with --path-column.",
    )


def _attempts() -> Iterator[tuple[str, _Shorten, _Shorten]]:
    yield "path, backslashes and accents spelled alike", str, str
    for depth in range(1, _DEEPEST + 1):
        folders = "folder" if depth == 1 else f"{depth} folders"
        yield f"path, without the first {folders} of the labels'", str, _without(depth)
        yield f"path, without the first {folders} of the results'", _without(depth), str
    yield "file name", _name, _name
    yield "file name, without the results' suffix", _stem, _name
    yield "file name, without the labels' suffix", _name, _stem
    yield "file name, without suffix", _stem, _stem


def _clash(shared: set[Film], films: Sequence[Film], short: Sequence[Film]) -> str:
    seen: dict[Film, str] = {}
    for film, key in zip(films, short, strict=True):
        if key in shared and seen.setdefault(key, film.path) != film.path:
            return key.path
    return ""


def _spelled(path: str) -> str:
    return unicodedata.normalize("NFC", path).replace("\\", "/").removeprefix("./")


def _without(depth: int) -> _Shorten:
    def shorten(path: str) -> str:
        parts = path.split("/", depth)
        # a path of fewer folders keeps what no path of the other side can equal
        return parts[depth] if len(parts) > depth else f"/{path}"

    return shorten


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    name = _name(path)
    return name.rpartition(".")[0] or name
