"""What the cells of a labels table mean: classes, parts, and names that look like one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError
from xraybatch.core.names import plain_name, same_word
from xraybatch.core.progress import Progress
from xraybatch.training.part_names import part_called

if TYPE_CHECKING:
    import pandas as pd


def mapped(column: pd.Series[str], label_map: Mapping[str, str]) -> pd.Series[str]:
    """Classes for values; a column that the map speaks of must hold nothing that it does not.

    Raises
    ------
    InputError
        If it does.
    """
    stripped = column.str.strip()
    classes = {name for name in label_map.values() if name}
    found = set(stripped) - {""}
    unknown = sorted(found - set(label_map) - classes)
    if unknown and classes and found & set(label_map):
        films = int((stripped == unknown[0]).sum())
        raise InputError(
            f"The column '{column.name}' says '{unknown[0]}' of {counted(films, 'film')}, and "
            "--label-map "
            "does not say what that means.",
            f"Add {unknown[0]}=CLASS to it, or {unknown[0]}= to leave those films out.",
        )
    return stripped.replace(dict(label_map))


def check_used(label_map: Mapping[str, str], columns: pd.DataFrame) -> None:
    """Raise `InputError` if no value of the map stands in the columns."""
    said = {value.strip() for name in columns for value in columns[name]} - {""}
    if label_map and not said & set(label_map):
        some = ", ".join(f"'{value}'" for value in sorted(said)[:5])
        raise InputError(
            f"No value of --label-map stands in the labels, which say {some}.",
            "Write each value as it stands there: --label-map 0=normal,1=abnormal.",
        )


def parts_of(column: pd.Series[str], labels: Path) -> list[str]:
    """``train``, ``val`` or ``test`` for the cells of the column ``split``; empty where they are.

    Raises
    ------
    InputError
        If a cell says something else.
    """
    found = []
    for value in column.str.strip().str.lower():
        if value and not part_called(value):
            raise InputError(
                f"The column 'split' of {labels} says '{value}'.",
                "Use train, val and test, or rename the column.",
            )
        found.append(part_called(value))
    return found


def tell_spellings(task: str, column: pd.Series[str], progress: Progress) -> None:
    """Warn of classes of a task that look like one in two spellings."""
    by_word: dict[str, set[str]] = {}
    for name in set(column) - {""}:
        by_word.setdefault(same_word(name), set()).add(name)
    for names in by_word.values():
        if len(names) > 1:
            one, other, *_ = sorted(names)
            alike = plain_name(one) == plain_name(other)
            progress.warn(
                "Classes",
                f"'{one}' and '{other}' of '{task}' are taken as two classes"
                + (", for their accents are not written with the same characters; " * alike or "; ")
                + f"--label-map {one}={other} makes them one.",
            )
