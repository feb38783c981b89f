"""Which films there are to learn from, and what is known of each: class folders or a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch.core.counting import films
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.label_maps import parse_label_map
from xraybatch.core.names import plain_name
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tables import read_table, require_columns
from xraybatch.core.tasks import DEFAULT_TASK, TaskKind, TaskRequest
from xraybatch.sources.films import find_films
from xraybatch.sources.keys import key_of
from xraybatch.training.datasets.films import FilmFile, is_text
from xraybatch.training.datasets.forms import arrange_folders
from xraybatch.training.label_files import find_files, nothing_there, tell_unlabelled
from xraybatch.training.label_values import check_used, mapped, parts_of, tell_spellings
from xraybatch.training.options import TrainOptions

if TYPE_CHECKING:
    import pandas as pd

TABLE = "labels.csv"
DATASET = "dataset.json"  # beside a table that `prepare` wrote
FILE, FOLD = "_file", "_fold"  # no task can be called that, and no finding may
_FILM = "_film"


@dataclass(frozen=True)
class LabelledFilms:
    """Films with what a person knows of them.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a film, all cells `str`: ``path`` (its key), ``_file`` (what to open), ``patient``,
        ``study`` and ``split`` (``train``, ``val``, ``test``; empty: not given), and a column
        named after each task, or for multilabel after each of its findings. ``_fold``: number of
        the fold; empty: not given.
    source : str
        Where the labels come from, in words.
    missing : tuple of str
        Paths of the labels table whose file is not there.
    rows : tuple of int
        Of the labels table, from 0, one a film; empty for class folders.
    """

    table: pd.DataFrame
    source: str
    missing: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()


def read_films(
    folder: Path | None,
    options: TrainOptions,
    requests: list[TaskRequest],
    progress: Progress,
    *,
    counted: bool = False,
) -> LabelledFilms:
    """Find the films and their labels.

    Parameters
    ----------
    folder : Path or None
        Of the films; None where the table alone says where they are.
    options : TrainOptions
    requests : list of TaskRequest
        Tasks that a person named; their columns are kept.
    progress : Progress
        Is told where the labels come from and what is left out.
    counted : bool
        Whether the caller counts what a table does not label, and asks about spellings, itself.

    Raises
    ------
    InputError
        If folder or table cannot be used, or no film is left.
    """
    if folder is not None and not folder.is_dir():
        raise InputError(
            f"--data {folder} is not a folder.",
            "A table of --labels goes with a folder of films: unpack archives first."
            if options.labels and folder.is_file()
            else "Name the folder of the films.",
        )
    labels = options.labels
    if labels is None and folder is not None and (folder / TABLE).is_file():
        labels = folder / TABLE
        progress.note(f"Labels come from {labels}.")
    if labels is not None:
        return _from_table(labels, folder, options, requests, progress, counted=counted)
    if folder is None:
        raise UsageError("There are neither --data nor --labels.", "Name the folder of the films.")
    return _from_folders(folder, requests, progress)


def columns_of(request: TaskRequest) -> tuple[str, ...]:
    """Columns of `LabelledFilms.table` with a task's truth: one, or for multilabel one a finding.

    Raises
    ------
    UsageError
        If a multilabel task names no findings.
    """
    if request.kind is TaskKind.MULTILABEL:
        if not request.classes:
            raise UsageError(
                f"The multilabel task '{request.name}' names no findings.",
                f"Write --task {request.name}:multilabel=FINDING,FINDING, "
                "with the columns that hold 0 or 1.",
            )
        if ours := [name for name in request.classes if name in (FILE, FOLD, _FILM)]:
            raise UsageError(f"'{ours[0]}' cannot be the name of a finding.", "Rename the column.")
        return request.classes
    return (request.name,)


def _check_one_use(options: TrainOptions, homes: dict[str, str]) -> None:
    """Raise `UsageError` if a person named one column for two things."""
    named = {"--path-column": options.path_column, "--patient-column": options.patient_column}
    for option, column in named.items():
        if column in homes.values():
            raise UsageError(
                f"{option} {column}: that column has the labels.", "Name two different columns."
            )


def _homes(requests: list[TaskRequest], options: TrainOptions, has: list[str]) -> dict[str, str]:
    """Column that we keep → column of the labels table that it comes from."""
    wanted = {column: column for request in requests for column in columns_of(request)}
    alone = len(requests) == 1 and requests[0].kind is not TaskKind.MULTILABEL
    if options.label_column:
        if not alone:
            raise UsageError(
                "--label-column fits one task that is not multilabel.",
                "Rename the columns of the labels to the names of tasks and findings.",
            )
        return {requests[0].name: options.label_column}
    if alone and requests[0].name not in has and DEFAULT_TASK in has:
        return {requests[0].name: DEFAULT_TASK}
    return wanted


def _from_table(
    labels: Path,
    folder: Path | None,
    options: TrainOptions,
    requests: list[TaskRequest],
    progress: Progress,
    *,
    counted: bool,
) -> LabelledFilms:
    counts = SILENT if counted else progress
    table = read_table(labels)
    has = [str(column) for column in table.columns]
    homes = _homes(requests, options, has)
    hint = "Name the columns with --path-column, --label-column or --task."
    require_columns(table, labels, [options.path_column, *homes.values()], hint)
    if options.patient_column:
        require_columns(table, labels, [options.patient_column])
    _check_one_use(options, homes)
    kept = table[[]].copy()
    kept["path"] = table[options.path_column]
    label_map = parse_label_map(options.label_map) if options.label_map else {}
    for column, home in homes.items():
        kept[column] = mapped(table[home], label_map)
    check_used(label_map, table[list(homes.values())])
    for word, column in (
        ("patient", options.patient_column or "patient"),
        ("study", "study"),
        ("split", "split"),
    ):
        given = column in has and column not in homes.values()
        kept[word] = table[column].map(plain_name) if given else ""
    kept["split"] = parts_of(kept["split"], labels)
    given = "fold" in has and "fold" not in homes.values()
    kept[FOLD] = table["fold"].str.strip() if given else ""
    kept = _once(kept, [key_of(path) for path in kept["path"]], labels, counts)
    unlabelled = (kept[list(homes)] == "").all(axis=1)
    if unlabelled.any():
        counts.note(f"Without any label, left out: {films(int(unlabelled.sum()))}.")
        kept = kept[~unlabelled]
    kept["path"], kept[FILE] = find_files(kept["path"].tolist(), labels, folder, progress)
    missing = tuple(kept.loc[kept[FILE] == "", "path"])
    kept = kept[kept[FILE] != ""]
    kept = _once(kept, [_place(file) for file in kept[FILE]], labels, counts)
    rows = tuple(kept.index)
    kept = kept.reset_index(drop=True)
    if not len(kept):
        raise nothing_there(labels, len(missing))
    if missing:
        progress.warn(
            "Films left out",
            f"Named in {labels.name} but not there, left out: {len(missing):,} of "
            f"{films(len(kept) + len(missing))}. File names are only tried where no "
            "path is there "
            "at all.",
        )
    kept["path"] = [key_of(path) for path in kept["path"]]
    if folder is not None:
        tell_unlabelled(kept[FILE], folder, labels, counts)
    if not (labels.parent / DATASET).is_file():  # else a person was asked
        for column in homes:
            tell_spellings(column, kept[column], counts)
    return LabelledFilms(kept, f"table {labels.name}", missing, rows)


def _from_folders(folder: Path, requests: list[TaskRequest], progress: Progress) -> LabelledFilms:
    import pandas as pd

    if len(requests) != 1 or requests[0].kind is TaskKind.MULTILABEL:
        raise UsageError(
            "Class folders hold one label a film.", "Several tasks or findings need --labels."
        )
    items = find_films([folder]).items
    keys = {item.path: item.key for item in items}
    films = [FilmFile(item.path, _inner(item.path, folder)) for item in items]
    arranged = arrange_folders(films, None, requests[0].classes)
    task = requests[0].name
    rows = [(keys[row.film.file], row.film.file, row.labels[0], row.split) for row in arranged.rows]
    table = pd.DataFrame(rows, columns=["path", FILE, task, "split"], dtype=object)
    text = dict.fromkeys(("path", task, "split"), str)  # a file's name may be none
    table = table.astype(text)
    table["patient"] = table["study"] = table[FOLD] = ""
    names = sorted(set(table[task]))
    progress.note(
        f"No table of labels: the folders are the classes, {', '.join(names[:8])}"
        + (" …" if len(names) > 8 else "")
        + ". --labels names a table."
    )
    if (table["split"] != "").any():
        progress.note("The folders train, val and test are taken as the split.")
    for why, count in arranged.skipped.items():
        progress.note(f"Left out ({why}): {count:,}.")
    tell_spellings(task, table[task], progress)
    return LabelledFilms(table, "class folders")


def _inner(path: str, folder: Path) -> str:
    """The path below `folder`, in which folders that are no UTF-8 have names that are text."""
    return "/".join(
        part if is_text(part) else key_of(part) for part in Path(path).relative_to(folder).parts
    )


def _place(file: str) -> str:
    """Where a file lies; a link is a film of its own, as in a store that keeps copies as links."""
    path = Path(file)
    return str(path.parent.resolve() / path.name)


def _once(
    table: pd.DataFrame, films: Sequence[str], labels: Path, progress: Progress
) -> pd.DataFrame:
    """Rows that say the same of one of `films`, one a row, count once; contradictions are an error.

    What they call the film may differ: ``a.png`` and ``./a.png`` are one.
    """
    said = table.drop(columns=["path", FILE], errors="ignore").assign(**{_FILM: films})
    once = ~said.duplicated()
    twice = said[once][_FILM].duplicated()
    if twice.any():
        again = twice.index[twice][0]
        names = table["path"][said[_FILM] == said[_FILM][again]]
        first, other = names.iloc[0], names[again]
        raise InputError(
            f"{labels} names '{first}' twice, and not alike."
            if first == other
            else f"{labels} names '{first}' twice, also as '{other}', and not alike.",
            "Keep one row for each film.",
        )
    if not once.all():
        progress.note(f"Rows of {labels.name} that stand twice: {int((~once).sum()):,}.")
    return table[once]
