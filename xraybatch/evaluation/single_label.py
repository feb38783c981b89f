"""The numbers of a task whose films have one class each: binary, multiclass, ordinal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import classification, ranking
from xraybatch.evaluation.bootstrap import Sampling, count_samples, patterns
from xraybatch.evaluation.curves import RocCurve
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.proportions import proportion
from xraybatch.evaluation.report import ClassReport, ConfusionMatrix, TaskReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xraybatch.evaluation.answers import Answers

NO_PROBABILITIES = "the results have no probabilities"
NO_FILMS = classification.NO_FILMS
MAIN = {
    TaskKind.BINARY: ("auc", "accuracy", "sensitivity", "specificity", "kappa"),
    TaskKind.MULTICLASS: ("macro_auc", "accuracy", "balanced_accuracy", "kappa"),
    TaskKind.ORDINAL: ("macro_auc", "accuracy", "balanced_accuracy", "quadratic_kappa"),
}


def evaluate(task: Task, given: Answers, label_column: str, sampling: Sampling) -> TaskReport:
    """All numbers of one single-label task.

    Parameters
    ----------
    task : Task
        Not multilabel.
    given : Answers
    label_column : str
        Where the truth was read.
    sampling : Sampling
    """
    numbers = _Numbers(task, given, sampling)
    return TaskReport(
        task=task.name,
        kind=str(task.kind),
        classes=task.classes,
        positive=task.positive,
        label_column=label_column,
        films=numbers.films,
        patients=len(np.unique(given.patients)),
        unlabelled=given.unlabelled,
        failed=len(given.failed_truth),
        estimates=numbers.overall(),
        by_class=tuple(numbers.one_class(k) for k in range(len(task.classes))),
        confusion=ConfusionMatrix(
            task.classes, tuple(tuple(row) for row in numbers.counts.tolist())
        ),
        curves=numbers.curves(),
    )


def main_numbers(task: Task, given: Answers, sampling: Sampling) -> dict[str, Estimate]:
    """The few numbers that are made of parts of the films."""
    found = _Numbers(task, given, sampling).overall()
    names = MAIN[task.kind]
    return {name: found[name] for name in names}


def ranked_parts(
    task: Task, given: Answers, classes: Sequence[int] | None = None
) -> list[ranking.Part]:
    """Classes against the rest; those that the headline's AUC is of, unless `classes` says which.

    Empty without probabilities.
    """
    if given.y_prob is None:
        return []
    if classes is None:
        binary = task.kind is TaskKind.BINARY
        classes = [task.positive_index] if binary else range(len(task.classes))
    return [
        ranking.Part(given.y_true == k, given.y_prob[:, k], given.patients, task.classes[k])
        for k in classes
    ]


class _Numbers:
    """Everything that several numbers of one task share."""

    def __init__(self, task: Task, given: Answers, sampling: Sampling) -> None:
        self.task, self.given, self.sampling = task, given, sampling
        self.films = len(given.y_true)
        self.right = given.y_true == given.y_pred
        size = len(task.classes)
        self.counts = classification.confusion_counts(given.y_true, given.y_pred, size)
        self.statistics = dict(classification.OVERALL)
        if task.kind is TaskKind.ORDINAL:
            self.statistics |= classification.ORDINAL_ONLY
        cells = given.y_true * size + given.y_pred
        self.samples = count_samples(
            patterns(cells, given.patients, size * size),
            self._count_statistics,
            sampling.resamples,
            sampling.seed,
        )

    def overall(self) -> dict[str, Estimate]:
        if self.task.kind is TaskKind.BINARY:
            found = self._of_positive()
        else:
            found = {"macro_auc": self._ranked(range(len(self.task.classes)))}
        found["accuracy"] = self._share(self.right, NO_FILMS)
        if len(self.given.failed_truth):
            found["accuracy_if_failed_wrong"] = self._worst_case()
        for sample, name in zip(self.samples, self.statistics, strict=False):
            undefined = np.isnan(sample.point)
            reason = classification.why(name, self.counts, self.task.classes) if undefined else ""
            found[name] = sample.estimate(reason, self.films, self.sampling.confidence)
        found["balanced_accuracy"] = self._over_present(found["balanced_accuracy"])
        return found

    def one_class(self, k: int) -> ClassReport:
        name = self.task.classes[k]
        true, guessed = self.given.y_true == k, self.given.y_pred == k
        f1 = self.samples[len(self.statistics) + k].estimate(
            f"no film is of '{name}', and none was predicted to be" if self.films else NO_FILMS,
            int((true | guessed).sum()),
            self.sampling.confidence,
        )
        return ClassReport(
            name,
            int(true.sum()),
            int(guessed.sum()),
            {
                "prevalence": self._share(true, NO_FILMS),
                "precision": self._share(true, f"'{name}' was never predicted", guessed),
                "recall": self._share(guessed, f"no film is of '{name}'", true),
                "specificity": self._share(~guessed, f"every film is of '{name}'", ~true),
                "f1": f1,
                "auc": self._ranked([k]),
            },
        )

    def curves(self) -> tuple[RocCurve, ...]:
        if self.given.y_prob is None:
            return ()
        one = self.task.kind is TaskKind.BINARY
        wanted = [self.task.positive_index] if one else range(len(self.task.classes))
        return ranking.roc_curves(self.given.y_true, self.given.y_prob, self.task.classes, wanted)

    def _count_statistics(self, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        # (..., K²) → (..., S): the overall ones in their order, then F1 of every class
        size = len(self.task.classes)
        counts = cells.reshape(*cells.shape[:-1], size, size)
        overall = np.stack([of(counts) for of in self.statistics.values()], axis=-1)
        return np.concatenate([overall, classification.f1(counts)], axis=-1)

    def _of_positive(self) -> dict[str, Estimate]:
        k = self.task.positive_index
        name = self.task.classes[k]
        of_class = self.one_class(k).estimates
        true, guessed = self.given.y_true == k, self.given.y_pred == k
        return {
            "auc": of_class["auc"],
            "sensitivity": of_class["recall"],
            "specificity": of_class["specificity"],
            "ppv": of_class["precision"],
            "npv": self._share(~true, f"every film was predicted '{name}'", ~guessed),
            "f1": of_class["f1"],
        }

    def _share(
        self, success: NDArray[np.bool_], undefined: str, among: NDArray[np.bool_] | None = None
    ) -> Estimate:
        patients = self.given.patients
        if among is not None:
            success, patients = success[among], patients[among]
        reason = undefined if self.films else NO_FILMS
        return proportion(success, patients, reason, self.sampling.confidence)

    def _over_present(self, estimate: Estimate) -> Estimate:
        classes = zip(self.task.classes, self.counts.sum(axis=1), strict=True)
        absent = [name for name, films in classes if films == 0]
        if not absent or estimate.value is None:
            return estimate
        caution = f"the mean leaves out classes without films: {', '.join(absent)}"
        return replace(estimate, caution="; ".join(filter(None, [caution, estimate.caution])))

    def _worst_case(self) -> Estimate:
        success = np.r_[self.right, np.zeros(len(self.given.failed_truth), dtype=bool)]
        patients = np.r_[self.given.patients, self.given.failed_patients]
        return proportion(success, patients, NO_FILMS, self.sampling.confidence)

    def _ranked(self, classes: Sequence[int]) -> Estimate:
        if self.given.y_prob is None:
            return Estimate.undefined(NO_PROBABILITIES, self.films)
        if not self.films:
            return Estimate.undefined(NO_FILMS)
        parts = ranked_parts(self.task, self.given, classes)
        return ranking.macro_auc(parts, self.sampling.confidence)
