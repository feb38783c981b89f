"""`prepare_data`: from data as it is distributed to a checked table of labels with a split."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from xraybatch.core.counting import counted, verb
from xraybatch.core.errors import InputError, XraybatchError
from xraybatch.core.files import sha256_of
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.sources.alone import alone
from xraybatch.sources.archives.names import quoted
from xraybatch.sources.download import forget
from xraybatch.training.datasets.fetch import (
    as_it_lies,
    check_apart,
    check_sha256,
    downloaded,
    downloads_of,
    kind_of_source,
    remove_tables,
    unpacked,
    unpacked_once,
)
from xraybatch.training.datasets.films import Arrangement, FilmFolder
from xraybatch.training.datasets.options import MURA, PrepareOptions
from xraybatch.training.datasets.parts import UNDEALT, as_given, check_sides, deal, find_copies
from xraybatch.training.datasets.patients import patient_hint, patients_from
from xraybatch.training.datasets.recognise import recognise
from xraybatch.training.datasets.record import (
    OVERLAP,
    Origin,
    PreparedData,
    summarise,
    write_dataset,
    write_labels,
)
from xraybatch.training.datasets.spellings import one_spelling
from xraybatch.training.folder import run_folder
from xraybatch.training.part_names import PARTS


def prepare_data(
    source: str | Path,
    out: Path,
    options: PrepareOptions | None = None,
    *,
    progress: Progress = SILENT,
    ask: Callable[[str], bool] | None = None,
    trained_next: bool = False,
) -> PreparedData:
    """Make a folder that ``xraybatch train --data`` takes.

    Parameters
    ----------
    source : str or Path
        The address of an archive, an archive, a folder, or a table of labels.
    out : Path
        Appears whole, or not at all; must not hold anything. Films are written into it only where
        they come out of an archive.
    options : PrepareOptions, optional
    progress : Progress
    ask : callable, optional
        Answers a question by yes or no.
    trained_next : bool
        Whether the split and contradicting labels are left to training, which compares pixels;
        parts as distributed are written as they are. Nobody is shown the figures that are returned.

    Raises
    ------
    UsageError
        If options do not fit the source, or there is something to ask and nobody.
    InputError
        If the source cannot be used as it is.
    """
    options = options or PrepareOptions()
    out = Path(os.path.abspath(out))  # noqa: PTH100 - `..` and links as they are
    source = os.fspath(source)
    kind = kind_of_source(source, options)
    if kind in ("folder", "table"):
        folder = Path(source) if kind == "folder" else options.data or Path(source).parent
        check_apart(folder, out)
    with (
        _parents_of(out),
        run_folder(out, "", datetime.now(UTC).date()) as (building, _),
        alone(source, downloads_of(options), progress) if kind == "url" else nullcontext(),
    ):
        fetched = None
        if kind == "url":
            fetched = downloaded(source, options, progress)
            origin = Origin(fetched.url, kind, fetched.sha256, fetched.size)
            place = unpacked_once(fetched, building, options, progress)
        elif kind == "archive":
            origin = Origin(source, kind, sha256_of(Path(source)), Path(source).stat().st_size)
            check_sha256(source, origin.sha256, options)
            place = unpacked(Path(source), "", building, options, progress)
        else:
            place, origin = as_it_lies(folder, building, options, progress), Origin(source, kind)
        table = Path(source) if kind == "table" else None
        came_out = place.folder.is_relative_to(building)
        try:
            arranged = recognise(
                *(place, table, options, progress), confined=came_out, trained_next=trained_next
            )
            if came_out:
                remove_tables(place.folder)
            found = _finished(
                *(arranged, place, origin, (building, out), options, progress, ask),
                trained_next=trained_next,
            )
        except XraybatchError:
            if fetched is not None:
                progress.note("The download is kept: with other options it does not come again.")
            raise
        if fetched is not None:
            forget(fetched)
        return found


@contextmanager
def _parents_of(out: Path) -> Iterator[None]:
    """Take away the folders above `out` that were made in vain."""
    made = [folder for folder in out.parents if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


def _finished(
    arranged: Arrangement,
    place: FilmFolder,
    origin: Origin,
    folders: tuple[Path, Path],
    options: PrepareOptions,
    progress: Progress,
    ask: Callable[[str], bool] | None,
    *,
    trained_next: bool,
) -> PreparedData:
    building, out = folders
    if not arranged.rows:
        raise InputError(
            "No film has a label.", "Look at the table, and at `xraybatch prepare --form`."
        )
    rows = arranged.rows
    if arranged.form != MURA:
        rows = one_spelling(rows, options.spellings, ask, progress)
    if options.patient_from is not None:
        if any(row.patient for row in rows):
            progress.note(
                "The patients that the data name are replaced by those of --patient-from."
            )
        rows = patients_from(rows, options.patient_from, progress)
    elif not any(row.patient for row in rows) and (hint := patient_hint(rows)):
        progress.note(hint)
    arranged = replace(arranged, rows=rows)
    skipped = Counter(place.skipped) + Counter(arranged.skipped)
    for number, task in enumerate(arranged.tasks):
        _check_classes(task, Counter(row.labels[number] for row in rows), skipped, progress)
    copies = find_copies(rows, progress)
    if copies.groups and trained_next:  # else the figures say so
        progress.note(
            f"Byte for byte the same: {counted(copies.films, 'film')} "
            f"{'is a copy' if copies.films == 1 else 'are copies'} of "
            f"{counted(copies.groups, 'file')}; they stay on one side."
        )
    if copies.contradicting_groups and not trained_next:
        progress.warn(
            "Contradicting labels",
            f"{counted(copies.contradicting_groups, 'file')} "
            f"{verb('stands', copies.contradicting_groups)} more than once with different labels, "
            f"{counted(copies.contradicting_films, 'film')} in all. They are in the table as "
            "they are.",
        )
    if options.folds is not None and any(row.split for row in rows):
        progress.note("The split as distributed is not used: --folds deals all films anew.")
    if trained_next:
        dealt = as_given(rows)
    else:
        dealt = deal(rows, copies, options)
        check_sides(rows, copies, dealt)
    prepared = summarise(out, origin, arranged, copies, dealt, skipped, options)
    if left_out := prepared.skipped.get(OVERLAP, 0):
        progress.note(
            f"Left out of train, because their patient or a copy of them stands in a part that "
            f"judges: {counted(left_out, 'film')}."
        )
    _tell_gaps(prepared, progress)
    column = "split" if options.folds is None else "fold"
    if dealt.how == UNDEALT:
        column = ""
    write_labels(building, arranged, dealt.side, column)
    write_dataset(building, prepared, options)
    return prepared


def _check_classes(
    task: str, films: Counter[str], skipped: Counter[str], progress: Progress
) -> None:
    if len(films) < 2:
        left_out = "; ".join(f"{why}: {count:,}" for why, count in sorted(skipped.items()))
        raise InputError(
            f"All films ({films.total():,}) have the label {quoted(next(iter(films)))}"
            + (f" (left out: {left_out})." if left_out else "."),
            "A network cannot learn to tell one class from nothing: look at the films, and at "
            "`xraybatch prepare --form`.",
        )
    Task(task, TaskKind.MULTICLASS, tuple(sorted(films)))  # names that are no names are said now
    for name, count in sorted(films.items()):
        if count < 2:
            progress.warn(
                "A class of one film",
                f"The class {quoted(name)} of '{task}' has one film: it can be trained on or "
                "judged by, not both.",
            )


def _tell_gaps(prepared: PreparedData, progress: Progress) -> None:
    for task, classes in prepared.counts.items():
        for name, films in classes.items():
            gaps = [side for side in prepared.sides if not films[side]]
            if gaps and sum(films.values()) > 1:
                word = "part" if gaps[0] in PARTS else "fold"
                progress.note(
                    f"No film of the class {quoted(name)} of '{task}' is in {word} "
                    f"{', '.join(gaps)}."
                )
