"""A folder audited with what its table or its folders say: what ``xraybatch audit`` does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch.auditing.known import Known, nothing_known
from xraybatch.auditing.run import Audited, AuditOptions, audit_films
from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.label_maps import parse_label_map
from xraybatch.core.names import plain_name
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tables import read_table, require_columns
from xraybatch.core.tasks import DEFAULT_TASK
from xraybatch.sources.films import find_films
from xraybatch.sources.item import Item
from xraybatch.sources.keys import key_of, same_key
from xraybatch.training.datasets.films import FilmFile
from xraybatch.training.datasets.forms import arrange_folders, part_of
from xraybatch.training.label_files import find_files
from xraybatch.training.label_values import check_used, mapped, parts_of
from xraybatch.training.labels import TABLE

if TYPE_CHECKING:
    import pandas as pd

_PATIENT, _SPLIT, _STUDY = "patient", "split", "study"
_VALUES = 20  # most that a column of labels has
_LISTED = 8


@dataclass(frozen=True)
class LabelsAsked:
    """Where the labels of an audit are.

    Attributes
    ----------
    labels : Path or None
        A labels table; None: ``labels.csv`` in the folder where there is one, else class folders.
    path_column : str
    label_column, patient_column, split_column : str or None
        None: ``label``, ``patient`` and ``split``, where the table has them.
    label_map : str or None
        ``0=normal,1=abnormal``; nothing after ``=``: not labelled.
    """

    labels: Path | None = None
    path_column: str = "path"
    label_column: str | None = None
    patient_column: str | None = None
    split_column: str | None = None
    label_map: str | None = None


@dataclass
class _Said:
    """What rows of a table say of each film."""

    labels: list[str]
    patients: list[str]
    parts: list[str]
    twice: set[int] = field(default_factory=set)
    named: set[int] = field(default_factory=set)


def audit_folders(
    folders: Sequence[str | Path],
    asked: LabelsAsked,
    options: AuditOptions,
    progress: Progress = SILENT,
) -> Audited:
    """Audit the films below folders, with their labels where there are any.

    Parameters
    ----------
    folders : sequence of str or Path
        Folders, files, globs, ``@list``.
    asked : LabelsAsked
    options : AuditOptions
    progress : Progress

    Raises
    ------
    InputError, UsageError
        If there is no film, or the labels cannot be used.
    """
    found = find_films(folders, archives=True, progress=progress)
    known = read_known(found.items, folders, asked, progress)
    if known.source:
        progress.note(f"Labels come from {known.source}.")
    return audit_films(found, known, options, progress)


def read_known(
    items: Sequence[Item],
    folders: Sequence[str | Path],
    asked: LabelsAsked,
    progress: Progress = SILENT,
) -> Known:
    """What a table, or else the folders, say of films.

    Unlike training, nothing is refused that can be said as a finding: a film that a table names
    twice, or a folder with one class.

    Raises
    ------
    InputError, UsageError
        If a table, a column or a map cannot be used.
    """
    only = Path(folders[0]) if len(folders) == 1 and Path(folders[0]).is_dir() else None
    table = asked.labels
    if table is None and only is not None and (only / TABLE).is_file():
        table = only / TABLE
    if table is not None:
        return _of_table(items, table, only, asked, progress)
    for option in ("label_column", "patient_column", "split_column", "label_map"):
        if getattr(asked, option):
            raise UsageError(
                f"--{option.replace('_', '-')} is about a table, and there is none.",
                "Name it with --labels.",
            )
    return _of_folders(items)


def _of_folders(items: Sequence[Item]) -> Known:
    films = [FilmFile(item.path, item.key) for item in items]
    try:
        arranged = arrange_folders(films, None, ())
    except InputError:
        return nothing_known(len(items))
    at = {item.key: i for i, item in enumerate(items)}
    labels, parts = [""] * len(items), [""] * len(items)
    for row in arranged.rows:
        labels[at[row.film.inner]] = row.labels[0]
        parts[at[row.film.inner]] = row.split
    if len(set(labels) - {""}) < 2:  # a folder around all films is no class
        labels = [""] * len(items)
        if not any(parts):
            return nothing_known(len(items))
        return Known(tuple(labels), tuple(labels), tuple(parts), "")
    return Known(tuple(labels), ("",) * len(items), tuple(parts), "class folders")


def _of_table(
    items: Sequence[Item],
    table: Path,
    folder: Path | None,
    asked: LabelsAsked,
    progress: Progress,
) -> Known:
    rows = read_table(table)
    has = [str(column) for column in rows.columns]
    require_columns(rows, table, [asked.path_column], "Name the column with --path-column.")
    notes = []

    def column(given: str | None, usual: str) -> list[str]:
        if given:
            require_columns(rows, table, [given])
        name = given or usual
        return rows[name].tolist() if name in has else [""] * len(rows)

    labels = column(asked.label_column, DEFAULT_TASK)
    if asked.label_map:
        label_map = parse_label_map(asked.label_map)
        name = asked.label_column or DEFAULT_TASK
        require_columns(rows, table, [name])
        check_used(label_map, rows[[name]])
        labels = mapped(rows[name], label_map).tolist()
    labels = [label.strip() for label in labels]
    if not any(labels):
        shown = ", ".join(has[:12])
        notes.append(
            f"{table.name} has no column '{DEFAULT_TASK}' with labels; --label-column names one of "
            f"its columns: {shown}."
        )
    patients = [plain_name(name) for name in column(asked.patient_column, _PATIENT)]
    split = asked.split_column or _SPLIT
    if asked.split_column:
        require_columns(rows, table, [split])
    parts = parts_of(rows[split].map(plain_name), table) if split in has else None
    if any(labels):
        taken = {asked.path_column, asked.label_column or DEFAULT_TASK, split, _STUDY}
        notes += _other_labels(rows, taken | {asked.patient_column or _PATIENT})
    named = rows[asked.path_column].tolist()
    _, files = find_files(named, table, folder, progress)
    places = _Places()
    at = {places.of(item.path): i for i, item in enumerate(items) if not item.member}
    inside = {same_key(item.key): i for i, item in enumerate(items) if item.member}
    said = _Said([""] * len(items), [""] * len(items), [""] * len(items))
    not_there = 0
    for row, file in enumerate(files):
        i = at.get(places.of(file), -1) if file else inside.get(same_key(key_of(named[row])), -1)
        if i < 0:
            not_there += 1
            continue
        part = parts[row] if parts else part_of(items[i].key.split("/")[:-1])
        _say(said, i, labels[row], patients[row], part)
    if not_there and not_there == len(files):
        raise InputError(
            f"Of {counted(not_there, 'row')} of {table.name} not one is of a film here.",
            f"Column '{asked.path_column}' must name the films relative to the folder or the "
            "table; or is it the table of other films?",
        )
    if parts is None and any(said.parts):
        notes.append("The table has no split: the folders' names (train, val, test) are taken.")
    return Known(
        *(tuple(said.labels), tuple(said.patients), tuple(said.parts)),
        source=f"the table {table.name}",
        labelled_twice=tuple(sorted(said.twice)),
        not_there=not_there,
        notes=tuple(notes),
    )


def _other_labels(rows: pd.DataFrame, taken: set[str]) -> list[str]:
    """Which further columns could be labels: of few values, each of several films."""
    others = [
        str(name)
        for name in rows.columns
        if name not in taken and 2 <= len(set(rows[name]) - {""}) <= min(_VALUES, len(rows) / 2)
    ]
    if not others:
        return []
    shown = ", ".join(others[:_LISTED])
    more = f" and {len(others) - _LISTED:,} more" if len(others) > _LISTED else ""
    one = len(others) == 1
    return [
        f"One column of labels was looked at. {'Another' if one else 'Others'} of the table could "
        f"be labels, too: {shown}{more}. An audit with --label-column asks about "
        f"{'it' if one else 'one of them'}."
    ]


def _say(said: _Said, i: int, label: str, patient: str, part: str) -> None:
    if i in said.named and label and said.labels[i] and label != said.labels[i]:
        said.twice.add(i)
    said.named.add(i)
    said.labels[i] = said.labels[i] or label
    said.patients[i] = said.patients[i] or patient
    said.parts[i] = said.parts[i] or part


class _Places:
    """Where files lie; a link is a film of its own. Each folder is looked up once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, file: str) -> str:
        folder, name = os.path.split(file)  # not pathlib: once for every film
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return f"{self._folders[folder]}{os.sep}{name}"
