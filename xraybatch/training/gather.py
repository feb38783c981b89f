"""From what a person asked to what can be learned from: films decoded, labels as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.progress import Progress
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import DEFAULT_TASK, Task, TaskKind, TaskRequest, parse_task_request
from xraybatch.training.cache import DecodedFilms, by_reason, decode_films
from xraybatch.training.labels import FILE, LabelledFilms, columns_of, read_films
from xraybatch.training.options import TrainOptions
from xraybatch.training.patients import UNITS, kept_whole, patients_known
from xraybatch.training.settings import Settings
from xraybatch.training.split import groups_of
from xraybatch.training.truth import check_positive, codes_of, find_task

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Found:
    """Films with their labels, and the tasks that a person asked for."""

    requests: list[TaskRequest]
    labelled: LabelledFilms


@dataclass(frozen=True)
class Gathered:
    """Every film that has pixels, with what is known of it; not yet dealt to parts.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a film, as `LabelledFilms.table`.
    films : DecodedFilms
        Of the same rows.
    digests : list of bytes
        Film digests of the same rows.
    tasks : tuple of Task
    codes : mapping of str to ndarray of int64
        Labels as numbers, by task.
    strata : ndarray of int64, shape (n, m)
        What every part should have in equal shares: the labels of one task after the other.
    groups : ndarray of int64, shape (n,)
        What must not be divided.
    names : tuple of str
        Of what the split keeps whole, as `kept_whole` returns; empty: the film alone.
    whole : str
        What it keeps whole: ``patient``, ``study`` or ``film``.
    unused : list of (str, str, str)
        ``path``, ``reason``, ``sentence`` of every film that was named and has no pixels.
    source : str
        Where the labels come from.
    """

    table: pd.DataFrame
    films: DecodedFilms
    digests: list[bytes]
    tasks: tuple[Task, ...]
    codes: Mapping[str, NDArray[np.int64]]
    strata: NDArray[np.int64]
    groups: NDArray[np.int64]
    names: tuple[str, ...]
    whole: str
    unused: list[tuple[str, str, str]]
    source: str


def find(folder: Path | None, options: TrainOptions, progress: Progress) -> Found:
    """Find films, labels and tasks: all that can be wrong before anything takes long.

    Parameters
    ----------
    folder : Path or None
        Of the films.
    options : TrainOptions
    progress : Progress

    Raises
    ------
    InputError, UsageError
        If films, labels or tasks cannot be used.
    """
    requests = [parse_task_request(text) for text in options.task] or [TaskRequest(DEFAULT_TASK)]
    labelled = read_films(folder, options, requests, progress)
    _tasks(requests, labelled.table, options, None)
    return Found(requests, labelled)


def gather(
    given: Found,
    options: TrainOptions,
    settings: Settings,
    *,
    cache: Path | None,
    progress: Progress,
) -> Gathered:
    """Decode films, and read their labels as numbers.

    Parameters
    ----------
    given : Found
    options : TrainOptions
    settings : Settings
    cache : Path or None
        Folder of the cache; None: the user's.
    progress : Progress

    Raises
    ------
    InputError, UsageError
        If films, labels or tasks cannot be used.
    """
    requests, found = given.requests, given.labelled
    decoded = decode_films(
        list(found.table[FILE]),
        settings.rule,
        progress=progress,
        folder=cache,
        workers=options.workers,
    )
    if decoded.failed:
        progress.note(
            f"Films that cannot be decoded, left out: {len(decoded.failed):,} "
            f"({by_reason(decoded.failed)}); left-out.csv in the run folder lists them."
        )
    readable = np.flatnonzero(decoded.rows >= 0)
    films, table = decoded.kept(readable), found.table.iloc[readable].reset_index(drop=True)
    tasks = _tasks(requests, table, options, progress)
    whole, names = kept_whole(list(table["patient"]), list(table["study"]), options.group_by)
    _tell_groups(table, whole, names, options.group_by, progress)
    digests = films.digests()
    codes = {
        t.name: codes_of(t, columns_of(r), table) for t, r in zip(tasks, requests, strict=True)
    }
    return Gathered(
        table=table,
        films=films,
        digests=digests,
        tasks=tasks,
        codes=codes,
        strata=np.concatenate([c.reshape(len(c), -1) for c in codes.values()], axis=1),
        groups=groups_of(names, digests),
        names=names,
        whole=whole,
        unused=_unused(found, decoded),
        source=found.source,
    )


def columns_of_task(task: Task) -> list[str]:
    """Columns of the table with a task's truth."""
    return list(task.classes) if task.kind is TaskKind.MULTILABEL else [task.name]


def _tasks(
    requests: list[TaskRequest],
    table: pd.DataFrame,
    options: TrainOptions,
    progress: Progress | None,
) -> tuple[Task, ...]:
    tasks = []
    for request in requests:
        task, said = find_task(request, columns_of(request), table, options.positive)
        if said and progress is not None:
            progress.note(said)
        tasks.append(task)
    check_positive(options.positive, tasks)
    return tuple(tasks)


def _tell_groups(
    table: pd.DataFrame, whole: str, names: Sequence[str], group_by: str, progress: Progress
) -> None:
    """Say what the split keeps whole, where that is not every film's patient."""
    known = patients_known(table)
    if whole != "patient" and known:
        progress.note(
            f"Films are split by {UNITS[whole]} although patients are known, so films of one "
            "patient may stand on two sides of the split and the score may be too good."
        )
    elif whole == "film" and group_by != "film":
        progress.note(
            "Patients are not known: films are treated as independent, so films of one person may "
            "stand on two sides of the split and the score may be too good. --patient-column "
            "names them in a table, `xraybatch prepare --patient-from` takes them from names."
        )
    elif whole != group_by:
        missing = {"patient": "Studies", "study": "Patients"}[whole]
        progress.note(f"{missing} are not known: films are split by {whole}.")
    if whole == "film":
        return
    without = sum(not name for name in table[whole])
    alone = sum(not name for name in names)
    if without > alone:
        other = {"patient": "study", "study": "patient"}[whole]
        progress.note(f"Films without a {whole}, kept with their {other}: {without - alone:,}.")
    if alone:
        progress.note(f"Films without a {whole}, each taken as one of its own: {alone:,}.")


def _unused(found: LabelledFilms, decoded: DecodedFilms) -> list[tuple[str, str, str]]:
    paths = list(found.table["path"])
    rows = [(path, FilmStatus.MISSING.value, "The file is not there.") for path in found.missing]
    return rows + [(paths[i], status.value, said) for i, (status, said) in decoded.failed.items()]
