"""What `calibrate` did, on a terminal: every number with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from xraybatch.core.counting import counted, films, verb
from xraybatch.evaluation.calibration_report import CalibrationReport, TaskCalibration
from xraybatch.evaluation.conformal import ConformalLevel
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.sets import SetReport
from xraybatch.models.calibration_checks import LAC, PLATT, TEMPERATURE
from xraybatch.reports import words
from xraybatch.reports.console import bullets, films_table, heading, text

_MEASURES = {
    "brier": "Brier score",
    "log_loss": "log loss",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
}
_SHIFT = (
    "Calibration, thresholds and coverage hold for films like these; of another hospital, or with "
    "another share of ill patients, check them with score before they are used."
)

Row = tuple[str, Estimate]


def print_calibration(report: CalibrationReport, console: Console) -> None:
    """Print it; everything from tables goes out as plain text."""
    for sentence in report.sentences:
        console.print(Panel(text(sentence), border_style="yellow", expand=False))
    console.print(heading("Films"))
    console.print(films_table(report.join))
    for task in report.tasks:
        console.print()
        console.print(heading(f"{task.task}: {task.kind}"))
        for sentence in _fitted(task):
            console.print(text(sentence))
        console.print(_numbers(task, report))
        console.print(bullets([*task.sentences, *_reasons(task), _SHIFT]))
    console.print()
    console.print(text(f"Intervals: {report.settings.clustering}.", "dim"))


def _fitted(task: TaskCalibration) -> Iterator[str]:
    yield f"Fitted on {films(task.films)} of {counted(task.patients, 'patient')}."
    if task.method == TEMPERATURE:
        yield f"Temperature {_each(task, task.temperature)} (above 1: the model was too sure)."
    elif task.method == PLATT:
        yield (
            f"Platt's line of the log odds: slope {_each(task, task.slope)} (below 1: the model "
            f"was too sure); intercept {_each(task, task.intercept)} (above 0: its probabilities "
            "were too low)."
        )
    elif task.method != "none":
        yield f"Calibration: {task.method}."
    for chosen in task.thresholds:
        yield f"Threshold of '{chosen.of}': {chosen.threshold:.4g}, by {task.rule}."
    for level in task.levels:
        yield _level(level, task.score)
    which = "others" if task.cross_fitted else "themselves"
    yield f"The numbers are of films judged by what {which} fitted."


def _each(task: TaskCalibration, values: Sequence[float]) -> str:
    names = [f"{name} " for name in task.classes] if len(values) > 1 else [""]
    return ", ".join(f"{name}{value:.3f}" for name, value in zip(names, values, strict=True))


def _level(level: ConformalLevel, score: str) -> str:
    whose = f" for '{level.of_class}'" if level.of_class is not None else ""
    if level.level is None or level.spread_low is None or level.spread_high is None:
        few = counted(level.patients, "patient")
        return f"No level{whose}: {few} {verb('is', level.patients)} too few."
    name = f"'{level.of_class}'" if level.of_class is not None else "A class"
    enters = (
        f"{name} is in a set from a probability of {1 - level.level:.4g}"
        if score == LAC
        else f"{name} is in a set where those before it have {level.level:.4g} or less together"
    )
    return (
        f"{enters}, before calibration; of {counted(level.patients, 'patient')}: the coverage of "
        "new films "
        f"is {100 * level.spread_low:.1f}–{100 * level.spread_high:.1f} % with 95 of 100 such "
        "tables."
    )


def _numbers(task: TaskCalibration, report: CalibrationReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    table.add_column("value", justify="right", style="bold", no_wrap=True)
    level = f"{100 * report.settings.confidence:g} % interval"
    table.add_column(level, justify="center", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    for name, estimate in _rows(task):
        table.add_row(text(name), words.value(estimate), _interval(estimate), f"{estimate.n:,}")
    return table


def _interval(estimate: Estimate) -> str:
    """Both ends; a minus is no dash."""
    if estimate.low is None or estimate.high is None or estimate.low >= 0:
        return words.interval(estimate)
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def _rows(task: TaskCalibration) -> Iterator[Row]:
    several = len(task.thresholds) > 1 or len({change.of for change in task.changes}) > 1
    for change in task.changes:
        of = f" of {change.of}" if several else ""
        name = f"{_MEASURES[change.measure]}{of}"
        yield f"{name}, before", change.before
        yield f"{name}, after", change.after
        if change.difference is not None:
            yield f"{name}, change", change.difference
    for chosen in task.thresholds:
        of = f" of {chosen.of}" if several else ""
        yield f"sensitivity{of}", chosen.sensitivity
        yield f"specificity{of}", chosen.specificity
    if task.sets is not None:
        yield from _set_rows(task.sets)


def _set_rows(found: SetReport) -> Iterator[Row]:
    stated = "" if found.level is None else f" (stated {100 * found.level:.4g} %)"
    yield f"coverage of the sets{stated}", found.coverage
    for one in found.by_class:
        yield f"coverage of {one.name}", one.coverage
    yield "classes in a set", found.mean_size
    for size in found.sizes:
        yield f"sets of {size.size}", size.share
    yield "for a person", found.referred
    yield "wrong among answered", found.error_answered
    yield "wrong, had all been answered", found.error_all


def _reasons(task: TaskCalibration) -> list[str]:
    """Why a number or an interval is missing, each reason once."""
    found: dict[str, list[str]] = {}
    for name, estimate in _rows(task):
        for reason in (estimate.reason, None if estimate.reason else estimate.interval_reason):
            if reason:
                found.setdefault(reason, []).append(name)
    return [f"{', '.join(names)}: {reason}." for reason, names in found.items()] + (
        list(task.sets.sentences) if task.sets else []
    )
