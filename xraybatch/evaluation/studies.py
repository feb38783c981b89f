"""Films put together to studies (or patients), which are then scored as films are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.counting import counted, verb
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.names import did_you_mean, plain_name
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.aggregation import (
    MAX,
    MEAN,
    NOISY_OR,
    OF_FINDINGS,
    RULES,
    VOTE,
    put_together,
)
from xraybatch.evaluation.answers import answer_codes, answer_probabilities
from xraybatch.evaluation.columns import answer_column
from xraybatch.evaluation.joined import SEEN, Joined, seen_films
from xraybatch.evaluation.places import PATIENT, STUDY, with_places

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SEVERAL = "(several)"
FILM = "film"
UNITS = (FILM, STUDY, PATIENT)


@dataclass(frozen=True)
class Grouping:
    """How films are put together.

    Attributes
    ----------
    unit : str
        One of `UNITS`.
    rule : str
        One of `RULES`: the mean of the probabilities; the highest probability of the positive class
        or finding; the share of films that were answered so; one less the product of the films'
        probabilities of being negative (films taken as independent).
    column : str or None
        Of the unit, in either table; None: its own name, or for studies the places of MURA.
    """

    unit: str = FILM
    rule: str = MEAN
    column: str | None = None

    def __post_init__(self) -> None:
        for value, known in ((self.unit, UNITS), (self.rule, RULES)):
            if value not in known:
                raise UsageError(f"'{value}' is not known here.", did_you_mean(value, known))


def group(
    joined: Joined,
    tasks: Sequence[Task],
    truth_columns: Mapping[str, Sequence[str]],
    thresholds: Mapping[str, Sequence[float]],
    grouping: Grouping,
    *,
    readers: Sequence[str] = (),
    slices: Sequence[str] = (),
) -> tuple[Joined, list[str]]:
    """Put films together.

    Parameters
    ----------
    joined : Joined
    tasks : sequence of Task
    truth_columns : mapping of str to sequence of str
        By task, of the labels.
    thresholds : mapping of str to sequence of float
        By task, those that turn probabilities into answers; 0.5 where a task has none.
    grouping : Grouping
    readers : sequence of str
        Columns of the labels that must agree within a unit, as the truth must.
    slices : sequence of str
        Columns of either table; a unit whose films differ there is of the part `SEVERAL`.

    Returns
    -------
    tuple of Joined and list of str
        One row a unit that has a film with a row of labels, `path` being its name; and what is to
        be said. `Joined.aggregated` has the unit, ``n_films`` (those with an answer), the answers.

    Raises
    ------
    UsageError
        If the rule does not fit a task: `MAX` and `NOISY_OR` need one positive class.
    InputError
        If nobody says which film is of which unit, films of one unit have different truth, or the
        rule needs probabilities that the results lack.
    """
    import pandas as pd

    for task in tasks:
        if grouping.rule in (MAX, NOISY_OR) and task.kind not in OF_FINDINGS:
            raise UsageError(
                f"--aggregate {grouping.rule} needs a positive class; task '{task.name}' is "
                f"{task.kind}.",
                "Use --aggregate mean, or vote.",
            )
    names, origin = _names(joined, grouping)
    known, unit = np.unique(names, return_inverse=True)
    ok = (joined.results["status"] == FilmStatus.OK).to_numpy(dtype=bool)
    films = np.bincount(unit[ok], minlength=len(known))
    columns = {"path": known.tolist(), "status": _statuses(joined, unit, films)}
    several = len(tasks) > 1
    for task in tasks:
        columns |= _answers(
            joined.results[ok], unit[ok], films, task, several, thresholds, grouping.rule
        )
    columns |= _carried(joined.results, unit, len(known))
    results = pd.DataFrame(columns, dtype=object)
    patients = np.arange(len(known))  # where patients are not known, each unit is one
    if joined.patients_known:
        patients = _one_patient(joined, unit, len(known), grouping.unit)
    rows = _first(unit, len(known))
    labels = joined.labels.iloc[rows].reset_index(drop=True)
    told = {column for columns in truth_columns.values() for column in columns}
    for column in (*sorted(told), *(name for name in readers if name in labels)):
        labels[column] = _one_truth(joined, column, unit, len(known), grouping.unit)
    for column in slices:
        for of_films, of_units in ((joined.labels, labels), (joined.results, results)):
            if column in of_films and column not in told:
                of_units[column] = _part(of_films[column], unit, len(known))
    table = (
        results.drop(columns=[c for c in slices if c in results])
        .rename(columns={"path": grouping.unit})
        .drop(columns="status")
    )
    table.insert(1, "n_films", films.astype(str))
    whole = replace(
        joined, results=results, labels=labels, patients=patients,
        patients_known=joined.patients_known or grouping.unit == PATIENT, aggregated=table,
    )  # fmt: skip
    said = _sentences(joined, unit, films, ok, origin, grouping)
    for task in tasks:
        if task.name not in thresholds and task.kind in OF_FINDINGS:
            said.append(
                f"Task '{task.name}' was decided at 0.5: the threshold of its films is not known."
            )
        if (f"{task.name}.set" if several else "set") in joined.results:
            said.append("Sets of classes are of films, and left out.")
    return whole, said


def _names(joined: Joined, grouping: Grouping) -> tuple[NDArray[np.str_], str]:
    column = grouping.column or grouping.unit
    for table, word in ((joined.labels, "labels"), (joined.results, "results")):
        if column in table:
            cells = [plain_name(cell) for cell in table[column]]
            alone = cells.count("")
            # a film of no study is a study of its own, and cannot be mistaken for another's
            own = [c or f"\N{EM DASH} {p}" for c, p in zip(cells, joined.results["path"],
                                                         strict=True)]  # fmt: skip
            more = f"; films without one, each counted alone: {alone:,}" if alone else ""
            return np.array(own), f"column '{column}' of the {word}{more}"
    if grouping.column is None and grouping.unit in (STUDY, PATIENT):
        placed = with_places(joined.results, [grouping.unit])
        if grouping.unit in placed:
            return placed[grouping.unit].to_numpy(dtype=str), "the places of MURA"
    has = ", ".join(str(c) for c in joined.labels.columns[:20])
    raise InputError(
        f"Neither table has a column '{column}'; the labels have: {has}.",
        f"Name the column of the {grouping.unit} with --by-column.",
    )


def _statuses(joined: Joined, unit: NDArray[np.intp], films: NDArray[np.intp]) -> list[str]:
    # a unit is answered if any of its films is; else it has the status of its first film
    first = joined.results["status"].iloc[_first(unit, len(films))].tolist()
    return [str(FilmStatus.OK) if n else s for n, s in zip(films.tolist(), first, strict=True)]


def _carried(results: pd.DataFrame, unit: NDArray[np.intp], units: int) -> dict[str, list[str]]:
    """Columns that are no answers: tags of the first film; seen in training if any film was."""
    rows = _first(unit, units)
    tags = [str(c) for c in results.columns if str(c).startswith("tag.")]
    found = {column: results[column].iloc[rows].tolist() for column in tags}
    if SEEN in results:
        seen = seen_films(results)
        found[SEEN] = np.bincount(unit, seen, units).astype(bool).astype(int).astype(str).tolist()
    return found


def _answers(
    results: pd.DataFrame,
    unit: NDArray[np.intp],
    films: NDArray[np.intp],
    task: Task,
    several: bool,
    thresholds: Mapping[str, Sequence[float]],
    rule: str,
) -> dict[str, list[str]]:
    """Columns of the answers of a task, as `predict` writes them; empty where no film has one."""
    codes = answer_codes(results, task, several)
    probabilities = answer_probabilities(results, task, several)
    if probabilities is None:
        raise InputError(
            f"The results have no probabilities of task '{task.name}', which "
            "putting films together needs.",
            "Predict again with this xraybatch.",
        )
    bars = thresholds.get(task.name) or [0.5] * len(task.classes)
    found, said = put_together(probabilities, codes, unit, len(films), task, bars, rule)
    answered = films > 0
    columns: dict[str, list[str]] = {}
    if task.kind is TaskKind.MULTILABEL:
        columns[task.name] = [""] * len(films)
    else:
        columns[task.name] = [
            task.classes[code] if some else ""
            for code, some in zip(said.tolist(), answered.tolist(), strict=True)
        ]
    for k, name in enumerate(task.classes):
        values = found[:, k].astype(np.float32)
        columns[answer_column(task, several, "prob", name)] = [
            str(value) if some else "" for value, some in zip(values, answered, strict=True)
        ]
    if task.kind is TaskKind.MULTILABEL:
        for k, name in enumerate(task.classes):
            columns[answer_column(task, several, "pred", name)] = [
                str(int(value)) if some else ""
                for value, some in zip(said[:, k], answered, strict=True)
            ]
    return columns


def _first(unit: NDArray[np.intp], units: int) -> NDArray[np.intp]:
    rows = np.full(units, len(unit))
    np.minimum.at(rows, unit, np.arange(len(unit)))
    return rows


def _one_patient(
    joined: Joined, unit: NDArray[np.intp], units: int, word: str
) -> NDArray[np.int64]:
    first = joined.patients[_first(unit, units)]
    wrong = np.flatnonzero(first[unit] != joined.patients)
    if len(wrong):
        raise InputError(
            f"The {word} of film '{joined.results['path'].iloc[wrong[0]]}' has films of more than "
            "one patient.",
            "Names of studies must differ between patients: put the patient into them.",
        )
    return first


def _one_truth(
    joined: Joined, column: str, unit: NDArray[np.intp], units: int, word: str
) -> list[str]:
    """The truth of each unit: of its films that have one, which must agree."""
    truth = [""] * units
    cells = joined.labels[column].str.strip()
    for row, (u, cell) in enumerate(zip(unit.tolist(), cells.tolist(), strict=True)):
        if cell and truth[u] and truth[u] != cell:
            raise InputError(
                f"The {word} of film '{joined.results['path'].iloc[row]}' has films with "
                f"'{truth[u]}' and '{cell}' in column '{column}'.",
                f"Give one truth for each {word}, or score films: leave --by out.",
            )
        truth[u] = truth[u] or cell
    return truth


def _part(column: pd.Series[str], unit: NDArray[np.intp], units: int) -> list[str]:
    parts = [""] * units
    for u, cell in zip(unit.tolist(), column.str.strip().tolist(), strict=True):
        parts[u] = parts[u] or cell if cell in ("", parts[u]) or not parts[u] else SEVERAL
    return parts


def _sentences(
    joined: Joined,
    unit: NDArray[np.intp],
    films: NDArray[np.intp],
    ok: NDArray[np.bool_],
    origin: str,
    grouping: Grouping,
) -> list[str]:
    words = {MEAN: "the mean of their probabilities", MAX: "the highest of their probabilities",
             VOTE: "the vote of their answers",
             NOISY_OR: "noisy-or of their probabilities"}  # fmt: skip
    all_films = np.bincount(unit, minlength=len(films))
    units = {STUDY: "studies", PATIENT: "patients"}[grouping.unit]
    found = [
        f"{counted(len(unit), 'film')} {verb('was', len(unit))} put together to "
        f"{counted(len(films), grouping.unit)} of {_from_to(all_films)}, by "
        f"{words[grouping.rule]}; {units} from {origin}."
    ]
    some = int(((films > 0) & (films < all_films)).sum())
    if some:
        by_status = Counter(joined.results["status"][~ok])
        listed = ", ".join(f"{status} {count:,}" for status, count in sorted(by_status.items()))
        found.append(
            f"{units.capitalize()} judged by some of their films, because others have no answer "
            f"({listed}): {some:,}."
        )
    return found


def _from_to(films: NDArray[np.intp]) -> str:
    few, most = int(films.min()), int(films.max())
    return counted(most, "film") if few == most else f"{few:,} to {counted(most, 'film')}"
