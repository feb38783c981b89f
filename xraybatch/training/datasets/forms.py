"""Class folders, in the ways that data sets have them: alone, below train and test, above them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError
from xraybatch.core.tasks import DEFAULT_TASK
from xraybatch.sources.archives.names import quoted
from xraybatch.training.datasets.films import Arrangement, FilmFile, Row
from xraybatch.training.datasets.options import CLASS_FOLDERS, SPLIT_FOLDERS, SPLIT_IN_CLASSES
from xraybatch.training.part_names import TEST, TRAIN, VALIDATION, part_called

NO_CLASS = "film in no class folder"
NO_PART = "film in no train, val or test folder"

_LISTED = 12
_FEW = 10  # films on average in a folder that may be a patient's


class _Place(NamedTuple):
    """A film's folders: those before the one of its part, the part, those after it."""

    film: FilmFile
    before: tuple[str, ...]
    part: str
    after: tuple[str, ...]


def part_of(folders: Sequence[str]) -> str:
    """The part that the outermost folder of a part's name says; else empty."""
    return next((part for folder in folders if (part := part_called(folder))), "")


def arrange_folders(
    films: Sequence[FilmFile], form: str | None, classes: Sequence[str]
) -> Arrangement:
    """Take the classes, and the parts where there are some, from folders.

    Parameters
    ----------
    films : sequence of FilmFile
    form : str, optional
        To read them as; found in them by default.
    classes : sequence of str
        That must be there, compared without capitals; empty: any.

    Raises
    ------
    InputError
        If there are no class folders, or others than `classes`.
    """
    places = [_place(film) for film in films]
    has_parts = any(place.part == TRAIN for place in places)  # one called test alone is a wrapper
    if form is None:
        form = _form_of(places, classes) if has_parts else CLASS_FOLDERS
    elif form != CLASS_FOLDERS and not has_parts:
        raise InputError(
            f"--form {form}: there is no folder called train.",
            "Leave --form out, or look at the folders.",
        )
    skipped: Counter[str] = Counter()
    if form == CLASS_FOLDERS:
        places = [place._replace(part="") for place in places]
        named = _named([_whole(place, has_parts=has_parts) for place in places], classes)
    else:
        skipped[NO_PART] = sum(not place.part for place in places)
        places = [place for place in places if place.part]
        sides = [p.after if form == SPLIT_FOLDERS else p.before[-1:] for p in places]
        named = _named(sides, classes)
    rows = [
        Row(place.film, (name,), place.part)
        for place, name in zip(places, named, strict=True)
        if name
    ]
    skipped[NO_CLASS] = len(named) - len(rows)
    if not rows:
        raise InputError(
            "There are no class folders.",
            "Put the films of each class into a folder of its name, or give a table of labels.",
        )
    found = Counter(row.labels[0] for row in rows)
    spelled = demanded(found, classes, "class folder")
    rows = [replace(row, labels=(spelled.get(row.labels[0], row.labels[0]),)) for row in rows]
    sentence = _sentence(form, rows, sorted({row.labels[0] for row in rows}))
    return Arrangement(form, sentence, (DEFAULT_TASK,), tuple(rows), dict(+skipped))


def demanded(
    found: Mapping[str, int], classes: Sequence[str], what: str, *, may_lack: bool = False
) -> dict[str, str]:
    """Class as the data spell it → as it was asked for; nothing where none was.

    Parameters
    ----------
    found : mapping of str to int
        Films of each class.
    classes : sequence of str
        That must be there, compared without capitals; empty: any.
    what : str
        What they are in the data, for sentences.
    may_lack : bool
        Whether one of `classes` may have no film.

    Raises
    ------
    InputError
        If one is missing, or there are others.
    """
    if not classes:
        return {}
    plural = "classes" if what == "class" else f"{what}s"
    wanted = {_plain(name): name.strip() for name in classes}
    there = {_plain(name) for name in found}
    missing = [name for plain, name in wanted.items() if plain not in there]
    if missing and not may_lack:
        raise InputError(
            f"There is no {what} {listed(missing)}; there is {listed(sorted(found))}.",
            "Look at the data, or at how the classes are spelled that were asked for.",
        )
    if more := [name for name in sorted(found) if _plain(name) not in wanted]:
        films = sum(found[name] for name in more)
        raise InputError(
            f"Beside the {plural} asked for there is {listed(more)} with {counted(films, 'film')}.",
            "Ask for it too (train --task, prepare --classes), or move it away.",
        )
    return {name: wanted[_plain(name)] for name in found}


def listed(names: Sequence[str]) -> str:
    """Names for a sentence; of many, the first."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(quoted(name) for name in names[:_LISTED]) + more


def _place(film: FilmFile) -> _Place:
    folders = film.folders
    for depth, name in enumerate(folders):
        if part := part_called(name):
            return _Place(film, folders[:depth], part, folders[depth + 1 :])
    return _Place(film, folders, "", ())


def _form_of(places: Sequence[_Place], classes: Sequence[str]) -> str:
    """Whether classes lie below the folders of parts, or above them.

    Raises
    ------
    InputError
        If it could be either.
    """
    learned = [place for place in places if place.part == TRAIN]  # others may be unlabelled
    if sum(bool(place.after) for place in learned) * 2 < len(learned):
        return SPLIT_IN_CLASSES
    below: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for place in places:
        if place.part:
            below[place.before] |= {_plain(name) for name in place.after[:1]}
    names = set().union(*below.values())
    if len(below) < 2 or len(names) < 2:
        return SPLIT_FOLDERS
    wanted = {_plain(name) for name in classes}
    if wanted and names != wanted == {_plain(above[-1]) for above in below if above}:
        return SPLIT_IN_CLASSES
    if wanted and names == wanted:
        return SPLIT_FOLDERS
    # below each class's train and test lie folders of patients: no two classes share one
    if sum(map(len, below.values())) == len(names):
        return SPLIT_IN_CLASSES if len(names) > len(below) else SPLIT_FOLDERS
    return _of_shared(places, below)


def _of_shared(places: Sequence[_Place], below: Mapping[tuple[str, ...], Collection[str]]) -> str:
    """The form where folders of one name lie in several: classes of sets, or patients of classes.

    Classes are in train and in test; patients of a split that keeps them whole are not.
    """
    there: dict[bool, set[str]] = defaultdict(set)
    films: Counter[tuple[tuple[str, ...], str, str]] = Counter()
    for place in places:
        if place.part and place.after:
            name = _plain(place.after[0])
            there[place.part == TRAIN].add(name)
            films[place.before, place.part, name] += 1
    learned, judged = there[True], there[False]
    if judged and len(learned & judged) * 2 < min(len(learned), len(judged)):
        return SPLIT_IN_CLASSES
    names = learned | judged
    numbered = len({re.sub(r"\d+", "0", name) for name in names}) == 1
    if numbered and films.total() < _FEW * len(films):
        above = sorted({place[-1] if place else "." for place in below})
        raise InputError(
            f"It cannot be told whether the classes are {listed(above)}, or the {len(names):,} "
            "folders below their train and test.",  # unnamed: they may be patients
            "Name the classes: train --task label:multiclass=CLASS,CLASS, prepare --classes "
            "CLASS,CLASS.",
        )
    return SPLIT_FOLDERS


def _whole(place: _Place, *, has_parts: bool) -> tuple[str, ...]:
    """All folders, without those of parts where a person does not want them."""
    folders = place.film.folders
    return tuple(n for n in folders if not part_called(n)) if has_parts else folders


def _named(paths: Sequence[tuple[str, ...]], classes: Sequence[str]) -> list[str]:
    """The class of each film: the first folder below those that wrap everything; else empty."""
    wanted = {_plain(name) for name in classes}
    deepest = max(map(len, paths), default=0)
    if wanted:  # they say how deep the classes lie
        for depth in range(deepest):
            found = [path[depth] if len(path) > depth else "" for path in paths]
            if {_plain(name) for name in found} - {""} == wanted:
                return found
    wrapping = 0
    while wrapping + 1 < deepest:
        inside = [path for path in paths if len(path) > wrapping]
        deeper = sum(len(path) > wrapping + 1 for path in inside)
        if len({path[wrapping] for path in inside}) > 1 or deeper * 2 < len(inside):
            break
        wrapping += 1
    return [path[wrapping] if len(path) > wrapping else "" for path in paths]


def _plain(name: str) -> str:
    return name.strip().casefold()


def _sentence(form: str, rows: Sequence[Row], classes: Sequence[str]) -> str:
    if form == CLASS_FOLDERS:
        return f"Class folders {listed(classes)}."
    there = {row.split for row in rows}
    parts = ", ".join(part for part in (TRAIN, VALIDATION, TEST) if part in there)
    if form == SPLIT_FOLDERS:
        return f"Folders of parts ({parts}) that hold class folders {listed(classes)}."
    return f"Class folders {listed(classes)} that hold folders of parts ({parts})."
