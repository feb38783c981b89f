"""Every picture of a report, with its title, what it shows in a sentence, and the table of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xraybatch.core.counting import many
from xraybatch.evaluation.curves import (
    DecisionCurve,
    PrecisionRecallCurve,
    ReliabilityCurve,
    RocCurve,
    ThresholdCounts,
)
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import TaskReport
from xraybatch.evaluation.slices import SliceReport
from xraybatch.evaluation.studies import FILM
from xraybatch.reports import plots, probability_plots, words
from xraybatch.reports.forest_plot import forest
from xraybatch.reports.sections import Table

_SHOWN = 40  # rows of a curve's table: every corner is in the JSON


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes
    ----------
    kind : str
        ``confusion``, ``roc``, ``precision-recall``, ``classes``, ``slices``, ``reliability``,
        ``decision`` or ``scores``.
    of : str
        The class it is about, or of slices their column; empty for a picture of all classes.
    title : str
    sentence : str
        What is seen, for those who do not see it too.
    chart : altair chart
    table : Table
        What it shows, as text.
    left_out : int
        Corners of the curves that the table leaves out.
    in_json : bool
        Whether the JSON of the report has them.
    """

    kind: str
    of: str
    title: str
    sentence: str
    chart: Any
    table: Table
    left_out: int = 0
    in_json: bool = True


@dataclass(frozen=True)
class Curves:
    """The curves of a task; of a multilabel task those of its findings, under their names."""

    roc: tuple[RocCurve, ...]
    precision_recall: tuple[PrecisionRecallCurve, ...]
    reliability: tuple[ReliabilityCurve, ...]
    decision: tuple[DecisionCurve, ...]
    explorer: tuple[ThresholdCounts, ...]


def curves_of(task: TaskReport) -> Curves:
    """All curves of a task."""
    if not task.findings:
        return Curves(
            task.curves, task.precision_recall, task.reliability, task.decision, task.explorer
        )
    of = task.findings
    return Curves(
        tuple(replace(c, name=f.task) for f in of for c in f.curves),
        tuple(replace(c, name=f.task) for f in of for c in f.precision_recall),
        tuple(replace(c, name=f.task) for f in of for c in f.reliability),
        tuple(replace(c, name=f.task) for f in of for c in f.decision),
        tuple(replace(c, name=f.task) for f in of for c in f.explorer),
    )


def pictures(task: TaskReport, unit: str = FILM) -> Iterator[Picture]:
    """The pictures of one task, in the order they should be seen; none of what is not there.

    `unit` is what is scored.
    """
    these = many(unit)
    found, name = curves_of(task), task.task
    if task.confusion:
        yield Picture(
            "confusion",
            "",
            "Confusion matrix",
            f"{these.capitalize()} by truth (rows) and prediction (columns); shade is the share of "
            "the row.",
            plots.confusion(task, unit),
            _confusion_table(task),
        )
    if found.roc:
        points = [(c.name, c.false_positive_rate, c.true_positive_rate) for c in found.roc]
        table, left = curve_table(("class", "1 – specificity", "sensitivity"), points)
        yield Picture(
            "roc",
            "",
            "ROC curve",
            "Sensitivity against 1 – specificity of every threshold; the diagonal is chance.",
            plots.roc_of(found.roc, f"{name}: ROC curve"),
            table,
            left,
        )
    if found.precision_recall:
        steps = [(c.name, c.recall, c.precision) for c in found.precision_recall]
        table, left = curve_table(("class", "recall", "precision"), steps)
        yield Picture(
            "precision-recall",
            "",
            "Precision and recall",
            "Precision against recall of every threshold"
            + (
                "; the dashed line is the prevalence, which is the precision of calling every "
                f"{unit} positive."
                if len(found.precision_recall) <= plots.FEW
                else "."
            ),
            plots.precision_recall_of(found.precision_recall, f"{name}: precision and recall"),
            table,
            left,
        )
    yield from _of_classes(task)
    for one in task.slices:
        if one.slices:
            yield _slices(one, task, unit)
    for reliability in found.reliability:
        yield _reliability(reliability, these)
    for decision in found.decision:
        yield _decision(decision, unit)
    for counts in found.explorer:
        yield _scores(counts, these)


def curve_table(
    head: tuple[str, ...], lines: Sequence[tuple[str, Sequence[float], Sequence[float]]]
) -> tuple[Table, int]:
    """Points of lines, each with its name, and how many are left out of long ones."""
    rows, left = [], 0
    for name, xs, ys in lines:
        last = len(xs) - 1
        kept = sorted({round(i * last / (_SHOWN - 1)) for i in range(_SHOWN)}) if last > 0 else [0]
        left += len(xs) - len(kept)
        rows += [(name, f"{xs[i]:.3f}", f"{ys[i]:.3f}") for i in kept]
    return Table(head, tuple(rows)), left


def _of_classes(task: TaskReport) -> Iterator[Picture]:
    found = words.by_class(task)
    if found is None or len(found.rows) < 3:  # two classes mirror each other
        return
    groups = [(name, estimates["auc"]) for name, _, estimates in found.rows if "auc" in estimates]
    if not any(estimate.value is not None for _, estimate in groups):
        return
    rows = tuple((name, words.value(e), words.interval(e), f"{e.n:,}") for name, e in groups)
    yield Picture(
        "classes",
        "",
        f"AUC by {found.heading}",
        f"AUC of each {found.heading} against the rest, with its interval.",
        forest(groups, f"{task.task}: AUC by {found.heading}", "AUC"),
        Table((found.heading, "AUC", "interval", "n"), rows),
    )


def _slices(found: SliceReport, task: TaskReport, unit: str) -> Picture:
    number = words.title(found.compared)
    undefined = Estimate.undefined("not made for this part")
    of_all = task.estimates.get(found.compared, undefined)
    groups = [(one.value, one.estimates.get(found.compared, undefined)) for one in found.slices]
    rows = tuple(
        (
            one.value,
            f"{one.films:,}",
            f"{one.patients:,}",
            words.value(e),
            words.interval(e),
            words.value(one.difference),
            words.interval(one.difference),
            words.NO_VALUE if one.adjusted is None else f"{one.adjusted:.3f}",
        )
        for one, (_, e) in zip(found.slices, groups, strict=True)
    )
    head = (found.column, many(unit), "patients", number, "interval")
    return Picture(
        "slices",
        found.column,
        f"{number} by {words.printable(found.column)}",
        f"{number} of each part of the {many(unit)} with its interval, the worst first; the dashed "
        "line is all of them.",
        forest(groups, f"{number} by {found.column}", number, overall=of_all.value),
        Table((*head, "less the others", "interval", "p (Holm)"), rows),
    )


def _reliability(curve: ReliabilityCurve, these: str) -> Picture:
    rows = tuple(
        (
            f"{b.low:.1f}–{b.high:.1f}",
            f"{b.films:,}",
            f"{b.predicted:.3f}",
            words.value(b.observed),
            words.interval(b.observed),
        )
        for b in curve.bins
    )
    return Picture(
        "reliability",
        curve.name,
        "Reliability",
        f"Share of {these} that are {words.printable(curve.name)} among {these} with about the "
        f"same probability of it; on the diagonal they agree. Below, how many {these} there are.",
        probability_plots.reliability_of(curve, f"{curve.name}: reliability", these),
        Table(("probability", these, "mean predicted", "observed", "interval"), rows),
    )


def _decision(curve: DecisionCurve, unit: str) -> Picture:
    rows = tuple(
        (f"{at:.2f}", words.value(e), words.interval(e), f"{everyone:.3f}")
        for at, e, everyone in zip(curve.thresholds, curve.model, curve.everyone, strict=True)
    )
    return Picture(
        "decision",
        curve.name,
        "Decision curve",
        f"Net benefit of acting on the model, on every {unit} and on none, by the probability from "
        "which one would act; the shade is the interval.",
        probability_plots.decision_of(curve, f"{curve.name}: decision curve", unit),
        Table(("threshold", "on the model", "interval", f"on every {unit}"), rows),
    )


def _scores(counts: ThresholdCounts, these: str) -> Picture:
    rows = tuple(
        (f"{r['from']:.2f}–{r['to']:.2f}", f"{r['positives']:,}", f"{r['negatives']:,}")
        for r in probability_plots.score_rows(counts)
    )
    return Picture(
        "scores",
        counts.name,
        "Scores by truth",
        f"{these.capitalize()} by their probability of {words.printable(counts.name)}: up, {these} "
        f"that are; down, {these} that are not.",
        probability_plots.scores_of(counts, f"{counts.name}: scores by truth", these),
        Table(("probability", f"{these} of the class", f"{these} of others"), rows),
    )


def _confusion_table(task: TaskReport) -> Table:
    assert task.confusion is not None
    names, counts = task.confusion.classes, task.confusion.counts
    return Table(
        ("truth", *names),
        tuple((n, *(f"{c:,}" for c in row)) for n, row in zip(names, counts, strict=True)),
    )
