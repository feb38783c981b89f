"""Several models on the same films: every number with its interval, and every pair's differences.

A film enters where every model answered it, so that all numbers are of the same films.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xraybatch.core.tasks import Task
from xraybatch.evaluation.candidates import Candidate, Cost, SideBySide, side_by_side
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.paired import Side, lower_is_better
from xraybatch.evaluation.pairs import TaskComparison, Wish, compare_sides
from xraybatch.evaluation.report import JoinReport, Settings, TaskReport, plain
from xraybatch.evaluation.scoring import evaluate

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = "2.0"
_SAME = 1e-12
# drawn one over the other in a page; what one model alone is looked at by is in its own score
_DRAWN = ("curves", "precision_recall")
_OF_ONE = ("reliability", "decision", "explorer")
_MANY = (
    "Whoever takes the best of several models on these films flatters it: score the chosen one on "
    "films that none of them was compared on."
)


@dataclass(frozen=True)
class ComparedModel:
    """One model of a comparison.

    Attributes
    ----------
    name : str
    cost : Cost
    tasks : tuple of TaskReport
        On the common films; of the curves those that are drawn one over the other, which
        `Comparison.to_dict` leaves out.
    """

    name: str
    cost: Cost
    tasks: tuple[TaskReport, ...]


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` returns.

    Attributes
    ----------
    models : tuple of ComparedModel
        In the order given.
    tasks : tuple of TaskComparison
        Every pair of models, in the order of the models' tasks.
    best : mapping of str to mapping of str to tuple of int
        By task and number, which models have the best value; numbers without a direction lack.
    same_films : bool
        Whether every model was given the same films.
    join : JoinReport
        Of the common films with the labels.
    settings : Settings
    sentences : tuple of str
        What stands above every number.
    schema_version : str
    """

    models: tuple[ComparedModel, ...]
    tasks: tuple[TaskComparison, ...]
    best: Mapping[str, Mapping[str, tuple[int, ...]]]
    same_films: bool
    join: JoinReport
    settings: Settings
    sentences: tuple[str, ...]
    schema_version: str = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON's own types, without curves (``docs/comparison.schema.json``)."""
        bare = (
            replace(model, tasks=tuple(_without(_DRAWN, task) for task in model.tasks))
            for model in self.models
        )
        found = plain(replace(self, models=tuple(bare)))
        assert isinstance(found, dict)
        return found


def compare(
    candidates: Sequence[Candidate],
    labels: pd.DataFrame,
    *,
    tasks: Sequence[Task],
    options: ScoreOptions | None = None,
    wish: Wish | None = None,
) -> Comparison:
    """Set models side by side on the films that all of them answered.

    Parameters
    ----------
    candidates : sequence of Candidate
        Two or more; the first is what the others are set against.
    labels : pandas.DataFrame
    tasks : sequence of Task
        Which all of them answer, as their results tables have them.
    options : ScoreOptions, optional
    wish : Wish, optional
        By which number, and with which margin.

    Raises
    ------
    InputError
        If no film was answered by all, or the tables do not fit labels or tasks.
    UsageError
        If there is no such number as is wished.
    """
    joint = side_by_side(candidates, labels, tasks, options or ScoreOptions())
    return compare_joint(joint, wish or Wish())


def compare_joint(joint: SideBySide, wish: Wish) -> Comparison:
    """The numbers of models that were joined with the labels."""
    options = joint.options
    reports = [evaluate(one.joined, one.told, joint.tasks, options) for one in joint.models]
    models = tuple(
        ComparedModel(
            one.candidate.name,
            one.candidate.cost,
            tuple(_without(_OF_ONE, task) for task in report.tasks),
        )
        for one, report in zip(joint.models, reports, strict=True)
    )
    tasks = []
    for t, task in enumerate(joint.tasks):
        sides = [
            Side(m.name, task, one.answers[task.name], m.tasks[t].estimates, options.sampling)
            for m, one in zip(models, joint.models, strict=True)
        ]
        tasks.append(compare_sides(sides, options, wish))
    wish.check(tasks)
    said = [
        f"{one.candidate.name}: {sentence}"
        for one in joint.models
        for sentence in one.candidate.sentences
    ]
    return Comparison(
        models,
        tuple(tasks),
        _best(models, tasks, options),
        joint.same_films,
        reports[0].join,
        reports[0].settings,
        (*joint.sentences, *said, _MANY),
    )


def _best(
    models: Sequence[ComparedModel], tasks: Sequence[TaskComparison], options: ScoreOptions
) -> dict[str, dict[str, tuple[int, ...]]]:
    smaller = lower_is_better(options)
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for t, task in enumerate(tasks):
        found[task.task] = {}
        for name in task.pairs[0].differences:
            values = [m.tasks[t].estimates[name].value for m in models]
            known = [v for v in values if v is not None]
            if known:
                top = min(known) if name in smaller else max(known)
                found[task.task][name] = tuple(
                    i for i, v in enumerate(values) if v is not None and abs(v - top) <= _SAME
                )
    return found


def _without(curves: Sequence[str], task: TaskReport) -> TaskReport:
    none: dict[str, Any] = dict.fromkeys(curves, ())
    return replace(task, findings=tuple(_without(curves, f) for f in task.findings), **none)
