"""Pictures of a comparison: how far models lie apart, and their curves one over the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from xraybatch.evaluation.comparison import Comparison
from xraybatch.evaluation.curves import PrecisionRecallCurve, RocCurve
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.verdict import spoken
from xraybatch.reports import plots, words
from xraybatch.reports.families import FAMILIES
from xraybatch.reports.forest_plot import Beside, forest
from xraybatch.reports.pairs import columns, difference_rows, level, numbers, p_of
from xraybatch.reports.pictures import Picture, curve_table, curves_of
from xraybatch.reports.sections import Table

# on scales of their own, which would squeeze all shares into a line
_OTHER_SCALES = {
    "lr_positive", "lr_negative", "log_loss", "observed_expected", "calibration_slope",
    "calibration_intercept", "brier_multiclass", "mean_grade_error",
}  # fmt: skip
_KNOWN = {name for names in FAMILIES.values() for name in names}
_P_WIDTH, _DIFFERENCE_WIDTH = 44, 138


def difference_pictures(found: Comparison, t: int) -> Iterator[Picture]:
    """Differences of a task as forest plots: of every pair by the primary number, and of each
    further model to the first by every number that is a share."""
    task, names = found.tasks[t], [model.name for model in found.models]
    number = spoken(task.primary)
    if len(task.pairs) > 1:
        rows = [
            (f"{names[p.other]} minus {names[p.first]}", p.differences[task.primary])
            for p in task.pairs
        ]
        said = f"Every pair of models by {number}, with the {level(found)} and p (Holm)."
        yield _forest(found, rows, f"Every pair by {number}", "pairs", "", said)
    shown = {name: words.title(name) for name in numbers(found, task, terminal=False)}
    drawn = {shown[n] for n in shown if n in _KNOWN and n not in _OTHER_SCALES}
    listed = [(title, its) for title, its in difference_rows(found, task, terminal=False)]
    lower = "; of the Brier score lower is better" if "Brier score" in drawn else ""
    for i, model in enumerate(found.models[1:]):
        rows = [(title, its[i]) for title, its in listed if title in drawn]
        rows = [(title, one) for title, one in rows if one.estimate.value is not None]
        if rows:
            said = (
                f"Each number of {model.name} minus that of {names[0]}, with the {level(found)} "
                f"and p. On the dashed line they are alike{lower}."
            )
            title = words.printable(f"{model.name} minus {names[0]}")
            yield _forest(found, rows, title, "differences", model.name, said)


def curve_pictures(found: Comparison, t: int) -> Iterator[Picture]:
    """ROC and precision-recall curves of a task, a picture a class, a line a model."""
    curves = [(model.name, curves_of(model.tasks[t])) for model in found.models]
    classes = dict.fromkeys(one.name for _, its in curves for one in its.roc)
    of_several = len(classes) > 1
    for name in classes:
        roc = [replace(c, name=m) for m, its in curves for c in its.roc if c.name == name]
        steps = [
            replace(c, name=m) for m, its in curves for c in its.precision_recall if c.name == name
        ]
        yield _roc(roc, name if of_several else "")
        if steps:
            yield _precision_recall(steps, name if of_several else "")


def _forest(
    found: Comparison,
    rows: Sequence[tuple[str, Difference]],
    title: str,
    kind: str,
    of: str,
    sentence: str,
) -> Picture:
    cells = [(name, *columns(one)) for name, one in rows]
    beside = (
        Beside("difference (interval)", _DIFFERENCE_WIDTH, [f"{d} ({i})" for _, d, i, _ in cells]),
        Beside("p", _P_WIDTH, [p_of(one) for _, one in rows]),
    )
    chart = forest(
        [(name, one.estimate) for name, one in rows],
        title,
        "difference",
        overall=0.0,
        beside=beside,
    )
    table = Table(("", "difference", level(found), "p"), tuple(cells))
    return Picture(kind, of, title, words.printable(sentence), chart, table)


def _roc(curves: Sequence[RocCurve], of: str) -> Picture:
    lines = [(c.name, c.false_positive_rate, c.true_positive_rate) for c in curves]
    table, left = curve_table(("model", "1 – specificity", "sensitivity"), lines)
    said = "Sensitivity against 1 – specificity of every threshold, a line a model."
    chart = plots.roc_of(curves, f"{of}{': ' if of else ''}ROC curves")
    return Picture("roc", of, "ROC curves", said, chart, table, left, in_json=False)


def _precision_recall(curves: Sequence[PrecisionRecallCurve], of: str) -> Picture:
    lines = [(c.name, c.recall, c.precision) for c in curves]
    table, left = curve_table(("model", "recall", "precision"), lines)
    said = "Precision against recall of every threshold, a line a model."
    if len(curves) <= plots.FEW:
        said += " The dashed line is the prevalence, which is the precision of calling every film "
        said += "positive."
    chart = plots.precision_recall_of(curves, f"{of}{': ' if of else ''}precision and recall")
    title = "Precision and recall"
    return Picture("precision-recall", of, title, said, chart, table, left, in_json=False)
