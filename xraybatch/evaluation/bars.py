"""Bars that a report must reach: ``--fail-under accuracy=0.9``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from xraybatch.core.errors import BarMissed, UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.core.tasks import Task
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import Report, TaskReport

_LOW = ":low"
_COVERAGE = "coverage"
_LONG = 200  # characters of a hint
# numbers that are never above 1; ratios, losses, slopes and those of plugins may be
AT_MOST_1 = frozenset(
    {"auc", "macro_auc", "ovo_auc", "average_precision", "macro_average_precision", "accuracy",
     "balanced_accuracy", "exact_match", "sensitivity", "specificity", "recall", "precision",
     "ppv", "npv", "f1", "kappa", "quadratic_kappa", "linear_kappa", "mcc", "youden_j", _COVERAGE}
    | {f"{over}_{of}" for over in ("macro", "weighted", "micro")
       for of in ("recall", "sensitivity", "specificity", "precision", "ppv", "f1")}
)  # fmt: skip


def check_bars(report: Report, bars: Sequence[str]) -> None:
    """Compare numbers of a report with their bars.

    Parameters
    ----------
    report : Report
    bars : sequence of str
        ``NAME=VALUE``; NAME as `named_estimates` has it: ``accuracy``, ``recall.fractured``, and
        with several tasks ``view.accuracy``. ``NAME:low=VALUE``: the lower end of its interval.

    Raises
    ------
    UsageError
        If a bar is not written so or names no number; before any comparison.
    BarMissed
        If a number lies below its bar or is undefined; the message has every such number.
    """
    known = named_estimates(report)
    own = f"{report.tasks[0].task}." if report.tasks else "."
    missed = []
    for written, bar in [parse_bar(text) for text in bars]:
        name, of_end, _ = written.partition(_LOW)
        if name not in known:
            short = [n for n in known if len(report.tasks) > 1 or not n.startswith(own)]
            near = name.lower().replace(" ", "_")
            raise UsageError(f"The report has no number '{name}'.", did_you_mean(near, short))
        estimate = known[name]
        if estimate.value is None:
            missed.append(f"{name} is undefined ({estimate.reason}), its bar is {bar:g}")
        elif of_end and estimate.low is None:
            why = estimate.interval_reason
            missed.append(f"{name} has no lower end ({why}), whose bar is {bar:g}")
        elif of_end and estimate.low is not None and estimate.low < bar:
            missed.append(
                f"the lower end of {name} is {_below(estimate.low, bar)}, its bar is {bar:g}"
            )
        elif not of_end and estimate.value < bar:
            missed.append(f"{name} is {_below(estimate.value, bar)}, its bar is {bar:g}")
    if missed:
        raise BarMissed("A bar was missed: " + "; ".join(missed) + ".")


def check_names(bars: Sequence[str], tasks: Sequence[Task], numbers: Collection[str]) -> None:
    """Say before any number is made that a bar is of none that there can be.

    Parameters
    ----------
    bars : sequence of str
        As for `check_bars`, which alone knows what the report has in the end.
    tasks : sequence of Task
    numbers : collection of str
        Names that a number may have, of a task, a class or a finding.

    Raises
    ------
    UsageError
        If a bar is not written ``NAME=VALUE``, its name cannot occur, or its value cannot be
        reached.
    """
    # what a bar is called → the number that it is of
    known = {_COVERAGE: _COVERAGE}
    for task in tasks:
        of_task = {n: n for n in numbers} | {f"{n}.{c}": n for n in numbers for c in task.classes}
        known |= {f"{task.name}.{name}": n for name, n in of_task.items()}
        if len(tasks) == 1:
            known |= of_task
    for written, bar in map(parse_bar, bars):
        name = written.partition(_LOW)[0]
        if bar > 1 and known.get(name) in AT_MOST_1:
            raise UsageError(
                f"--fail-under {written}={bar:g}: {name} is never above 1.",
                "Write shares, not percent: 0.9.",
            )
        if name not in known:
            hint = did_you_mean(name.lower().replace(" ", "_"), known)
            if len(hint) > _LONG:
                hint = "Numbers are called as in --json: auc, recall.CLASS, TASK.auc."
            raise UsageError(f"--fail-under {name}: there is no such number of these tasks.", hint)


def named_estimates(report: Report) -> dict[str, Estimate]:
    """Every number of a report by name: ``[task.]number`` and ``[task.]number.class``.

    The task may be left out where there is one; a finding of a multilabel task counts as a class.
    """
    found: dict[str, Estimate] = {}
    for task in report.tasks:
        numbers = _of_task(task)
        if len(report.tasks) == 1:
            found |= numbers
        found |= {f"{task.task}.{name}": estimate for name, estimate in numbers.items()}
    found[_COVERAGE] = report.join.coverage
    return found


def _of_task(task: TaskReport) -> Mapping[str, Estimate]:
    found = dict(task.estimates)
    for one in task.by_class:
        found |= {f"{name}.{one.name}": estimate for name, estimate in one.estimates.items()}
    for finding in task.findings:
        found |= {f"{name}.{finding.task}": e for name, e in finding.estimates.items()}
    return found


def parse_bar(text: str) -> tuple[str, float]:
    """Read ``NAME=VALUE``; raise `UsageError` if it is not written so."""
    # from the right: a class may have '=' in its name
    name, equals, number = text.rpartition("=")
    try:
        bar = float(number)
    except ValueError:
        bar = float("nan")
    if not equals or not name or bar != bar:
        raise UsageError(f"--fail-under {text} is not NAME=VALUE.", "Write --fail-under auc=0.9.")
    return name.strip(), bar


def _below(value: float, bar: float) -> str:
    # as many digits as show that the value is below: 0.8999996 must not read as 0.9
    for digits in range(3, 17):
        text = f"{value:.{digits}f}"
        if float(text) < bar:
            return text
    return repr(value)
