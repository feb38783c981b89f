"""The numbers of a task whose films have one class each: binary, multiclass, ordinal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import classification, ranking
from xraybatch.evaluation.bootstrap import Sampling, count_samples, patterns
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.operating_point import at_prevalence, likelihood_ratios
from xraybatch.evaluation.probabilities import Curves, OfProbabilities, of_probabilities
from xraybatch.evaluation.proportions import proportion
from xraybatch.evaluation.rank_bootstrap import RankEstimates
from xraybatch.evaluation.report import ClassReport, ConfusionMatrix, TaskReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xraybatch.evaluation.answers import Answers

NO_PROBABILITIES = "the results have no probabilities"
NO_FILMS = classification.NO_FILMS
MAIN = {
    TaskKind.BINARY: ("auc", "accuracy", "sensitivity", "specificity", "kappa"),
    TaskKind.MULTICLASS: ("macro_auc", "accuracy", "balanced_accuracy", "kappa"),
    TaskKind.ORDINAL: ("quadratic_kappa", "macro_auc", "accuracy", "balanced_accuracy"),
}


def evaluate(
    task: Task,
    given: Answers,
    label_column: str,
    sampling: Sampling,
    *,
    prevalence: float | None = None,
    ranked: RankEstimates | None = None,
) -> TaskReport:
    """All numbers of one single-label task.

    Parameters
    ----------
    task : Task
        Not multilabel.
    given : Answers
    label_column : str
        Where the truth was read.
    sampling : Sampling
    prevalence : float, optional
        Of the positive class where the model is to be used; for binary tasks alone.
    ranked : RankEstimates, optional
        Of the positive class, where it was made with those of other findings.
    """
    numbers = _Numbers(task, given, sampling)
    parts = ranked_parts(task, given) if numbers.films else []
    more = OfProbabilities({}, (), Curves())
    if parts:
        more = of_probabilities(task, given, parts, sampling, ranked)
    overall = numbers.overall()
    if prevalence is not None and task.kind is TaskKind.BINARY:
        overall |= at_prevalence(prevalence, *numbers.positive_calls(), sampling)
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
        estimates={**overall, **more.overall},
        by_class=numbers.by_class(more),
        confusion=ConfusionMatrix(
            task.classes, tuple(tuple(row) for row in numbers.counts.tolist())
        ),
        curves=more.curves.roc,
        precision_recall=more.curves.precision_recall,
        reliability=more.curves.reliability,
        decision=more.curves.decision,
        explorer=more.curves.explorer,
        sentences=tuple(numbers.sentences()),
    )


def main_numbers(task: Task, given: Answers, sampling: Sampling) -> dict[str, Estimate]:
    """The few numbers that are made of parts of the films."""
    found = _Numbers(task, given, sampling).overall()
    return {name: found[name] for name in MAIN[task.kind]}


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
        self._classes: dict[int, ClassReport] = {}
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
            found |= self._with_failed()
        for sample, name in zip(self.samples, self.statistics, strict=False):
            undefined = np.isnan(sample.point)
            reason = classification.why(name, self.counts, self.task.classes) if undefined else ""
            found[name] = sample.estimate(reason, self.films, self.sampling.confidence)
        found["balanced_accuracy"] = self._over_present(found["balanced_accuracy"])
        if self.task.kind is TaskKind.ORDINAL:
            away = np.abs(self.given.y_true - self.given.y_pred)
            found["off_by_one"] = self._share(away == 1, NO_FILMS)
            found["within_one_grade"] = self._share(away <= 1, NO_FILMS)
            # what ordered grades are judged by stands first
            found = {"quadratic_kappa": found["quadratic_kappa"], **found}
        return found

    def by_class(self, more: OfProbabilities) -> tuple[ClassReport, ...]:
        size = len(self.task.classes)
        # of a binary task what probabilities say stands with the positive class
        positions = [self.task.positive_index] if more.by_class and size > len(more.by_class) else (
            range(len(more.by_class)))  # fmt: skip
        further = dict(zip(positions, more.by_class, strict=True))
        classes = map(self.one_class, range(size))
        return tuple(
            replace(one, estimates={**one.estimates, **further.get(k, {})})
            for k, one in enumerate(classes)
        )

    def one_class(self, k: int) -> ClassReport:
        # asked for by the headline of a binary task, and by the table of classes
        if k not in self._classes:
            self._classes[k] = self._one_class(k)
        return self._classes[k]

    def _one_class(self, k: int) -> ClassReport:
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
                "npv": self._share(~true, f"every film was predicted '{name}'", ~guessed),
                "f1": f1,
                "auc": self._ranked([k]),
                **likelihood_ratios(true, guessed, self.given.patients, name, self.sampling),
            },
        )

    def positive_calls(
        self,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64], str]:
        """Of a binary task: truly positive, called so, patients; and the class."""
        k = self.task.positive_index
        given = self.given
        return given.y_true == k, given.y_pred == k, given.patients, self.task.classes[k]

    def sentences(self) -> list[str]:
        """What the table of numbers does not show by itself."""
        given_to = np.flatnonzero(self.counts.sum(axis=0))
        if self.films > 1 and len(given_to) == 1:
            answer = self.task.classes[int(given_to[0])]
            return [f"Every film was predicted '{answer}'."]
        return []

    def _count_statistics(self, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        # (..., K²) → (..., S): the overall ones in their order, then F1 of every class
        size = len(self.task.classes)
        counts = cells.reshape(*cells.shape[:-1], size, size)
        overall = np.stack([of(counts) for of in self.statistics.values()], axis=-1)
        return np.concatenate([overall, classification.f1(counts)], axis=-1)

    def _of_positive(self) -> dict[str, Estimate]:
        of_class = self.one_class(self.task.positive_index).estimates
        return {
            "auc": of_class["auc"],
            "sensitivity": of_class["recall"],
            "specificity": of_class["specificity"],
            "ppv": of_class["precision"],
            "npv": of_class["npv"],
            "f1": of_class["f1"],
            "lr_positive": of_class["lr_positive"],
            "lr_negative": of_class["lr_negative"],
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

    def _with_failed(self) -> dict[str, Estimate]:
        """Best and worst case: films without an answer counted as right, and as wrong."""
        truth, failed = self.given.y_true, self.given.failed_truth
        patients = np.r_[self.given.patients, self.given.failed_patients]
        sides = {"accuracy": (np.ones(len(truth), bool), np.ones(len(failed), bool))}
        if self.task.kind is TaskKind.BINARY:
            k = self.task.positive_index
            sides["sensitivity"] = truth == k, failed == k
            sides["specificity"] = truth != k, failed != k
        found = {}
        for name, (answered, without) in sides.items():
            among = np.r_[answered, without]
            for word, counted in (("wrong", False), ("right", True)):
                success = np.r_[self.right, np.full(len(failed), counted)]
                found[f"{name}_if_failed_{word}"] = proportion(
                    success[among], patients[among], NO_FILMS, self.sampling.confidence
                )
        return found

    def _ranked(self, classes: Sequence[int]) -> Estimate:
        if self.given.y_prob is None:
            return Estimate.undefined(NO_PROBABILITIES, self.films)
        if not self.films:
            return Estimate.undefined(NO_FILMS)
        parts = ranked_parts(self.task, self.given, classes)
        return ranking.macro_auc(parts, self.sampling.confidence)
