"""Comparing, the use case: runs or results tables to one `Comparison`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch.comparison.disagreements import check_table_path, write_disagreements
from xraybatch.comparison.given import Contender, read_contender
from xraybatch.core.counting import counted, verb
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.candidates import Candidate, side_by_side
from xraybatch.evaluation.columns import answer_column
from xraybatch.evaluation.comparison import Comparison, compare_joint
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.pairs import Wish
from xraybatch.models.runs import FILE_HASH
from xraybatch.reports.given import read_labels
from xraybatch.reports.recorded import tasks_of

if TYPE_CHECKING:
    import pandas as pd


def compare_models(
    paths: Sequence[Path],
    labels: Path | None = None,
    *,
    positive: str | None = None,
    options: ScoreOptions | None = None,
    wish: Wish | None = None,
    disagreements: Path | None = None,
    overwrite: bool = False,
) -> Comparison:
    """Set runs or results side by side.

    Parameters
    ----------
    paths : sequence of Path
        Two or more run folders or results tables.
    labels : Path, optional
        The truth; None: what the runs themselves were scored by.
    positive : str, optional
        Positive class of binary tasks in results without a run record.
    options : ScoreOptions, optional
    wish : Wish, optional
        By which number models are told apart, and with which margin.
    disagreements : Path, optional
        Where to write the films that not all models answered alike, with their paths.
    overwrite : bool
        Whether that file may be there already.

    Raises
    ------
    UsageError
        If there are fewer than two, results tables come without labels, or there is no such number
        as is wished.
    InputError
        If they have no task or no film in common, disagree on the truth, or the table of
        disagreements is there already.
    """
    if disagreements is not None:
        check_table_path(disagreements, overwrite=overwrite)
    if len(paths) < 2:
        raise UsageError("One model cannot be compared.", "Name two or more runs or results.")
    found = [read_contender(path) for path in paths]
    tables = [c.name for c in found if c.truth is None]
    if tables and labels is None:
        raise UsageError(
            f"{tables[0]} is a results table, and the truth of its films is not known.",
            "Give it with --labels labels.csv.",
        )
    names = _different([c.name for c in found], paths)
    own = [tasks_of(c.given, positive=positive) for c in found]
    tasks, lacking = _common_tasks(own, names)
    candidates = [
        Candidate(
            name,
            _in_one_form(c.given.table, mine, tasks),
            c.cost,
            (*c.sentences, *_without(gone), *_other_films(found[0], c)),
        )
        for name, c, mine, gone in zip(names, found, own, lacking, strict=True)
    ]
    truth = read_labels(labels).table if labels else _truth(found, tasks)
    joint = side_by_side(candidates, truth, tasks, options or ScoreOptions())
    compared = compare_joint(joint, wish or Wish())
    if disagreements is not None:
        write_disagreements(joint, disagreements)
    return compared


def _different(names: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """Names that tell the models apart: the paths as typed where two have one name."""
    times = Counter(names)
    found = [n if times[n] == 1 else str(p) for n, p in zip(names, paths, strict=True)]
    twice = [name for name, count in Counter(found).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is named twice.", "Name two or more different models.")
    return found


def _common_tasks(
    own: Sequence[tuple[Task, ...]], names: Sequence[str]
) -> tuple[tuple[Task, ...], list[list[str]]]:
    """Tasks that all answer, as the first has them, and those of each that play no part."""
    common = []
    for task in own[0]:
        alike = [next((t for t in tasks if t.name == task.name), None) for tasks in own]
        if None in alike:
            continue
        for name, other in zip(names, alike, strict=True):
            assert other is not None
            if not _is_same(task, other):
                raise InputError(
                    f"Task '{task.name}' is {task.kind} with the classes {', '.join(task.classes)} "
                    f"in {names[0]}, but {other.kind} with {', '.join(other.classes)} in {name}.",
                    "Only models that answer the same question can be compared.",
                )
        common.append(task)
    if not common:
        listed = "; ".join(
            f"{n}: {', '.join(t.name for t in o)}" for n, o in zip(names, own, strict=True)
        )
        raise InputError(f"The models have no task in common ({listed}).")
    taken = {task.name for task in common}
    return tuple(common), [[t.name for t in tasks if t.name not in taken] for tasks in own]


def _is_same(one: Task, other: Task) -> bool:
    if one.kind is not other.kind or set(one.classes) != set(other.classes):
        return False
    return one.kind is not TaskKind.ORDINAL or one.classes == other.classes


def _without(tasks: Sequence[str]) -> tuple[str, ...]:
    if not tasks:
        return ()
    return (f"its task {', '.join(tasks)} is not answered by all, and left out.",)


def _other_films(first: Contender, other: Contender) -> tuple[str, ...]:
    """That files of one name are not the same files; empty where nobody knows."""
    known = [
        dict(zip(_paths(c.truth), c.truth[FILE_HASH], strict=True))
        if c.truth is not None and FILE_HASH in c.truth
        else {}
        for c in (first, other)
    ]
    shared = known[0].keys() & known[1].keys()
    differing = sum(known[0][path] != known[1][path] for path in shared)
    if not differing:
        return ()
    return (
        f"{differing:,} of the {counted(len(shared), 'film')} that it shares by name with "
        f"{first.name} {verb('is', differing)} other files there: if they are other films, the two "
        "cannot be compared.",
    )


def _in_one_form(table: pd.DataFrame, own: Sequence[Task], tasks: Sequence[Task]) -> pd.DataFrame:
    """Columns as of a model that has the common tasks and no other."""
    if (len(own) > 1) == (len(tasks) > 1):
        return table
    (task,) = tasks
    return table.rename(
        columns={
            answer_column(task, True, part, name): answer_column(task, False, part, name)
            for part in ("prob", "pred")
            for name in task.classes
        }
    )


def _truth(found: Sequence[Contender], tasks: Sequence[Task]) -> pd.DataFrame:
    """The truth that the runs were scored by, which must be the same for films they share."""
    truths = [c.truth for c in found if c.truth is not None]
    columns = [
        column
        for task in tasks
        for column in (task.classes if task.kind is TaskKind.MULTILABEL else (task.name,))
    ]
    known = [dict(zip(_paths(t), _cells(t, columns), strict=True)) for t in truths]
    wrong = {
        path
        for other in known[1:]
        for path in other.keys() & known[0].keys()
        if other[path] != known[0][path]
    }
    if wrong:
        raise InputError(
            f"The runs disagree on the truth of {counted(len(wrong), 'film')} that they share.",
            "Were they trained on different labels? Say which hold with --labels.",
        )
    with_patients = next((t for t in truths if "patient" in t), truths[0])
    first = truths[0]
    if with_patients is not first and set(_paths(first)) <= set(_paths(with_patients)):
        return with_patients
    return first


def _paths(table: pd.DataFrame) -> list[str]:
    return list(table["path"].str.removeprefix("./"))


def _cells(table: pd.DataFrame, columns: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(row) for row in table[list(columns)].to_numpy()]
