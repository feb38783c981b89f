"""What a metric promises: a pure number of rows and how often each counts, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.scoring import score
from xraybatch.extension.records import Metric, Undefined
from xraybatch.models.card import TaskCard, decide
from xraybatch.testing.contract import Broken, Contract, Shared, check_callable

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

ROWS = 60
_SAME = 1e-9  # relative, for sums in another order

TASKS = {
    TaskKind.BINARY: Task("finding", TaskKind.BINARY, ("absent", "present"), "present"),
    TaskKind.MULTICLASS: Task("view", TaskKind.MULTICLASS, ("ap", "pa", "lateral")),
    TaskKind.ORDINAL: Task("grade", TaskKind.ORDINAL, ("none", "mild", "moderate", "severe")),
    TaskKind.MULTILABEL: Task("signs", TaskKind.MULTILABEL, ("effusion", "mass", "device")),
}


@dataclass(frozen=True)
class Rows:
    """Truth and answers of one task: right for about two thirds of the films.

    Attributes
    ----------
    task : Task
    y_true, y_pred : ndarray of int64
        ``(n,)``, for multilabel ``(n, K)``.
    y_prob : ndarray of float64, shape (n, K)
    """

    task: Task
    y_true: NDArray[np.int64]
    y_pred: NDArray[np.int64]
    y_prob: NDArray[np.float64]

    def take(self, rows: NDArray[Any]) -> Rows:
        """These rows, in this order."""
        return Rows(self.task, self.y_true[rows], self.y_pred[rows], self.y_prob[rows])

    def arguments(self, metric: Metric) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Copies of what this metric is handed, without weights."""
        answers = self.y_pred if metric.needs == "labels" else self.y_prob
        return self.y_true.copy(), answers.copy()


class MetricContract(Contract):
    """The suite of a metric; subclass it as ``TestMine`` and say which by `name`."""

    kind = "metric"
    already_loaded = ("numpy",)
    allowed_name = r"[a-z][a-z0-9]*([-_][a-z0-9]+)*"

    def check_record(self, record: Metric) -> None:
        """Needs, kinds and direction."""
        check_callable(record, "compute")
        if record.needs not in ("labels", "probabilities"):
            raise Broken(f"It needs '{record.needs}'; known are 'labels' and 'probabilities'.")
        if not record.kinds or not all(kind in TASKS for kind in record.kinds):
            raise Broken(f"Its kinds of task are {record.kinds!r}.")
        if not isinstance(record.higher_is_better, bool):
            raise Broken(f"higher_is_better is {record.higher_is_better!r}, not true or false.")

    @Shared
    def values(self) -> dict[TaskKind, float]:
        """The metric of ordinary rows, by kind of task."""
        found = {}
        for rows in self._rows():
            value = self._compute(rows)
            if isinstance(value, Undefined):
                raise Broken(
                    f"For ordinary rows of a {rows.task.kind} task it is undefined: {value.reason}"
                )
            found[rows.task.kind] = value
        return found

    def test_computes_a_number(self) -> None:
        """For ordinary rows of every kind that it declares it returns one finite float."""
        self.figure = ", ".join(f"{kind} {value:.3f}" for kind, value in self.values.items())

    def test_is_pure(self) -> None:
        """The same rows give the same number, and what it is handed stays as it was."""
        self.values  # noqa: B018
        metric: Metric = self.owned.record
        for rows in self._rows():
            given = (*rows.arguments(metric), np.ones(ROWS, np.int64))
            before = [array.copy() for array in given]
            again = metric.compute(*given)
            if not all(np.array_equal(a, b) for a, b in zip(before, given, strict=True)):
                raise Broken("It changes the arrays that it is given.")
            if again != self.values[rows.task.kind]:
                raise Broken(f"The same rows give {self.values[rows.task.kind]}, then {again}.")

    def test_a_weight_is_a_repetition(self) -> None:
        """A row of weight 2 counts as if it stood there twice, one of weight 0 as if it did not."""
        self.values  # noqa: B018 - what is no number cannot be compared
        random = np.random.default_rng(1)
        for rows in self._rows():
            weights = random.integers(0, 4, ROWS)
            repeated = rows.take(np.repeat(np.arange(ROWS), weights))
            one, other = self._compute(rows, weights), self._compute(repeated)
            if not _same(one, other):
                raise Broken(
                    f"Weighted rows of a {rows.task.kind} task give {_shown(one)}, "
                    f"the same rows repeated {_shown(other)}."
                )

    def test_order_means_nothing(self) -> None:
        """The same rows in another order give the same number."""
        self.values  # noqa: B018
        order = np.random.default_rng(2).permutation(ROWS)
        for rows in self._rows():
            one, other = self._compute(rows), self._compute(rows.take(order))
            if not _same(one, other):
                raise Broken(f"It gives {_shown(one)}, and in another order {_shown(other)}.")

    def test_says_what_is_undefined(self) -> None:
        """No films are Undefined with a reason; films of one class that or a number, not NaN."""
        self.values  # noqa: B018
        for rows in self._rows():
            nothing = self._compute(rows.take(np.arange(0)))
            if not isinstance(nothing, Undefined):
                raise Broken(f"Of no films at all it says {nothing}, not Undefined.")
            first = rows.y_true if rows.y_true.ndim == 1 else rows.y_true[:, 0]
            for code in np.unique(first):
                self._compute(rows.take(np.flatnonzero(first == code)))
            self._compute(rows.take(np.arange(1)))

    def test_better_answers_are_not_worse(self) -> None:
        """By the direction that it declares, perfect answers are no worse than wrong ones."""
        self.values  # noqa: B018
        sign = 1 if self.owned.record.higher_is_better else -1
        for rows in self._rows():
            perfect, wrong = self._compute(_right(rows)), self._compute(_wrong(rows))
            if isinstance(perfect, Undefined) or isinstance(wrong, Undefined):
                continue
            if sign * (perfect - wrong) < -_SAME:
                word = "higher" if sign > 0 else "lower"
                raise Broken(
                    f"{word.capitalize()} is better, it says; but perfect answers get "
                    f"{perfect:.4g} and wrong ones {wrong:.4g}."
                )

    def test_takes_part_in_score(self) -> None:
        """`score` shows it for every kind of task that it declares."""
        self.values  # noqa: B018
        record: Metric = self.owned.record
        for rows in self._rows():
            results, labels = _tables(rows)
            options = ScoreOptions(metrics=[record], resamples=100)
            report = score(results, labels, tasks=[rows.task], options=options).tasks[0]
            ours = report.estimates.get(f"plugin.{record.name}", report.estimates[record.name])
            if ours.value is None or not _same(ours.value, self.values[rows.task.kind]):
                raise Broken(
                    f"For a {rows.task.kind} task score shows {ours.value or ours.reason}, "
                    f"not {self.values[rows.task.kind]:.6g}."
                )

    def _rows(self) -> Iterator[Rows]:
        for kind in self.owned.record.kinds:
            yield _ordinary_rows(TASKS[kind])

    def _compute(self, rows: Rows, weights: NDArray[np.int64] | None = None) -> float | Undefined:
        metric: Metric = self.owned.record
        ones = np.ones(len(rows.y_true), np.int64)
        value = metric.compute(*rows.arguments(metric), ones if weights is None else weights)
        if isinstance(value, Undefined):
            if not value.reason.strip():
                raise Broken("It is Undefined without a reason.")
            return value
        if isinstance(value, bool | np.bool_) or not isinstance(value, float | int | np.floating):
            raise Broken(f"It returns a {type(value).__name__}, not a float or Undefined.")
        if not np.isfinite(value):
            raise Broken(f"Of {len(rows.y_true)} films it says {value}; that is Undefined.")
        return float(value)


def _ordinary_rows(task: Task) -> Rows:
    random = np.random.default_rng(5)
    shape = (ROWS, len(task.classes))
    if task.kind is TaskKind.MULTILABEL:
        truth = random.integers(0, 2, shape)
        logits = 1.5 * (2 * truth - 1) + random.normal(0, 2, shape)
        probabilities = np.round(1 / (1 + np.exp(-logits)), 4)
    else:
        truth = random.permutation(np.arange(ROWS) % len(task.classes))
        logits = 2.0 * np.eye(len(task.classes))[truth] + random.normal(0, 1.2, shape)
        powers = np.exp(logits)
        probabilities = powers / powers.sum(axis=1, keepdims=True)
    # the digits that a results table holds
    probabilities = probabilities.astype(np.float32).astype(np.float64)
    return Rows(task, truth.astype(np.int64), _decided(task, probabilities), probabilities)


def _decided(task: Task, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    return decide(probabilities.astype(np.float32), TaskCard(task))


def _right(rows: Rows) -> Rows:
    """Answers that are all right, and sure of it."""
    sure = rows.y_true if rows.y_true.ndim == 2 else np.eye(len(rows.task.classes))[rows.y_true]
    if rows.y_true.ndim == 2:
        probabilities = np.where(sure == 1, 0.98, 0.02)
    else:
        probabilities = np.where(sure == 1, 1 - 0.02 * (sure.shape[1] - 1), 0.02)
    return Rows(rows.task, rows.y_true, rows.y_true, probabilities)


def _wrong(rows: Rows) -> Rows:
    """Answers that are all wrong, and as sure of it."""
    values = 2 if rows.y_true.ndim == 2 else len(rows.task.classes)
    other = (rows.y_true + 1) % values
    turned = _right(Rows(rows.task, other, other, rows.y_prob))
    return Rows(rows.task, rows.y_true, other, turned.y_prob)


def _tables(rows: Rows) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results and labels of text, as files hold them; two films a patient."""
    import pandas as pd

    task, paths = rows.task, [f"film{number:02d}.png" for number in range(ROWS)]
    results: dict[str, list[str]] = {"path": paths, "status": ["ok"] * ROWS}
    labels = {"path": paths, "patient": [f"{number // 2:03d}" for number in range(ROWS)]}
    if task.kind is TaskKind.MULTILABEL:
        results[task.name] = [""] * ROWS
        for i, finding in enumerate(task.classes):
            results[f"pred.{finding}"] = [str(value) for value in rows.y_pred[:, i]]
            labels[finding] = [str(value) for value in rows.y_true[:, i]]
    else:
        results[task.name] = [task.classes[value] for value in rows.y_pred]
        labels[task.name] = [task.classes[value] for value in rows.y_true]
    for i, name in enumerate(task.classes):
        results[f"prob.{name}"] = [repr(float(value)) for value in rows.y_prob[:, i]]
    return pd.DataFrame(results), pd.DataFrame(labels)


def _same(one: float | Undefined, other: float | Undefined) -> bool:
    if isinstance(one, Undefined) or isinstance(other, Undefined):
        return type(one) is type(other)
    return abs(one - other) <= _SAME * max(1.0, abs(one), abs(other))


def _shown(value: float | Undefined) -> str:
    return f"Undefined ({value.reason})" if isinstance(value, Undefined) else f"{value:.6g}"
