"""Patients taken from the names of films, by a pattern whose effect a person sees first."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from xraybatch.core.counting import counted
from xraybatch.core.errors import UsageError
from xraybatch.core.names import plain_name
from xraybatch.core.progress import Progress
from xraybatch.training.datasets.films import Row

_WORD = re.compile(r"[^\W\d_]+")
_COMMON = 5  # patients with whom a word stands that is nobody's name
_SIZES = 5
# how data sets often write the patient, never used unasked: what many names look like, and what
# to take of all names, of which some have a patient and nothing else
_USUAL = (
    (r"(patient\d+)", r"(patient\d+)"),
    (r"([^/_]*\d[^/_]*)_[^/]*$", r"([^/_.]*\d[^/_.]*)(?:_[^/]*)?\.[^/.]+$"),
    (r"(\d{4,})[LR]\.[^/.]+$", r"(\d{4,})[LR]\.[^/.]+$"),
    (r"([^/]*\d[^/]*)-\d+\.[^/.]+$", r"([^/]*\d[^/]*)-\d+\.[^/.]+$"),
)
_MANY, _REPEATED = 0.5, 0.9  # shares: of names that look so, of names that are another patient


def patients_from(rows: Sequence[Row], pattern: str, progress: Progress) -> tuple[Row, ...]:
    """Take the patient of each film from its path, and say first what that makes.

    Parameters
    ----------
    rows : sequence of Row
    pattern : str
        A regular expression, searched in the path; its group ``patient``, or its only group, is
        the patient. A film whose path it does not match is a patient of its own.
    progress : Progress

    Raises
    ------
    UsageError
        If it is no such expression, or matches no path.
    """
    compiled = _compiled(pattern)
    group: str | int = "patient" if "patient" in compiled.groupindex else 1
    found = [compiled.search(row.film.inner) for row in rows]
    names = [plain_name(match[group] or "") if match else "" for match in found]
    matched = [name for name in names if name]
    if not matched:
        raise UsageError(
            f"--patient-from matches none of {len(rows):,} paths, which look like "
            f"'{_masked(rows[0].film.inner, frozenset())}'.",
            "It is searched in the path below the source; digits stand as 0 here, letters as x.",
        )
    sizes = sorted(Counter(matched).values(), reverse=True)
    some = ", ".join(f"{size:,}" for size in sizes[:_SIZES])
    progress.note(
        f"--patient-from matches {len(matched):,} of {len(rows):,} paths: "
        f"{counted(len(sizes), 'patient')}, "
        f"the largest with {some} films, {sizes.count(1):,} with one."
    )
    at = next(i for i, name in enumerate(names) if name)
    common = _common_words([row.film.inner for row in rows], names)
    path, name = _masked(rows[at].film.inner, common), _masked(names[at], common)
    progress.note(
        f"For example '{path}' is of patient '{name}' (digits stand as 0, rare words as x)."
    )
    if alone := len(rows) - len(matched):
        progress.note(f"Paths that it does not match, each a patient of its own: {alone:,}.")
    return tuple(replace(row, patient=name) for row, name in zip(rows, names, strict=True))


def patient_hint(rows: Sequence[Row]) -> str:
    """A sentence where the names look as if they held patients; else empty."""
    paths = [row.film.inner for row in rows]
    for looks, pattern in _USUAL:
        alike = _found(looks, paths)
        if len(alike) >= _MANY * len(paths) and 3 <= len(set(alike)) <= _REPEATED * len(alike):
            found = _found(pattern, paths)
            return (
                f"Names look as if they held patients: {len(set(found)):,} of them in "
                f"{len(found):,} of {counted(len(paths), 'film')}. If so, `xraybatch prepare` with "
                f"--patient-from '{pattern}' keeps them whole."
            )
    return ""


def _found(pattern: str, paths: Sequence[str]) -> list[str]:
    compiled = re.compile(pattern)
    return [match[1] for path in paths if (match := compiled.search(path))]


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"--patient-from is no regular expression: {error}.",
            r"For example --patient-from '(person\d+)_'.",
        ) from None
    if compiled.groups != 1 and "patient" not in compiled.groupindex:
        raise UsageError(
            f"--patient-from has {counted(compiled.groups, 'group')}.",
            "Put brackets around the patient alone, or call its group: (?P<patient>…).",
        )
    return compiled


def _common_words(paths: Sequence[str], names: Sequence[str]) -> frozenset[str]:
    """Words that stand in the paths of several patients, so that they name none."""
    patients: dict[str, set[str]] = defaultdict(set)
    for path, name in zip(paths, names, strict=True):
        for word in _WORD.findall(path):
            patients[word].add(name)
    return frozenset(word for word, who in patients.items() if len(who) >= _COMMON)


def _masked(text: str, common: frozenset[str]) -> str:
    digits = re.sub(r"\d", "0", text)
    return _WORD.sub(lambda word: word[0] if word[0] in common else "x" * len(word[0]), digits)
