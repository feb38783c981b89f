"""A table beside a folder of films: which columns it has for what, and which films it names."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.progress import Progress
from xraybatch.core.tables import read_table, require_columns
from xraybatch.core.tasks import DEFAULT_TASK, TaskRequest
from xraybatch.sources.archives.names import quoted
from xraybatch.training.datasets.films import (
    Arrangement,
    FilmFile,
    FilmFolder,
    Row,
    why_file_is_none,
    why_no_film,
)
from xraybatch.training.datasets.forms import part_of
from xraybatch.training.datasets.options import TABLE_FORM, PrepareOptions
from xraybatch.training.labels import FILE, TABLE, read_films
from xraybatch.training.options import TrainOptions

NOT_NAMED = "film that the table does not label"
MISSING = "row of the table without its film"
UNLABELLED = "row of the table without a label, or twice"
# columns that the written table has already
_OURS = frozenset(("path", DEFAULT_TASK, "patient", "study", "split", "fold"))
_LISTED = 20  # names of columns in a sentence

_PATHS = (
    *("path", "filepath", "imagepath", "file", "filename", "image", "imagename", "imageindex"),
    *("imagefile", "imageid", "img", "imgpath", "dicom", "film", "name", "id"),
)
_LABELS = (
    *("label", "class", "diagnosis", "finding", "findinglabels", "labels", "target", "category"),
    *("grade", "kl", "klgrade", "severity", "abnormality", "outcome"),
)
_PATIENTS = ("patient", "patientid", "subject", "subjectid", "mrn", "participant", "participantid")


def usable_table(
    tables: Sequence[Path], options: PrepareOptions, progress: Progress
) -> Path | None:
    """The one table that has columns for path and label; ``labels.csv`` before all others."""
    usable = [table for table in tables if _has_columns(table, options)]
    ours = [table for table in usable if table.name == TABLE]
    if ours:
        return ours[0]
    if len(usable) > 1:
        progress.warn(
            "Tables not used",
            f"{len(usable)} tables have columns for path and label, and none of them is taken: "
            f"{_some([quoted(table.name) for table in usable])}. Call the one that counts {TABLE}.",
        )
    return usable[0] if len(usable) == 1 else None


def arrange_table(
    table: Path,
    place: FilmFolder,
    options: PrepareOptions,
    progress: Progress,
    *,
    confined: bool = False,
) -> Arrangement:
    """Take labels, patients and parts from a table.

    Parameters
    ----------
    table : Path
    place : FilmFolder
        Where its films are.
    options : PrepareOptions
    progress : Progress
    confined : bool
        Refuse films outside the folder: the table came from a stranger's archive.

    Raises
    ------
    InputError
        If a column is missing, or no film of the table is there.
    """
    content = read_table(table)
    has = [str(column) for column in content.columns]
    path = options.path_column or _guessed(has, _PATHS)
    label = options.label_column or _label_of(has, options)
    patient = options.patient_column or _guessed(has, _PATIENTS)
    for column, option in ((path, "--path-column"), (label, "--label-column")):
        if not column:
            raise InputError(
                f"No column of {quoted(table.name)} has a usual name for what {option} would say; "
                f"it has: {', '.join(has[:20])}.",
                f"Say it with {option} NAME.",
            )
    named = [name for name in (path, label, patient) if name]
    require_columns(content, table, named, "Columns are named by --path-column and the like.")
    found = read_films(
        place.folder,
        TrainOptions(
            plugin="",
            data=place.folder,
            labels=table,
            path_column=path,
            label_column=label,
            patient_column=patient or None,
            label_map=options.label_map,
        ),
        [TaskRequest(DEFAULT_TASK)],
        progress,
        counted=True,
    )
    films = found.table
    skipped = Counter({MISSING: len(found.missing)})
    skipped[UNLABELLED] = len(content) - len(films) - len(found.missing)
    whys = why_no_film()
    inside = os.path.realpath(place.folder)
    known = {os.path.realpath(film.file) for film in place.films}
    own_parts = bool((films["split"] != "").any())
    columns, notes = _further(has, named)
    further = content.iloc[list(found.rows)][list(columns)].to_numpy().tolist()
    rows = []
    for record, more in zip(films.to_dict("records"), further, strict=True):
        file = str(record[FILE])
        real = os.path.realpath(file)
        if confined and not real.startswith(inside + os.sep):
            raise InputError(
                f"{quoted(table.name)} names a film outside the archive that it came in.",
                "Unpack the archive yourself, look at what it holds, and give the folder.",
            )
        if real not in known and (why := why_file_is_none(file, whys)):
            if not real.startswith(inside + os.sep):  # those inside are counted already
                skipped[why] += 1
            continue
        film = FilmFile(file, os.path.relpath(file, place.folder).replace(os.sep, "/"))
        split = str(record["split"]) if own_parts else part_of(film.folders)
        known.discard(real)
        rows.append(
            Row(
                film,
                (str(record[DEFAULT_TASK]).strip(),),
                split,
                str(record["patient"]),
                str(record["study"]),
                tuple(more),
            )
        )
    skipped[NOT_NAMED] = len(known)
    who = f", patient from '{patient}'" if patient else ", no patients"
    if not own_parts and any(row.split for row in rows):
        notes.append("The table has no split: the folders' names (train, val, test) are taken.")
    return Arrangement(
        TABLE_FORM,
        f"The table {quoted(table.name)}: path from '{path}', label from '{label}'{who}.",
        (DEFAULT_TASK,),
        tuple(rows),
        dict(+skipped),
        tuple(notes),
        columns,
    )


def _further(has: Sequence[str], named: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Columns that are kept as they are, and what is to be said of them."""
    taken = {*named, "study", "split"}
    others = [name for name in has if name not in taken and name]
    clashing = [name for name in others if name.strip().casefold() in _OURS]
    columns = [name for name in others if name not in clashing]
    notes = []
    if columns:
        notes.append(f"Further columns are kept as they are: {_some(columns)}.")
    if clashing:
        notes.append(
            f"Not kept, because {TABLE} has columns of these names for something else: "
            f"{_some(clashing)}."
        )
    return tuple(columns), notes


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _has_columns(table: Path, options: PrepareOptions) -> bool:
    try:
        has = [str(column) for column in read_table(table).columns]
    except InputError:
        return False
    path = options.path_column or _guessed(has, _PATHS)
    label = options.label_column or _label_of(has, options)
    return path in has and label in has


def _label_of(has: Sequence[str], options: PrepareOptions) -> str:
    return options.task if options.task in has else _guessed(has, _LABELS)


def _guessed(has: Sequence[str], usual: Sequence[str]) -> str:
    """The column with the first of the usual names, however it is spelled; else empty."""
    plain = {re.sub("[^a-z0-9]", "", name.lower()): name for name in reversed(has)}
    return next((plain[name] for name in usual if name in plain), "")
