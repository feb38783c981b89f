"""Models to compare: what each of them brings, and the films that all of them answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import Task
from xraybatch.evaluation.answers import Answers
from xraybatch.evaluation.joined import Joined
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.report import JoinReport
from xraybatch.evaluation.scoring import answers_by_task, join_for

if TYPE_CHECKING:
    import pandas as pd


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
class Joint:
    """One model's results with the labels, on the films that every model answered.

    Attributes
    ----------
    candidate : Candidate
    joined : Joined
        The films in an order that is the same for every model.
    told : JoinReport
    answers : mapping of str to Answers
        By task.
    """

    candidate: Candidate
    joined: Joined
    told: JoinReport
    answers: Mapping[str, Answers]


@dataclass(frozen=True)
class SideBySide:
    """Models joined with the labels, ready to be compared.

    Attributes
    ----------
    models : tuple of Joint
    tasks : tuple of Task
    options : ScoreOptions
    same_films : bool
        Whether every model was given the same films.
    sentences : tuple of str
        What is to be said of the films.
    """

    models: tuple[Joint, ...]
    tasks: tuple[Task, ...]
    options: ScoreOptions
    same_films: bool
    sentences: tuple[str, ...]


def side_by_side(
    candidates: Sequence[Candidate],
    labels: pd.DataFrame,
    tasks: Sequence[Task],
    options: ScoreOptions,
) -> SideBySide:
    """Join every model with the labels, on the films that all of them answered.

    Raises
    ------
    InputError
        If no film was answered by all, or the tables do not fit labels or tasks.
    """
    tables, same, sentences = _common(candidates)
    models = []
    for candidate, table in zip(candidates, tables, strict=True):
        joined, told = join_for(table, labels, tasks, options)
        given = answers_by_task(joined, tasks, options)
        models.append(Joint(candidate, joined, told, given))
    return SideBySide(tuple(models), tuple(tasks), options, same, tuple(sentences))


def _common(
    candidates: Sequence[Candidate],
) -> tuple[list[pd.DataFrame], bool, list[str]]:
    """Each table's rows of the films that all of them answered, and what is to be said of it."""
    framed = all("frame" in c.results for c in candidates)
    if not framed and any("frame" in c.results for c in candidates):
        raise InputError(
            "Some of the results have a row a frame and some a row a film.",
            "Predict with each of them in the same way: --frames first, or all.",
        )
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
            f"The films are not the same: {counts}. All numbers are of the "
            f"{counted(len(everywhere), 'film')} that every model was given, and differ from each "
            "model's own score."
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
