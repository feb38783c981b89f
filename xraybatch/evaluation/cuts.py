"""Operating points of a task: thresholds chosen on one table and applied to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation import findings, single_label
from xraybatch.evaluation.answers import Answers
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.operating_point import OperatingPoint, operating_point
from xraybatch.evaluation.ranking import Part
from xraybatch.evaluation.thresholds import NUMBER, ThresholdRule, choose

NOT_BINARY = "a rule for a threshold needs a positive class, or findings"


@dataclass(frozen=True)
class Chosen:
    """Films that thresholds are chosen on.

    Attributes
    ----------
    name : str
        Of their table, for the report.
    answers : mapping of str to Answers
        By task.
    """

    name: str
    answers: Mapping[str, Answers]


def operating_points(
    task: Task,
    given: Answers,
    rules: Sequence[ThresholdRule],
    chosen_on: Chosen | None,
    sampling: Sampling,
) -> tuple[OperatingPoint, ...]:
    """Apply every rule to the positive class, or to every finding.

    Parameters
    ----------
    task : Task
    given : Answers
        Whose numbers are made.
    rules : sequence of ThresholdRule
    chosen_on : Chosen or None
        None: on `given` itself, which the points say is optimistic, unless a rule is a number.
    sampling : Sampling

    Returns
    -------
    tuple of OperatingPoint
        Empty for tasks of more classes, which `check_rules` refuses where all tasks are so.
    """
    if not rules or task.kind not in (TaskKind.BINARY, TaskKind.MULTILABEL):
        return ()
    for some, name in ((given, "the results"), (chosen_on and chosen_on.answers[task.name],
                       chosen_on and chosen_on.name)):  # fmt: skip
        if some and some.y_prob is None:
            raise InputError(
                f"--threshold needs probabilities of task '{task.name}'; {name} have none.",
                "Predict again, or leave --threshold out.",
            )
    parts = _parts(task, given)
    sources = _parts(task, chosen_on.answers[task.name]) if chosen_on else parts
    found = []
    for part, source in zip(parts, sources, strict=True):
        for rule in rules:
            choice = choose(rule, source.positive, source.scores, source.name)
            if rule.kind == NUMBER:
                origin, optimistic = "given beforehand", False
            elif chosen_on:
                origin = f"chosen on {chosen_on.name}, {counted(len(source.positive), 'film')}"
                optimistic = False
            else:
                origin, optimistic = "chosen on these very films: optimistic", True
            found.append(
                operating_point(
                    rule.text,
                    choice.threshold,
                    origin,
                    optimistic,
                    *part,
                    sampling,
                    reason=choice.reason or "",
                )
            )
    return tuple(found)


def check_rules(rules: Sequence[ThresholdRule], tasks: Sequence[Task]) -> None:
    """Raise `UsageError` if there are rules and no task that a threshold decides."""
    if rules and not any(task.kind in (TaskKind.BINARY, TaskKind.MULTILABEL) for task in tasks):
        listed = ", ".join(f"{task.name} ({task.kind})" for task in tasks)
        raise UsageError(f"--threshold: {NOT_BINARY}; here is {listed}.", "Leave it out.")


def _parts(task: Task, given: Answers) -> list[Part]:
    if task.kind is TaskKind.BINARY:
        return single_label.ranked_parts(task, given)
    if task.kind is TaskKind.MULTILABEL:
        return findings.ranked_parts(task, given)
    return []
