"""The reviewer's capsule: a score with all that it was made from, in one ZIP; no pixels.

Whoever has it scores it again and is told whether the numbers are the same, or which file was
changed. Members are tables and JSON; nothing in it is ever executed or unpickled.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xraybatch.core.errors import InputError
from xraybatch.core.files import atomic_path, sha256_of
from xraybatch.evaluation.report import Report
from xraybatch.models.runs import MODEL_FILE
from xraybatch.prediction.record import record_path
from xraybatch.reports.json_text import to_json
from xraybatch.reports.markdown import to_markdown

SCHEMA = "1.0"
SUFFIX = ".zip"
MANIFEST, REPORT, TEXT, CARD = "capsule.json", "report.json", "report.md", "card.json"
RESULTS, LABELS, CHOSEN_ON, CHOSEN_LABELS = ROLES = (
    "results", "labels", "thresholds", "thresholds-labels",
)  # fmt: skip
_MOST_MEMBERS = 16
_LARGEST = 8 << 30  # bytes, all members together
_BLOCK = 1 << 20
_SAME = 1e-9
_MOST_TIMES, _FLOOR = 300, 64 << 20  # unpacked bytes for each of the file, and what is no bomb
_SHOWN = 60  # characters of a value that differs
# what a file that is none, or was damaged, makes its readers say
_NO_CAPSULE = (
    OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, KeyError, TypeError,
    ValueError, AttributeError,
)  # fmt: skip
_WHERE = "Ask whoever made it for another copy; what it says of itself cannot be relied on."


@dataclass(frozen=True)
class Capsule:
    """A capsule, opened.

    Attributes
    ----------
    tables : mapping of str to Path
        By role, in a folder that is gone when it is closed; run records lie beside them.
    names : mapping of str to str
        By role, what its maker called them.
    asked : mapping
        The options it was scored with, as the command line has them.
    expected : mapping
        The report of its maker, as plain JSON.
    """

    tables: Mapping[str, Path]
    names: Mapping[str, str]
    asked: Mapping[str, Any]
    expected: Mapping[str, Any]


def write_capsule(
    target: Path,
    tables: Mapping[str, Path],
    names: Mapping[str, str],
    asked: Mapping[str, Any],
    report: Report,
) -> None:
    """Pack a score.

    Parameters
    ----------
    target : Path
    tables : mapping of str to Path
        By role of `ROLES`; run records, and ``split.csv`` beside the results, are packed with them.
    names : mapping of str to str
        By role, what the report calls them.
    asked : mapping
        Options as the command line has them, plain JSON.
    report : Report
        What they gave.
    """
    files = dict(_files(tables))
    texts = {REPORT: to_json(report), TEXT: to_markdown(report)}
    if card := _card(tables[RESULTS]):
        texts[CARD] = json.dumps(card, indent=2, sort_keys=True) + "\n"
    digests = {name: sha256_of(path) for name, path in files.items()}
    digests |= {n: hashlib.sha256(text.encode()).hexdigest() for n, text in texts.items()}
    manifest = {
        "schema": SCHEMA,
        "tables": {role: _name(role, path) for role, path in tables.items()},
        "names": dict(names),
        "asked": dict(asked),
        "sha256": digests,
    }
    with atomic_path(target) as temporary, zipfile.ZipFile(
        temporary, "w", zipfile.ZIP_DEFLATED
    ) as archive:  # fmt: skip
        archive.writestr(MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")
        for name, text in texts.items():
            archive.writestr(name, text)
        for name, path in files.items():
            archive.write(path, name)


@contextmanager
def open_capsule(path: Path) -> Iterator[Capsule]:
    """Unpack a capsule into a folder of its own, and check every file in it.

    Raises
    ------
    InputError
        If it is none, was cut, or a file in it is not the one that was packed: the message names
        which.
    """
    with TemporaryDirectory(prefix="xraybatch-capsule-") as folder:
        place = Path(folder)
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, place, path.name)
            manifest = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
            digests, tables = dict(manifest["sha256"]), dict(manifest["tables"])
            names, asked = dict(manifest["names"]), dict(manifest["asked"])
            schema = str(manifest["schema"])
            if not all(isinstance(v, str) for d in (digests, tables, names) for v in d.values()):
                raise TypeError("names and digests are text")
        except _NO_CAPSULE as error:
            raise InputError(
                f"{path} is no capsule of a score ({type(error).__name__}).",
                "Give what `xraybatch score … --capsule` wrote, or results and labels.",
            ) from None
        if schema.split(".")[0] != SCHEMA.split(".")[0]:
            raise InputError(
                f"{path} is a capsule of schema {schema}; this installation reads {SCHEMA}.",
                "Install the xraybatch that made it.",
            )
        _check(place, digests, tables, path.name)
        try:
            expected = json.loads((place / REPORT).read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            expected = None
        if not isinstance(expected, dict) or not isinstance(expected.get("tasks"), list):
            raise InputError(f"The report in {path.name} is none.", _WHERE)
        if set(names) != set(tables):
            raise InputError(f"{path.name} does not say what its tables are called.", _WHERE)
        files = {role: place / name for role, name in tables.items()}
        yield Capsule(files, names, asked, expected)


def differences(expected: Mapping[str, Any], report: Report) -> list[str]:
    """Where a report's numbers differ from those of the capsule's maker, one place each.

    Everything under ``tasks`` is compared: words exactly, numbers within 1e-9 of each other, so
    that another version of a library may round a last digit otherwise.
    """
    return list(_differing(expected.get("tasks"), report.to_dict()["tasks"], ""))


def why_differing(expected: Mapping[str, Any], report: Report) -> str:
    """What may be behind `differences`: other versions of libraries, or a file that was edited."""
    theirs = expected.get("versions")
    known = theirs if isinstance(theirs, Mapping) else {}
    others = [
        f"{name} {known.get(name, 'unknown')} there, {version} here"
        for name, version in report.versions.items()
        if known.get(name) != version
    ]
    if others:
        return f"It was made with other versions: {', '.join(others)}."
    return (
        "It was made with the same versions as are here, so its report or a table was edited: ask "
        "whoever made it."
    )


def _files(tables: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    for role, path in tables.items():
        name = _name(role, path)
        yield name, path
        if record_path(path).is_file():
            yield f"{name}.run.json", record_path(path)
    split = tables[RESULTS].with_name("split.csv")
    # that of a run folder alone: another table of this name may be of other films
    if split.is_file() and split.with_name(MODEL_FILE).is_file():
        yield split.name, split


def _name(role: str, path: Path) -> str:
    return role + path.suffix.lower()


def _card(results: Path) -> Mapping[str, Any]:
    try:
        card = json.loads(record_path(results).read_text(encoding="utf-8"))["card"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return card if isinstance(card, dict) else {}


def _unpack(archive: zipfile.ZipFile, place: Path, name: str) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    limit = min(_LARGEST, max(_FLOOR, _MOST_TIMES * packed))
    if len(members) > _MOST_MEMBERS or len(set(names)) < len(names) or size > limit:
        raise InputError(f"{name} holds what no capsule holds.", _WHERE)
    left = limit
    for member in members:
        # its own name alone: no folder, no way out of this one
        if not member.filename or Path(member.filename).name != member.filename:
            raise InputError(f"{name} holds files in folders, as no capsule does.", _WHERE)
        with archive.open(member) as source, (place / member.filename).open("wb") as copy:
            while block := source.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise InputError(f"{name} unpacks to more than it says.", _WHERE)
                copy.write(block)


def _check(place: Path, digests: Mapping[str, str], tables: Mapping[str, str], name: str) -> None:
    there = {path.name for path in place.iterdir()} - {MANIFEST}
    changed = sorted(n for n in there & digests.keys() if sha256_of(place / n) != digests[n])
    missing = sorted(digests.keys() - there)
    added = sorted(there - digests.keys())
    said = [
        f"{word}: {', '.join(found)}"
        for word, found in (("changed", changed), ("missing", missing), ("added", added))
        if found
    ]
    if said:
        raise InputError(f"{name} is not as it was packed; {'; '.join(said)}.", _WHERE)
    if {RESULTS, LABELS} - tables.keys() or set(tables) - set(ROLES):
        raise InputError(f"{name} does not say which table is which.", _WHERE)
    if not set(tables.values()) | {REPORT} <= there:
        raise InputError(f"{name} lacks tables that it speaks of.", _WHERE)


def _differing(one: Any, other: Any, place: str) -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys((*one, *other)):
            yield from _differing(one.get(key), other.get(key), f"{place}.{key}" if place else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            label = mine.get("task") or mine.get("name") if isinstance(mine, Mapping) else None
            yield from _differing(mine, theirs, f"{place}[{label or i}]")
    elif _is_number(one) and _is_number(other):
        if not math.isclose(one, other, rel_tol=_SAME, abs_tol=_SAME):
            there, here = _digits(one, other)
            yield f"{place}: {there} there, {here} here"
    elif one != other:
        yield f"{place}: {_short(one)} there, {_short(other)} here"


def _digits(one: float, other: float) -> tuple[str, str]:
    """Both in as few digits as tell them apart."""
    for digits in range(4, 17):
        there, here = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if there != here:
            break
    return there, here


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
