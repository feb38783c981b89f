"""Which form data have, and what they say in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.progress import Progress
from xraybatch.sources.archives.names import quoted
from xraybatch.training.datasets.films import Arrangement, FilmFolder
from xraybatch.training.datasets.forms import arrange_folders, demanded
from xraybatch.training.datasets.mura import arrange_mura, is_mura
from xraybatch.training.datasets.options import MURA, TABLE_FORM, PrepareOptions
from xraybatch.training.datasets.table import arrange_table, usable_table
from xraybatch.training.labels import TABLE


def recognise(
    place: FilmFolder,
    table: Path | None,
    options: PrepareOptions,
    progress: Progress,
    *,
    confined: bool,
    trained_next: bool = False,
) -> Arrangement:
    """Read what a source says, in the form that was asked for or found, and say which.

    Parameters
    ----------
    place : FilmFolder
    table : Path, optional
        That a person named.
    options : PrepareOptions
    progress : Progress
    confined : bool
        Take no film outside the folder.
    trained_next : bool
        Whether training follows, which has no ``--form``, renames classes itself, and takes a table
        that lacks a class of its task.

    Raises
    ------
    InputError, UsageError
        If it has no such form, or an option would do nothing.
    """
    form = options.form
    if table is not None:
        found = _checked(
            arrange_table(table, place, options, progress, confined=confined),
            options,
            trained_next=trained_next,
        )
    elif form == MURA or (form is None and is_mura(place.films)):
        found = arrange_mura(place.films, place.tables)
    elif form not in (None, TABLE_FORM):
        found = arrange_folders(place.films, form, options.classes)
    else:
        table = usable_table(place.tables, options, progress)
        if table is None and form == TABLE_FORM:
            raise InputError(
                "There is no table, or several, with columns for path and label.",
                "Give the table as SOURCE and its films by --data.",
            )
        found = _table_or_folders(
            *(table, place, options, progress), confined=confined, trained_next=trained_next
        )
    _check_fits(found.form, options, trained_next=trained_next)
    progress.note(found.sentence + ("" if trained_next else f" (--form {found.form})"))
    for note in found.notes:
        progress.note(note)
    return found


def _check_fits(form: str, options: PrepareOptions, *, trained_next: bool) -> None:
    """Refuse options that would do nothing, and which nobody would miss."""
    of_tables = ["path_column", "label_column", "patient_column"]
    if trained_next:
        hint = "Leave it out."
    else:
        of_tables.append("label_map")
        hint = "Leave it out, or choose the form by --form."
    for name in of_tables if form != TABLE_FORM else ():
        if getattr(options, name):
            raise UsageError(
                f"--{name.replace('_', '-')} does nothing for data of the form {form}.", hint
            )
    if form == MURA and options.classes and not trained_next:
        raise UsageError("--classes does nothing for data of the form mura.", "Leave it out.")


def _checked(found: Arrangement, options: PrepareOptions, *, trained_next: bool) -> Arrangement:
    """A table's arrangement, its classes compared with those that were asked for."""
    films = Counter(row.labels[0] for row in found.rows)
    asked = demanded(films, options.classes, "class", may_lack=trained_next)
    rows = [replace(r, labels=(asked.get(r.labels[0], r.labels[0]),)) for r in found.rows]
    return replace(found, rows=tuple(rows))


def _table_or_folders(
    table: Path | None,
    place: FilmFolder,
    options: PrepareOptions,
    progress: Progress,
    *,
    confined: bool,
    trained_next: bool,
) -> Arrangement:
    """The table that lies beside the films; class folders where it is about something else."""
    if table is None:
        return arrange_folders(place.films, options.form, options.classes)
    try:
        found = arrange_table(table, place, options, progress, confined=confined)
        return _checked(found, options, trained_next=trained_next)
    except InputError as error:
        if options.form == TABLE_FORM or table.name == TABLE:
            raise
        try:
            found = arrange_folders(place.films, None, options.classes)
        except InputError:
            raise error from None
        progress.warn(
            "Table not used", f"The table {quoted(table.name)} cannot be used: {error.message}"
        )
        return found
