"""Where models disagree, and who is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.answers import MASKED, Answers

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_YES_NO = ("0", "1")


@dataclass(frozen=True)
class RightAndWrong:
    """Films of one true class, or with a label for one finding, by which of two models was right.

    Attributes
    ----------
    name : str
        Empty: all of them.
    films, both_right, only_first, only_other, both_wrong : int
        The last four add up to `films`.
    answered_otherwise : int
        Films that the two gave different answers to: beside those that one alone got right, those
        that both got wrong in different ways.
    """

    name: str
    films: int
    both_right: int
    only_first: int
    only_other: int
    both_wrong: int
    answered_otherwise: int


def right_and_wrong(task: Task, first: Answers, other: Answers) -> tuple[RightAndWrong, ...]:
    """Who is right, of all films and then of each true class, or of each finding.

    Parameters
    ----------
    task : Task
    first, other : Answers
        Of the same films in the same order. For multilabel a film counts once for each finding
        that it is labelled for.
    """
    truth, guesses = first.y_true, (first.y_pred, other.y_pred)
    known = truth != MASKED
    if task.kind is TaskKind.MULTILABEL:
        groups = [known & (np.arange(truth.shape[1]) == k) for k in range(truth.shape[1])]
    else:
        groups = [truth == k for k in range(len(task.classes))]
    named = zip(("", *task.classes), (known, *groups), strict=True)
    return tuple(_count(name, truth[some], *(g[some] for g in guesses)) for name, some in named)


def disagreements(
    task: Task, films: pd.DataFrame, given: Mapping[str, Answers]
) -> Iterator[dict[str, str]]:
    """Films that not all models answered alike: a row of text each, in the order of the films.

    Parameters
    ----------
    task : Task
    films : pandas.DataFrame
        ``path`` and, where there are films of several frames, ``frame``; `Answers.rows` are of it.
    given : mapping of str to Answers
        By model.

    Yields
    ------
    dict of str to str
        ``path``, ``frame``, ``task``, ``finding`` (of multilabel, else empty), ``truth``,
        ``answer.<model>`` of each, and ``right``, the models that were, joined by ``; ``.
    """
    many = task.kind is TaskKind.MULTILABEL
    words = _YES_NO if many else task.classes
    first = next(iter(given.values()))
    films = films.iloc[first.rows]
    truth = first.y_true.reshape(len(films), -1)
    guesses = np.stack([one.y_pred.reshape(truth.shape) for one in given.values()])
    apart = (truth != MASKED) & (guesses != guesses[0]).any(axis=0)
    paths = films["path"].tolist()
    frames = films["frame"].tolist() if "frame" in films else [""] * len(paths)
    for row, column in zip(*np.nonzero(apart), strict=True):
        answers = dict(zip(given, guesses[:, row, column], strict=True))
        true = truth[row, column]
        yield {
            "path": paths[row],
            "frame": frames[row],
            "task": task.name,
            "finding": task.classes[column] if many else "",
            "truth": words[true],
            **{f"answer.{name}": words[answer] for name, answer in answers.items()},
            "right": "; ".join(name for name, answer in answers.items() if answer == true),
        }


def _count(
    name: str, truth: NDArray[np.int64], first: NDArray[np.int64], other: NDArray[np.int64]
) -> RightAndWrong:
    a, b = first == truth, other == truth
    return RightAndWrong(
        name,
        len(truth),
        int((a & b).sum()),
        int((a & ~b).sum()),
        int((~a & b).sum()),
        int((~a & ~b).sum()),
        int((first != other).sum()),
    )
