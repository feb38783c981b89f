"""Which film of one table is which of the other, when their paths do not begin alike."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from xraybatch.core.counting import films
from xraybatch.core.errors import InputError
from xraybatch.sources.item import IMAGE_LIKE

_DEEPEST = 8  # folders that one side may have in front of the other's paths
_Shorten = Callable[[str], str]


class Film(NamedTuple):
    """The key of a film, without a leading ``./``; `frame` is empty where it plays no part."""

    path: str
    frame: str


class Matched(NamedTuple):
    """How films found each other.

    Attributes
    ----------
    rows : list of int
        Row of the other table for each of mine, −1 for none.
    compared : str
        What was compared instead of paths; empty where paths were.
    better : str
        Where few paths matched: what would match more, in a sentence; else empty.
    spelled : str
        Where some paths are the same but for backslashes or how accents are written: how many of
        them matched or would stand for several films, in a sentence; else empty.
    """

    rows: list[int]
    compared: str
    better: str
    spelled: str = ""


def match(mine: Sequence[Film], theirs: Sequence[Film], exact: list[int] | None = None) -> Matched:
    """Find the row of `theirs` for each of `mine`.

    By path, letter for letter, what is left by paths that differ in backslashes or in how accents
    are written. Only where not one path is in both by what finds most of them: a path without its
    first folders, the file name, the name without a film's suffix, and these with upper and lower
    case alike. Names are only compared where they stand for one film on either side, and where not
    both sides say a folder, which would contradict each other.

    Parameters
    ----------
    mine, theirs : sequence of Film
        Of the results and of the labels; each film once.
    exact : list of int, optional
        Row of `theirs` with the same key for each of `mine`, −1 for none, where that is known.

    Raises
    ------
    InputError
        If no film is in both; the message has an example of each side.
    """
    found = _same(mine, theirs) if exact is None else exact
    matched = len(found) - found.count(-1)
    spelled = ""
    if matched:
        found, spelled = _also_spelled(mine, theirs, found)
        matched = len(found) - found.count(-1)
    if 2 * matched >= min(len(mine), len(theirs)) > 0:
        return Matched(found, "", "", spelled)
    best, words, ambiguous = _best_attempt(mine, theirs)
    more = sum(row >= 0 for row in best)
    if matched:
        better = f"By {words} {more:,} would match: write the paths of both tables alike."
        return Matched(found, "", better if more > 2 * matched else "", spelled)
    if more:
        return Matched(best, words, "")
    examples = [f"'{side[0].path}'" if side else "no film" for side in (mine, theirs)]
    raise InputError(
        f"No film is in both tables: the results have {examples[0]}, the labels {examples[1]}."
        + ambiguous,
        "Make the paths of the labels begin where those of the results do, "
        "or name their column with --path-column.",
    )


def _same(mine: Sequence[Film], theirs: Sequence[Film]) -> list[int]:
    rows = {film: row for row, film in enumerate(theirs)}
    return [rows.get(film, -1) for film in mine]


def _also_spelled(
    mine: Sequence[Film], theirs: Sequence[Film], found: list[int]
) -> tuple[list[int], str]:
    """`found`, with the films that are left and whose one spelling is in both; and what is said."""
    left = [i for i, row in enumerate(found) if row < 0]
    if not left:
        return found, ""
    taken = set(found)
    spelled = [_plain(mine[i]) for i in left]
    mine_of = Counter(spelled)
    theirs_of = defaultdict(list)
    for row in range(len(theirs)):
        if row not in taken:
            theirs_of[_plain(theirs[row])].append(row)
    more, matched, unclear = list(found), 0, 0
    for i, film in zip(left, spelled, strict=True):
        rows = theirs_of.get(film, ())
        if len(rows) == mine_of[film] == 1:
            more[i] = rows[0]
            matched += 1
        elif rows:
            unclear += 1
    return more, " ".join(_said_of_spelling(matched, unclear))


def _said_of_spelling(matched: int, unclear: int) -> Iterator[str]:
    how = "backslashes or accents (NFC, NFD) that the tables write in different ways"
    if matched:
        yield f"Matched in spite of {how}: {films(matched)}."
    if unclear:
        yield f"Not matched, because but for {how} they would stand for several: {films(unclear)}."


def _best_attempt(mine: Sequence[Film], theirs: Sequence[Film]) -> tuple[list[int], str, str]:
    """Rows and words of the attempt that finds most, the first of equals; and what was refused."""
    best, words_of_best, refused = [-1] * len(mine), "", ""
    for words, shorten_mine, shorten_theirs in _attempts():
        short_mine = [Film(shorten_mine(_spelled(f.path)), f.frame) for f in mine]
        short_theirs = [Film(shorten_theirs(_spelled(f.path)), f.frame) for f in theirs]
        shared = set(short_mine) & set(short_theirs)
        if not shared:
            continue
        if clash := _clash(shared, mine, short_mine) or _clash(shared, theirs, short_theirs):
            refused = refused or f" By {words}, '{clash}' would stand for several films."
            continue
        rows = {film: row for row, film in enumerate(short_theirs)}
        found = [rows.get(film, -1) for film in short_mine]
        if words.startswith("file name") and (pair := _contradiction(mine, theirs, found)):
            refused = refused or f" By {words}, '{pair[0]}' would be '{pair[1]}'."
            continue
        if sum(row >= 0 for row in found) > sum(row >= 0 for row in best):
            best, words_of_best = found, words
    return best, words_of_best, refused


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
    yield "file name, upper and lower case alike", _folded(_name), _folded(_name)
    yield "file name without suffix, upper and lower case alike", _folded(_stem), _folded(_stem)


def _contradiction(
    mine: Sequence[Film], theirs: Sequence[Film], found: Sequence[int]
) -> tuple[str, str] | None:
    """A pair of which both say a folder: another one, or paths would have matched."""
    for film, row in zip(mine, found, strict=True):
        if row >= 0 and all("/" in _spelled(f.path) for f in (film, theirs[row])):
            return film.path, theirs[row].path
    return None


def _clash(shared: set[Film], films: Sequence[Film], short: Sequence[Film]) -> str:
    seen: dict[Film, str] = {}
    for film, key in zip(films, short, strict=True):
        if key in shared and seen.setdefault(key, film.path) != film.path:
            return key.path
    return ""


def _spelled(path: str) -> str:
    return unicodedata.normalize("NFC", path).replace("\\", "/").removeprefix("./")


def _plain(film: Film) -> Film:
    return Film(_spelled(film.path), film.frame)


def _without(depth: int) -> _Shorten:
    def shorten(path: str) -> str:
        parts = path.split("/", depth)
        # a path of fewer folders keeps what no path of the other side can equal
        return parts[depth] if len(parts) > depth else f"/{path}"

    return shorten


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    """The name without a film's suffix: a part of a UID is none."""
    name = _name(path)
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and f"{dot}{suffix}".lower() in IMAGE_LIKE else name


def _folded(shorten: _Shorten) -> _Shorten:
    return lambda path: shorten(path).casefold()
