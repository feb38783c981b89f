"""Several models on the same films: every number with its interval, and the paired differences.

A film enters where every model answered it, so that all numbers are of the same films. Differences
are to the first model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import Task
from xraybatch.evaluation.answers import answers
from xraybatch.evaluation.columns import label_columns
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.paired import differences
from xraybatch.evaluation.report import JoinReport, Settings, TaskReport, plain
from xraybatch.evaluation.scoring import ScoreOptions, evaluate, join_for

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = "1.0"
_SAME = 1e-12
_MANY = (
    "Whoever takes the best of several models on these films flatters it: score the chosen one on "
    "films that none of them was compared on."
)


@dataclass(frozen=True)
class Cost:
    """What a model costs; None where it is not known.

    Attributes
    ----------
    parameters : int or None
        Weights in the model file.
    epochs, best_epoch : int or None
        Trained, and the one whose weights were kept.
    training_seconds : float or None
        In the epochs; decoding and export are not in it.
    films_per_second : float or None
        Of the prediction, decoding and the start of its processes included.
    network_films_per_second : float or None
        Of the network alone, in the same prediction.
    films : int or None
        In that prediction.
    tries : int
        Settings that were tried, of which this model has the best; of a cross-validation those of
        all folds, of which each has its best. 0: none.
    seconds_of_tries : float or None
        In the epochs of all of them.
    device : str
        What predicted; empty where it is not known.
    """

    parameters: int | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    training_seconds: float | None = None
    films_per_second: float | None = None
    network_films_per_second: float | None = None
    films: int | None = None
    tries: int = 0
    seconds_of_tries: float | None = None
    device: str = ""


@dataclass(frozen=True)
class Candidate:
    """A model to compare: its name, its results table, what it costs, and what to know of it."""

    name: str
    results: pd.DataFrame
    cost: Cost = field(default_factory=Cost)
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComparedModel:
    """One model of a comparison.

    Attributes
    ----------
    name : str
    cost : Cost
    tasks : tuple of TaskReport
        Without curves; on the common films.
    differences : mapping of str to mapping of str to Estimate
        By task and number, this model less the first one; empty for the first.
    """

    name: str
    cost: Cost
    tasks: tuple[TaskReport, ...]
    differences: Mapping[str, Mapping[str, Estimate]]


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` returns.

    Attributes
    ----------
    models : tuple of ComparedModel
        In the order given.
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
    best: Mapping[str, Mapping[str, tuple[int, ...]]]
    same_films: bool
    join: JoinReport
    settings: Settings
    sentences: tuple[str, ...]
    schema_version: str = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON's own types."""
        found = plain(self)
        assert isinstance(found, dict)
        return found


def compare(
    candidates: Sequence[Candidate],
    labels: pd.DataFrame,
    *,
    tasks: Sequence[Task],
    options: ScoreOptions | None = None,
) -> Comparison:
    """Set models side by side on the films that all of them answered.

    Parameters
    ----------
    candidates : sequence of Candidate
        Two or more; differences are to the first.
    labels : pandas.DataFrame
    tasks : sequence of Task
        Which all of them answer, as their results tables have them.
    options : ScoreOptions, optional

    Raises
    ------
    InputError
        If no film was answered by all, or the tables do not fit labels or tasks.
    """
    chosen = options or ScoreOptions()
    tables, same, sentences = _common(candidates)
    homes = label_columns(labels.columns, tasks, chosen.label_column)
    reports, given = [], []
    for table in tables:
        joined, told = join_for(table, labels, tasks, chosen)
        reports.append(evaluate(joined, told, tasks, chosen))
        several = len(tasks) > 1
        given.append(
            {
                task.name: answers(joined, task, several, homes[task.name], chosen.label_map)
                for task in tasks
            }
        )
    models = []
    for candidate, report, its in zip(candidates, reports, given, strict=True):
        paired = {}
        if its is not given[0]:
            paired = {t.name: differences(t, given[0][t.name], its[t.name], chosen) for t in tasks}
        without_curves = tuple(_without_curves(task) for task in report.tasks)
        models.append(ComparedModel(candidate.name, candidate.cost, without_curves, paired))
    said = [f"{c.name}: {sentence}" for c in candidates for sentence in c.sentences]
    return Comparison(
        tuple(models),
        _best(models, chosen),
        same,
        reports[0].join,
        reports[0].settings,
        (*sentences, *said, _MANY),
    )


def _common(
    candidates: Sequence[Candidate],
) -> tuple[list[pd.DataFrame], bool, list[str]]:
    """Each table's rows of the films that all of them answered, and what is to be said of it."""
    framed = all("frame" in c.results for c in candidates)
    keys = [_keys(c.results, framed) for c in candidates]
    everywhere = set.intersection(*(set(k) for k in keys))
    anywhere = set.union(*(set(k) for k in keys))
    if not everywhere:
        raise InputError(
            "No film stands in the results of every model, so they cannot be compared.",
            "Predict the same folder with each of them, and compare the results with --labels.",
        )
    answered = set(everywhere)
    for candidate, films in zip(candidates, keys, strict=True):
        ok = (candidate.results["status"] == FilmStatus.OK).tolist()
        answered &= {film for film, fine in zip(films, ok, strict=True) if fine}
    if not answered:
        raise InputError(
            "No film was answered by every model, so they cannot be compared.",
            "Look at the column 'error' of the results.",
        )
    sentences = []
    same = everywhere == anywhere
    if not same:
        counts = ", ".join(f"{c.name} {len(k):,}" for c, k in zip(candidates, keys, strict=True))
        sentences.append(
            f"The films are not the same: {counts}. All numbers are of the {len(everywhere):,} "
            "films that every model was given, and differ from each model's own score."
        )
    if len(answered) < len(everywhere):
        sentences.append(
            f"Films that some model gave no answer to, left out for all: "
            f"{len(everywhere) - len(answered):,} of {len(everywhere):,}."
        )
    rows = [[film in answered for film in films] for films in keys]
    tables = [c.results[r].reset_index(drop=True) for c, r in zip(candidates, rows, strict=True)]
    return tables, same, sentences


def _keys(table: pd.DataFrame, framed: bool) -> list[tuple[str, str]]:
    paths = table["path"].str.removeprefix("./").tolist()
    frames = table["frame"].tolist() if framed else [""] * len(paths)
    return list(zip(paths, frames, strict=True))


def _best(
    models: Sequence[ComparedModel], options: ScoreOptions
) -> dict[str, dict[str, tuple[int, ...]]]:
    smaller = {m.name for m in options.metrics if not m.higher_is_better}
    smaller |= {f"plugin.{name}" for name in smaller}
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for t, task in enumerate(models[0].tasks):
        found[task.task] = {}
        for name in task.estimates:
            values = [m.tasks[t].estimates[name].value for m in models]
            known = [v for v in values if v is not None]
            if known:
                top = min(known) if name in smaller else max(known)
                found[task.task][name] = tuple(
                    i for i, v in enumerate(values) if v is not None and abs(v - top) <= _SAME
                )
    return found


def _without_curves(task: TaskReport) -> TaskReport:
    return replace(task, curves=(), findings=tuple(_without_curves(f) for f in task.findings))
