"""What every medium says of a report: names of numbers, values, intervals, sentences.

Plain text without any markup; a medium escapes it. Nothing is computed here but digits cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xraybatch.core.counting import counted, films, many
from xraybatch.evaluation.estimate import FEW, Estimate
from xraybatch.evaluation.places import PATIENT
from xraybatch.evaluation.report import JoinReport, Report, TaskReport
from xraybatch.evaluation.studies import FILM

NO_VALUE = "–"
_TITLES = {
    "auc": "AUC",
    "macro_auc": "Macro AUC",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "mcc": "MCC",
    "accuracy_if_failed_wrong": "Accuracy (failed = wrong)",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "macro_ppv": "Macro PPV",
    "micro_f1": "Micro F1",
    "micro_ppv": "Micro PPV",
    "accuracy_if_failed_right": "Accuracy (failed = right)",
    "sensitivity_if_failed_wrong": "Sensitivity (failed = wrong)",
    "sensitivity_if_failed_right": "Sensitivity (failed = right)",
    "specificity_if_failed_wrong": "Specificity (failed = wrong)",
    "specificity_if_failed_right": "Specificity (failed = right)",
    "ovo_auc": "AUC (one vs one)",
    "macro_average_precision": "Macro average prec.",
    "sensitivity_at_specificity_90": "Sens. at spec. 90 %",
    "sensitivity_at_specificity_95": "Sens. at spec. 95 %",
    "specificity_at_sensitivity_90": "Spec. at sens. 90 %",
    "specificity_at_sensitivity_95": "Spec. at sens. 95 %",
    "youden_j": "Youden's J",
    "lr_positive": "LR+",
    "lr_negative": "LR–",
    "ppv_at_prevalence": "PPV at prevalence",
    "npv_at_prevalence": "NPV at prevalence",
    "top_2_accuracy": "Among top 2",
    "top_3_accuracy": "Among top 3",
    "brier": "Brier score",
    "brier_multiclass": "Brier score (0–2)",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calib. intercept",
    "observed_expected": "Observed / expected",
    "ece": "ECE",
    "ece_equal_mass": "ECE (equal mass)",
    "ece_squared_debiased": "ECE² (debiased)",
    "mce": "MCE",
}
CLASS_COLUMNS: tuple[str, ...] = ("recall", "specificity", "precision", "f1", "auc")
FINDING_COLUMNS: tuple[str, ...] = ("auc", "sensitivity", "specificity", "ppv", "npv", "f1")
# of a class or finding, where there is room
FURTHER_COLUMNS = (
    "npv", "lr_positive", "lr_negative", "average_precision", "brier", "calibration_slope",
    "calibration_intercept", "ece",
)  # fmt: skip
UNRELIABLE = "*"
_MOST_NAMES = 6  # of numbers in one sentence


@dataclass(frozen=True)
class ByClass:
    """A table with one row a class or finding: its name, films, and estimates by column."""

    heading: str
    counted: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, int, Mapping[str, Estimate]], ...]


def title(name: str) -> str:
    """``balanced_accuracy`` → ``Balanced accuracy``; names of plugins stay what they are."""
    if name in _TITLES:
        return _TITLES[name]
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def value(estimate: Estimate) -> str:
    """Three digits, or a dash where it is undefined: never 0 for what does not exist."""
    return NO_VALUE if estimate.value is None else _three(estimate.value)


def interval(estimate: Estimate) -> str:
    """Both ends in three digits, or a dash; a star where it rests on few patients."""
    if estimate.low is None or estimate.high is None:
        return NO_VALUE
    sign = " to " if estimate.low < 0 else "–"
    star = UNRELIABLE if estimate.is_unreliable else ""
    return f"{_three(estimate.low)}{sign}{_three(estimate.high)}{star}"


def _three(number: float) -> str:
    """Three digits behind the point; of 100 and more none, so that columns stay narrow."""
    shown = f"{number:.3f}" if abs(number) < 99.9995 else f"{number:,.0f}"
    return shown.replace("-", "−")


def p_value(p: float | None) -> str:
    """``0.031``, ``<0.001``, or a dash."""
    if p is None:
        return NO_VALUE
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def percent(part: int, whole: int) -> str:
    """``82 %``; a dash of nothing, and never 0 % or 100 % of what is not so."""
    if whole == 0:
        return NO_VALUE
    share = 100 * part / whole
    if 0 < share < 1:
        return "<1 %"
    if 99 < share < 100:
        return ">99 %"
    return f"{share:.0f} %"


def confidence(report: Report) -> str:
    """``95 % interval``."""
    return f"{100 * report.settings.confidence:g} % interval"


def join_rows(join: JoinReport) -> Iterator[tuple[str, str]]:
    """How the tables found each other, a name and a sentence part a row; what is 0 is left out."""
    patients = f", {counted(join.patients, 'patient')}" if join.patients is not None else ""
    yield "matched", f"{films(join.matched)}{patients}"
    answered = join.matched - sum(join.failed.values())
    share = f" ({100 * answered / join.matched:.1f} %)" if join.matched else ""
    yield "with an answer", f"{answered:,} of {join.matched:,}{share}"
    if join.failed:
        listed = ", ".join(f"{status} {count:,}" for status, count in join.failed.items())
        yield "failed", f"{listed}; left out of the numbers"
    if join.only_in_results:
        yield "only in results", f"{films(join.only_in_results)}; left out"
    if join.only_in_labels:
        yield "only in labels", f"{films(join.only_in_labels)}; left out"
    if join.duplicates:
        yield "duplicates", f"{join.duplicates:,} repeated rows of labels, counted once"


def task_title(task: TaskReport) -> str:
    """``label: binary, positive class fractured``."""
    positive = f", positive class {task.positive}" if task.positive else ""
    return f"{task.task}: {task.kind}{positive}"


def task_films(task: TaskReport, report: Report) -> str:
    """What entered the numbers of a task and what did not, in one sentence."""
    unit = report.settings.unit
    known = report.join.patients is not None and unit != PATIENT
    patients = f" of {counted(task.patients, 'patient')}" if known else ""
    left = [
        f"{count:,} {why}"
        for count, why in ((task.unlabelled, "without a label"), (task.failed, "without an answer"))
        if count
    ]
    tail = f"; left out: {', '.join(left)}" if left else ""
    column = f"; truth from '{task.label_column}'" if task.label_column != task.task else ""
    return f"{counted(task.films, unit)}{patients}{column}{tail}."


def by_class(task: TaskReport, *, further: bool = False, unit: str = FILM) -> ByClass | None:
    """The table of classes, or for multilabel of findings; None where there is neither.

    A binary task has none: sensitivity and specificity are the recalls of its two classes.

    Parameters
    ----------
    task : TaskReport
    further : bool
        The columns that stand in a table of their own, where there is room.
    unit : str
        What is scored.
    """
    if task.findings:
        rows = tuple((f.task, f.by_class[1].support, f.estimates) for f in task.findings)
        heading, of, columns = "finding", "present", FINDING_COLUMNS
    elif task.by_class and task.positive is None:
        rows = tuple((c.name, c.support, c.estimates) for c in task.by_class)
        heading, of, columns = "class", many(unit), CLASS_COLUMNS
    else:
        return None
    if further:
        has = rows[0][2]
        columns = tuple(name for name in FURTHER_COLUMNS if name in has and name not in columns)
    return ByClass(heading, of, columns, rows) if columns else None


def result(task: TaskReport, report: Report) -> str:
    """The first number of a task in a sentence: ``AUC 0.975 (95 % interval 0.968–0.980).``"""
    name, estimate = next(iter(task.estimates.items()))
    if estimate.value is None:
        return f"{title(name)} is undefined: {estimate.reason}."
    why = f"no interval: {estimate.interval_reason}"
    known = f"{confidence(report)} {interval(estimate)}" if estimate.low is not None else why
    return f"{title(name)} {value(estimate)} ({known})."


def missing(task: TaskReport, names: Iterable[str] | None = None) -> list[str]:
    """A sentence for every number without value or interval, and every caution; alike ones once.

    Parameters
    ----------
    task : TaskReport
    names : iterable of str, optional
        Of the numbers that are shown; all by default.
    """
    return reasons(of_task(task, names))


def of_task(task: TaskReport, names: Iterable[str] | None = None) -> list[tuple[str, Estimate]]:
    """Numbers that are shown of a task, and of its classes, with what they are called."""
    shown = task.estimates if names is None else names
    named = [(title(name), task.estimates[name]) for name in shown]
    if table := by_class(task):
        for name, _, estimates in table.rows:
            named += [(f"{title(c)} of {name}", estimates[c]) for c in table.columns]
    return named


def reasons(named: Sequence[tuple[str, Estimate]]) -> list[str]:
    """A sentence for every estimate without value or interval, and every caution; alike ones once.

    Parameters
    ----------
    named : sequence of tuple of str and Estimate
        What each is called, and the number.
    """
    undefined = ((n, e.reason) for n, e in named)
    without = ((n, e.interval_reason) for n, e in named if e.value is not None)
    cautions = ((n, e.caution) for n, e in named)
    return [
        *_grouped("Undefined: {names}: {why}.", undefined),
        *_grouped("No interval: {names}: {why}.", without),
        *_grouped("Caution: {names}: {why}.", cautions),
    ]


def methods(task: TaskReport, names: Iterable[str]) -> list[str]:
    """Which interval was made how, one line a method."""
    named = [(title(name), task.estimates[name].method or None) for name in names]
    return list(_grouped("Interval by {why}: {names}.", named, most=len(named)))


def stars(named: Iterable[tuple[str, Estimate]]) -> list[str]:
    """What the star behind an interval means, where one of those shown has it."""
    if not any(estimate.is_unreliable for _, estimate in named):
        return []
    return [f"{UNRELIABLE} Interval from fewer than {FEW} patients with such films: unreliable."]


def closing(report: Report) -> list[str]:
    """What the numbers depend on besides the tables."""
    s = report.settings
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return [
        f"Intervals: {s.clustering}; {s.resamples:,} resamples where bootstrapped, seed {s.seed}.",
        *([f"The prevalence asked for: {s.prevalence:g}."] if s.prevalence is not None else []),
        *([s.failed_films] if report.join.failed else []),
        *([f"Made with {versions}."] if versions else []),
    ]


def printable(text: str) -> str:
    """Text of a table without characters that steer a terminal or break a line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def listed(names: Sequence[str], most: int = _MOST_NAMES) -> str:
    """So many names at most, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _grouped(
    pattern: str, named: Iterable[tuple[str, str | None]], most: int = _MOST_NAMES
) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for name, why in named:
        if why is not None:
            groups.setdefault(why, []).append(name)
    for why, names in groups.items():
        yield pattern.format(names=listed(names, most), why=why)
