"""Pictures, all made with Altair: training curves, confusion matrix, ROC and precision-recall.

Every function returns a chart, which a notebook shows as it is; `save_png` writes it without a
browser. Colours keep apart for the colour-blind (Okabe and Ito), and dashes or numbers say the
same without colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from xraybatch.core.counting import many
from xraybatch.core.files import atomic_path
from xraybatch.evaluation.curves import PrecisionRecallCurve, RocCurve
from xraybatch.evaluation.report import TaskReport
from xraybatch.evaluation.roc import roc_curves
from xraybatch.evaluation.studies import FILM
from xraybatch.reports.words import percent, printable

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    from numpy.typing import NDArray

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
FAINT = "#999999"
_DASHES = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3], [10, 4]]
_VALIDATION = "val_"
FEW = 4  # of more classes, lines for the prevalence of each would hide the curves
SQUARE = 340


def curves(history: pd.DataFrame) -> alt.HConcatChart:
    """Training curves: one panel a quantity, training and validation in it.

    Parameters
    ----------
    history : pandas.DataFrame
        One row an epoch, with numbers or their text; ``epoch`` (else counted from 1), and for each
        quantity its column, such as ``loss``, and ``val_loss`` where there is one. Columns that
        hold no numbers are left out.

    Raises
    ------
    ValueError
        If no column holds numbers.
    """
    import altair as alt
    import pandas as pd

    numbers = history.apply(pd.to_numeric, errors="coerce")
    epochs = numbers.pop("epoch") if "epoch" in numbers else pd.Series(range(1, len(numbers) + 1))
    names = [str(n) for n in numbers.columns if numbers[n].notna().any()]
    if not names:
        raise ValueError("the history has no numbers to draw")
    quantities = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in names))
    panels = []
    for quantity in quantities:
        rows = [
            {"epoch": float(epoch), "part": part, "value": float(value)}
            for part, name in (("training", quantity), ("validation", _VALIDATION + quantity))
            if name in names
            for epoch, value in zip(epochs, numbers[name], strict=True)
            if math.isfinite(value)
        ]
        panels.append(
            alt.Chart(data_of(rows), title=heading(quantity), width=300, height=200)
            .mark_line(point=alt.OverlayMarkDef(size=18))
            .encode(
                x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d")),
                y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
                color=series("part:N", ["training", "validation"]),
                strokeDash=dashes("part:N", ["training", "validation"]),
            )
        )
    chart: alt.HConcatChart = styled(alt.hconcat(*panels))
    return chart


def confusion(task: TaskReport, unit: str = FILM) -> alt.LayerChart:
    """Confusion matrix of a single-label task: shares of each row as shade, counts as text.

    Raises
    ------
    ValueError
        If the task is multilabel and so has no matrix of its own; its findings have.
    """
    import altair as alt

    if task.confusion is None:
        raise ValueError(f"task '{task.task}' is {task.kind} and has no confusion matrix")
    names = different(task.confusion.classes)
    cells = []
    for truth, row in zip(names, task.confusion.counts, strict=True):
        films = sum(row)
        for guess, count in zip(names, row, strict=True):
            share = count / films if films else 0.0
            text = f"{count:,} ({percent(count, films)})"
            cells.append({"truth": truth, "guess": guess, "share": share, "text": text})
    side = max(SQUARE, 62 * len(names))
    base = alt.Chart(
        data_of(cells), title=f"{heading(task.task)}: {many(unit)}", width=side, height=side
    )
    axis = alt.Axis(labelAngle=0 if len(names) <= 6 else -40, labelLimit=140)
    placed = base.encode(
        x=alt.X("guess:N", sort=names, title="predicted", axis=axis),
        y=alt.Y("truth:N", sort=names, title="truth", axis=alt.Axis(labelLimit=140)),
    )
    shade = placed.mark_rect(stroke="white").encode(
        color=alt.Color(
            "share:Q",
            title="share of row",
            scale=alt.Scale(domain=[0, 1], range=["#f7fbff", "#08519c"]),
            legend=alt.Legend(format=".0%"),
        )
    )
    text = placed.mark_text(fontSize=12).encode(
        text="text:N",
        color=alt.condition("datum.share > 0.55", alt.value("white"), alt.value("black")),
    )
    chart: alt.LayerChart = styled(shade + text)
    return chart


def roc(y_true: NDArray[Any], y_prob: NDArray[Any], classes: Sequence[str]) -> alt.LayerChart:
    """ROC curves from arrays, each class against the rest.

    Parameters
    ----------
    y_true : ndarray of int, shape (n,)
    y_prob : ndarray of float, shape (n, K)
    classes : sequence of str
        K names.
    """
    return roc_of(roc_curves(y_true, y_prob, classes))


def roc_of(found: Sequence[RocCurve], title: str = "ROC curve") -> alt.LayerChart:
    """ROC curves of a report: ``roc_of(task.curves, task.task)``."""
    import altair as alt

    lines = [(c.name, c.false_positive_rate, c.true_positive_rate) for c in found]
    said = title if found else f"{title}: no class has films on both sides"
    x, y = _shares("1 – specificity", "sensitivity")
    chance = (
        alt.Chart(data_of([{"x": 0, "y": 0}, {"x": 1, "y": 1}]), title=heading(said))
        .properties(width=SQUARE, height=SQUARE)
        .mark_line(color=FAINT, strokeDash=[3, 3], strokeWidth=1)
        .encode(x=x, y=y)
    )
    return _with_lines(chance, lines, "linear", x, y)


def precision_recall_of(
    found: Sequence[PrecisionRecallCurve], title: str = "Precision and recall"
) -> alt.LayerChart:
    """Precision-recall curves of a report, as steps; of `FEW` classes with their prevalence."""
    import altair as alt

    # the step that belongs to the highest score begins at recall 0
    lines = [(c.name, (0.0, *c.recall), (*c.precision[:1], *c.precision)) for c in found]
    names = different([curve.name for curve in found])
    x, y = _shares("recall (sensitivity)", "precision (PPV)")
    chance = alt.Chart(
        data_of(
            [{"class": n, "y": c.prevalence} for n, c in zip(names, found, strict=True)]
            or [{"class": "", "y": 0}]
        ),
        title=heading(title if found else f"{title}: no class has films"),
    ).properties(width=SQUARE, height=SQUARE)
    prevalence = chance.mark_rule(strokeDash=[3, 3], opacity=0.7 if 0 < len(found) <= FEW else 0)
    prevalence = prevalence.encode(y=y, **({"color": series("class:N", names)} if found else {}))
    return _with_lines(prevalence, lines, "step-before", x, y)


def _shares(x_title: str, y_title: str) -> tuple[alt.X, alt.Y]:
    import altair as alt

    shares = alt.Scale(domain=[0, 1])
    axis = alt.Axis(tickCount=5)
    return (
        alt.X("x:Q", title=x_title, scale=shares, axis=axis),
        alt.Y("y:Q", title=y_title, scale=shares, axis=axis),
    )


def _with_lines(
    chance: alt.Chart,
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    interpolate: Literal["linear", "step-before"],
    x: alt.X,
    y: alt.Y,
) -> alt.LayerChart:
    import altair as alt

    if not lines:  # a colour scale of no names has no picture
        nothing: alt.LayerChart = styled(alt.layer(chance))
        return nothing
    names = different([name for name, *_ in lines])
    points = [
        {"class": name, "x": across, "y": up, "order": i}
        for name, (_, xs, ys) in zip(names, lines, strict=True)
        for i, (across, up) in enumerate(zip(xs, ys, strict=True))
    ]
    drawn = (
        alt.Chart(data_of(points))
        .mark_line(strokeWidth=2, interpolate=interpolate)
        .encode(
            x=x,
            y=y,
            order="order:Q",
            color=series("class:N", names),
            strokeDash=dashes("class:N", names),
        )
    )
    chart: alt.LayerChart = styled(chance + drawn)
    return chart


def save_png(chart: Any, path: Path, scale: float = 2.0) -> None:
    """Write a chart as PNG, whole or not at all; no browser and no network."""
    content = to_png(chart, scale)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def to_png(chart: Any, scale: float = 2.0) -> bytes:
    """A chart as the content of a PNG file."""
    import vl_convert

    content: bytes = vl_convert.vegalite_to_png(chart.to_dict(format="vega-lite"), scale=scale)
    return content


def to_svg(chart: Any) -> str:
    """A chart as SVG."""
    import vl_convert

    content: str = vl_convert.vegalite_to_svg(chart.to_dict(format="vega-lite"))
    return content


def data_of(values: list[dict[str, Any]]) -> Any:
    """Rows as data of a chart."""
    import altair as alt

    # handed over as they are: Altair refuses more than 5000 rows of a data frame
    return alt.Data(values=values)  # type: ignore[no-untyped-call]


def series(field: str, names: Sequence[str]) -> Any:
    """Colour by name, in one order everywhere."""
    import altair as alt

    colours = [COLOURS[i % len(COLOURS)] for i in range(len(names))]
    return alt.Color(
        field,
        title=None,
        scale=alt.Scale(domain=names, range=colours),
        sort=names,
        legend=alt.Legend(symbolType="stroke", symbolSize=300, symbolOpacity=1),
    )


def dashes(field: str, names: Sequence[str]) -> Any:
    """Dashes by name, beside the colour and never the same where that repeats."""
    import altair as alt

    # another step than the colours' where names repeat them, so that no two lines are alike
    kinds = [_DASHES[(i + i // len(COLOURS)) % len(_DASHES)] for i in range(len(names))]
    return alt.StrokeDash(field, title=None, scale=alt.Scale(domain=names, range=kinds), sort=names)


def styled(chart: Any) -> Any:
    """A whole chart in the style of all of them."""
    return (
        chart.configure_axis(gridColor="#eeeeee", titleFontWeight="normal", labelFlush=False)
        .configure_view(stroke="#cccccc")
        .configure_title(anchor="start", fontSize=14)
        .properties(background="white")
    )


def heading(text: str) -> str:
    """A name as a title: printable, and without underscores."""
    return printable(text).replace("_", " ")


def different(names: Sequence[str]) -> list[str]:
    """Names that look alike once printable must not become one line or one row."""
    shown = [printable(name) for name in names]
    return [n if shown.count(n) == 1 else f"{n} ({i})" for i, n in enumerate(shown, start=1)]
