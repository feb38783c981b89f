"""One task's truth and answers as arrays, checked cell by cell before any number is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.columns import answer_column
from xraybatch.evaluation.film_keys import distinct_cells, each_distinct

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from xraybatch.evaluation.joined import Joined

MASKED = -1
_NO_YES = ("0", "1")
_MOST_SPELLINGS = 20  # of classes that a person may still explain; more are another column
_SHOWN = 40  # characters of a value
_SUM_TOLERANCE = 1e-3
_ROUNDING = 1e-6  # a float32 softmax may pass 1 by so much


@dataclass(frozen=True)
class Answers:
    """Labelled films of one task, in the order of the join.

    Attributes
    ----------
    y_true : ndarray of int64, shape (n,) or (n, K)
        Class indices; for multilabel 0, 1, or `MASKED` where a finding is not labelled.
    y_pred : ndarray of int64, shape (n,) or (n, K)
        The answers as the results have them, thresholds applied; never an argmax made here.
    y_prob : ndarray of float64, shape (n, K), or None
        None: the results have no probabilities.
    patients : ndarray of int64, shape (n,)
    failed_truth : ndarray of int64, shape (m,) or (m, K)
        Truth of the labelled films that have no answer.
    failed_patients : ndarray of int64, shape (m,)
    unlabelled : int
    rows : ndarray of int64, shape (n,)
        Of each film, its row in the join.
    """

    y_true: NDArray[np.int64]
    y_pred: NDArray[np.int64]
    y_prob: NDArray[np.float64] | None
    patients: NDArray[np.int64]
    failed_truth: NDArray[np.int64]
    failed_patients: NDArray[np.int64]
    unlabelled: int
    rows: NDArray[np.int64]

    def of(self, films: NDArray[np.bool_]) -> Answers:
        """Some of the films, by a mask ``(n,)``; those without label or answer are left out."""
        none = self.failed_patients[:0]
        return Answers(
            self.y_true[films],
            self.y_pred[films],
            None if self.y_prob is None else self.y_prob[films],
            self.patients[films],
            self.failed_truth[:0],
            none,
            0,
            self.rows[films],
        )


def answers(
    joined: Joined,
    task: Task,
    several: bool,
    truth_columns: Sequence[str],
    label_map: Mapping[str, str],
) -> Answers:
    """Read one task out of joined tables.

    Parameters
    ----------
    joined : Joined
    task : Task
    several : bool
        Whether the model has several tasks, so that columns carry the task's name.
    truth_columns : sequence of str
        One, or for multilabel one a finding in the order of the task's classes.
    label_map : mapping of str to str
        Value of the labels → class; to the empty string: not labelled.

    Raises
    ------
    InputError
        If labels or answers are no class of the task, or probabilities are none; the message names
        the values or the film.
    """
    ok = (joined.results["status"] == FilmStatus.OK).to_numpy(dtype=bool)
    if task.kind is TaskKind.MULTILABEL:
        each = [class_codes(joined.labels[c], _NO_YES, label_map, c) for c in truth_columns]
        truth = np.stack(each, axis=1)
        labelled = (truth != MASKED).any(axis=1)
    else:
        truth = class_codes(
            joined.labels[truth_columns[0]], task.classes, label_map, truth_columns[0]
        )
        labelled = truth != MASKED
    read = joined.results[ok]
    predicted = answer_codes(read, task, several)
    probabilities = answer_probabilities(read, task, several)
    scored, failed = labelled & ok, labelled & ~ok
    return Answers(
        truth[scored],
        predicted[labelled[ok]],
        None if probabilities is None else probabilities[labelled[ok]],
        joined.patients[scored],
        truth[failed],
        joined.patients[failed],
        int((~labelled).sum()),
        np.flatnonzero(scored),
    )


def class_codes(
    column: pd.Series[str], classes: Sequence[str], label_map: Mapping[str, str], name: str
) -> NDArray[np.int64]:
    """Numbers ``(n,)`` of the classes in a column of labels, `MASKED` where a cell is empty.

    Raises
    ------
    InputError
        If a cell is no class; the message names column and values.
    """
    # without blanks, as training reads them
    mapped = each_distinct(column, lambda cell: label_map.get(cell.strip(), cell.strip()))
    codes = _codes(mapped, classes)
    unknown = sorted(set(mapped[codes == MASKED].unique()) - {""})
    if unknown:
        if len(unknown) > _MOST_SPELLINGS:
            raise InputError(
                f"Column '{name}' of the labels has {len(unknown):,} different values that are no "
                f"class, such as '{_short(unknown[0])}'; the classes are: {', '.join(classes)}.",
                "Is it the column of the truth? Name that with --label-column.",
            )
        listed = ", ".join(f"'{_short(value)}'" for value in unknown[:5]) + (
            f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        )
        raise InputError(
            f"Column '{name}' of the labels has {listed}; the classes are: {', '.join(classes)}.",
            f"Say what they mean: --label-map {unknown[0]}=CLASS.",
        )
    return codes


def _short(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"


def answer_codes(results: pd.DataFrame, task: Task, several: bool) -> NDArray[np.int64]:
    """The answers of films that have one: class indices ``(n,)``, of findings 0 and 1 ``(n, K)``.

    Raises
    ------
    InputError
        If an answer is no class of the task.
    """
    if task.kind is TaskKind.MULTILABEL:
        values: tuple[str, ...] = _NO_YES
        columns = [_answer(results, task, several, "pred", c) for c in task.classes]
        codes = np.stack([_codes(results[column], values) for column in columns], axis=1)
        wrong = (codes == MASKED).any(axis=1)
    else:
        values = task.classes
        codes = _codes(results[_answer(results, task, several)], values)
        wrong = codes == MASKED
    if wrong.any():
        path = results["path"].iloc[int(np.argmax(wrong))]
        raise InputError(
            f"The answer of task '{task.name}' for '{path}' is none of: {', '.join(values)}.",
            "Was the results table edited, or are its tasks others than those named?",
        )
    return codes


def answer_probabilities(
    results: pd.DataFrame, task: Task, several: bool
) -> NDArray[np.float64] | None:
    """The probabilities ``(n, K)`` of films that have an answer; None where there are none.

    Raises
    ------
    InputError
        If they are none: not within 0 and 1, or not summing to 1 where classes exclude each other.
    """
    wanted = [answer_column(task, several, "prob", name) for name in task.classes]
    if not any(column in results for column in wanted):
        return None
    columns = [_answer(results, task, several, "prob", name) for name in task.classes]
    values = np.stack([_floats(results[column]) for column in columns]).T
    # written so that NaN fails too
    bad = ~((values >= -_ROUNDING) & (values <= 1 + _ROUNDING)).all(axis=1)
    problem = "are not all between 0 and 1"
    hint = "Classes that do not exclude each other are a task of kind multilabel."
    if (none := np.isnan(values).any(axis=1)).any():
        bad, problem = none, "are not all numbers"
        hint = "Was the results table edited?"
    if not bad.any() and task.kind is not TaskKind.MULTILABEL:
        bad = np.abs(values.sum(axis=1) - 1) > _SUM_TOLERANCE
        problem = "do not sum to 1"
    if bad.any():
        row = int(np.argmax(bad))
        shown = ", ".join(results[columns].iloc[row])
        raise InputError(
            f"The probabilities of task '{task.name}' for '{results['path'].iloc[row]}' "
            f"{problem}: {shown}.",
            hint,
        )
    return values


def _codes(column: pd.Series[str], classes: Sequence[str]) -> NDArray[np.int64]:
    number = {name: i for i, name in enumerate(classes)}
    codes, cells = distinct_cells(column)
    found: NDArray[np.int64] = np.array([number.get(c, MASKED) for c in cells], np.int64)[codes]
    return found


def _answer(
    results: pd.DataFrame, task: Task, several: bool, part: str = "", name: str = ""
) -> str:
    column = answer_column(task, several, part, name)
    if column not in results:
        has = ", ".join(str(c) for c in results.columns[:20])
        raise InputError(
            f"The results have no column '{column}'; they have: {has}.",
            "Are they of another model, or are the tasks others than those named?",
        )
    return column


def _floats(column: pd.Series[str]) -> NDArray[np.float64]:
    """The numbers that cells of text are ``(n,)``, NaN for what is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        # to the same digits as Python's float, and eight times as fast; it knows fewer spellings
        found: NDArray[np.float64] = pc.cast(pa.array(column), pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        found = np.array([_number(cell) for cell in column.tolist()], dtype=np.float64)
    return found


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
