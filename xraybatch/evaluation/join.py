"""Films of the results and films of the labels find each other by path, and nothing is silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.names import nearest, plain_name
from xraybatch.core.status import FilmStatus
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.film_keys import FilmKeys, distinct_cells, each_distinct
from xraybatch.evaluation.joined import Joined
from xraybatch.evaluation.places import PATIENT, with_places
from xraybatch.evaluation.report import JoinReport
from xraybatch.sources.matching import Film, match

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

BY_PATH = "path"
INDEPENDENT = "films treated as independent: no patients known"
_EXAMPLES = 3
_MANY = 50  # films of one patient; so many on average are rather those of a class or a site


def join(
    results: pd.DataFrame,
    labels: pd.DataFrame,
    truth_columns: Sequence[str],
    *,
    also: Sequence[str] = (),
    path_column: str = "path",
    patient_column: str | None = None,
) -> tuple[Joined, JoinReport]:
    """Join a results table with a labels table.

    Parameters
    ----------
    results : pandas.DataFrame
        With `path`, `status` and, for films of several frames, `frame`; all cells `str`.
    labels : pandas.DataFrame
        With `path_column`, `truth_columns`, and `frame` where the truth differs between frames;
        without `frame`, a row holds for every frame of its path.
    truth_columns : sequence of str
        What must not contradict itself where a film stands twice in the labels.
    also : sequence of str
        Further columns of the labels that must not contradict themselves.
    path_column, patient_column : str
        Of the labels. `patient_column` None: ``patient`` of the labels, unless that is a truth,
        else of the results.

    Raises
    ------
    InputError
        If a column is missing, a table has no rows, the tables come in the wrong order, a film
        stands twice in the results, or twice with different truth in the labels, or no film is in
        both.
    UsageError
        If `patient_column` is a truth.
    """
    _check_columns(results, labels, path_column, patient_column)
    if patient_column is not None and patient_column in truth_columns:
        raise UsageError(
            f"--patient-column {patient_column} is the column of the truth.",
            "Name the one that says whose film it is.",
        )
    home = _patient_home(results, labels, patient_column, truth_columns)
    by_places = False
    if home is None:
        placed = with_places(results.drop(columns=PATIENT, errors="ignore"), [PATIENT])
        by_places = PATIENT in placed
        if by_places:
            results, home = placed, _Home("results", PATIENT)
    if home is not None:
        table = labels if home.table == "labels" else results
        table = table.assign(**{home.column: each_distinct(table[home.column], plain_name)})
        results, labels = (results, table) if home.table == "labels" else (table, labels)
    framed = "frame" in results and "frame" in labels
    mine = FilmKeys(results, "path", framed)
    _refuse_twice(FilmKeys(results, "path", "frame" in results))
    told = [*truth_columns, *also, *([home.column] if home and home.table == "labels" else [])]
    labels, without_path = _with_path(labels, path_column)
    labels, duplicates = _once(labels, FilmKeys(labels, path_column, framed), told)
    theirs = FilmKeys(labels, path_column, framed)

    matched = match(mine, theirs, mine.rows_in(theirs).tolist())
    found, fallback, better = np.array(matched.rows, np.int64), matched.compared, matched.better
    # the order of either file changes no number
    order = FilmKeys(results, "path", "frame" in results).in_order(np.flatnonzero(found >= 0))
    taken = found[order]
    used = np.zeros(len(labels), bool)
    used[taken] = True
    both = _rows(results, order), _rows(labels, taken)
    patients, alone = _patients(*both, home)
    joined = Joined(
        *both,
        patients,
        home is not None,
        _names(*both, home),
        _examples(results, np.flatnonzero(found < 0)),
        _examples(labels, np.flatnonzero(~used)),
    )
    codes, statuses = distinct_cells(both[0]["status"])
    times = dict(zip(statuses, np.bincount(codes).tolist(), strict=True))
    failed = {word: times[word] for word in sorted(times) if word != FilmStatus.OK}
    unread = sum(failed.values())
    said = [
        f"No path was in both tables, so films were matched by {fallback}." if fallback else "",
        matched.spelled,
        better,
        f"Rows of the labels without a path, left out: {without_path}." if without_path else "",
        "Patients are those of MURA's places." if by_places else "",
        "" if home else "No patients are known: films are treated as independent.",
        _too_few(both[0], patients, home),
        f"Films without a patient, each counted as a patient of its own: {alone}." if alone else "",
    ]
    report = JoinReport(
        results_films=len(results),
        labels_films=len(labels),
        matched=len(order),
        only_in_results=len(results) - len(order),
        only_in_labels=len(labels) - int(used.sum()),
        duplicates=duplicates,
        failed=failed,
        coverage=Estimate.counted(len(order) - unread, len(order), "no film is in both"),
        matched_by=fallback or BY_PATH,
        patients=int(patients.max(initial=-1)) + 1 if home else None,
        sentences=tuple(filter(None, said)),
    )
    return joined, report


def check_order(results: pd.DataFrame, labels: pd.DataFrame) -> None:
    """Raise `InputError` if a table has no rows, or the first one is no results table."""
    if "status" in results:
        for table, word in ((results, "results"), (labels, "labels")):
            if not len(table):
                raise InputError(
                    f"The {word} have no rows.", "Below the header there is one for every film."
                )
        return
    swapped = "status" in labels and any("prob." in str(c) for c in labels.columns)
    raise InputError(
        "The results have no column 'status'"
        + (", but the labels have: they are in the wrong order." if swapped else "."),
        "Give the results first: xraybatch score results.csv labels.csv.",
    )


class _Home(NamedTuple):
    table: str
    column: str


def _check_columns(
    results: pd.DataFrame, labels: pd.DataFrame, path_column: str, patient_column: str | None
) -> None:
    check_order(results, labels)
    for table, word, column, option in (
        (results, "results", "path", ""),
        (labels, "labels", path_column, "--path-column"),
        (labels, "labels", patient_column, "--patient-column"),
    ):
        if column is not None and column not in table:
            has = ", ".join(str(c) for c in table.columns[:20])
            near = nearest(column, [str(c) for c in table.columns])
            raise InputError(
                f"The {word} have no column '{column}'; they have: {has}.",
                near or (f"Name the column with {option}." if option else ""),
            )


def _refuse_twice(films: FilmKeys) -> None:
    if not films.repeated().any():
        return
    film, times = Counter(films).most_common(1)[0]
    frame = f", frame {film.frame}" if film.frame else ""
    raise InputError(
        f"'{film.path}'{frame} stands {times} times in the results.",
        "A results table has one row for every film; was it put together by hand?",
    )


def _with_path(labels: pd.DataFrame, path_column: str) -> tuple[pd.DataFrame, int]:
    has = labels[path_column] != ""
    kept = labels if bool(has.all()) else labels[has]
    return kept, len(labels) - len(kept)


def _once(labels: pd.DataFrame, films: FilmKeys, told: Sequence[str]) -> tuple[pd.DataFrame, int]:
    if not films.repeated().any():
        return labels, 0
    first: dict[Film, int] = {}
    repeats = [(row, first[f]) for row, f in enumerate(films) if first.setdefault(f, row) != row]
    for column in told:
        cells = labels[column].tolist()
        for row, before in repeats:
            if cells[row] != cells[before]:
                raise InputError(
                    f"'{films[row].path}' stands twice in the labels, with '{cells[before]}' and "
                    f"'{cells[row]}' in column '{column}'.",
                    "Keep the row that is true.",
                )
    return labels.iloc[sorted(first.values())], len(repeats)


def _rows(table: pd.DataFrame, rows: NDArray[np.int64]) -> pd.DataFrame:
    whole = len(rows) == len(table) and bool((rows == np.arange(len(rows))).all())
    return (table if whole else table.iloc[rows]).reset_index(drop=True)


def _examples(table: pd.DataFrame, rows: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(table.index[row]) + 2 for row in rows[:_EXAMPLES])


# ── patients ───────────────────────────────────────────────────────────────────────────────────


def _patient_home(
    results: pd.DataFrame, labels: pd.DataFrame, named: str | None, truth: Sequence[str]
) -> _Home | None:
    if named is not None:
        return _Home("labels", named)
    for table, word in ((labels, "labels"), (results, "results")):
        if table is labels and PATIENT in truth:
            continue
        if PATIENT in table and any(map(plain_name, table[PATIENT])):
            return _Home(word, PATIENT)
    return None


def _too_few(results: pd.DataFrame, patients: NDArray[np.int64], home: _Home | None) -> str:
    films, people = results["path"].nunique(), int(patients.max(initial=-1)) + 1
    if home is None or people * _MANY > films:
        return ""
    return (
        f"{counted(people, 'patient')} for {counted(films, 'film')}: does '{home.column}' say "
        "whose films they are? Intervals rest on it."
    )


def _names(results: pd.DataFrame, labels: pd.DataFrame, home: _Home | None) -> frozenset[str]:
    if home is None:
        return frozenset()
    column = (labels if home.table == "labels" else results)[home.column]
    return frozenset(distinct_cells(column)[1]) - {""}


def _patients(
    results: pd.DataFrame, labels: pd.DataFrame, home: _Home | None
) -> tuple[NDArray[np.int64], int]:
    if home is None:
        return np.arange(len(results), dtype=np.int64), 0
    column = (labels if home.table == "labels" else results)[home.column]
    codes, names = distinct_cells(column)
    number = {name: i for i, name in enumerate(sorted(set(names) - {""}))}
    patients = np.array([number.get(name, -1) for name in names], dtype=np.int64)[codes]
    unnamed = np.flatnonzero(patients < 0)
    patients[unnamed] = len(number) + np.arange(len(unnamed))
    return patients, len(unnamed)
