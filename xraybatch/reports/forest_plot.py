"""One number of several groups below each other, with intervals: classes, slices, sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xraybatch.evaluation.estimate import Estimate
from xraybatch.reports.plots import COLOURS, FAINT, SQUARE, data_of, different, heading, styled
from xraybatch.reports.words import interval, value

if TYPE_CHECKING:
    import altair as alt

_ROW = 22


@dataclass(frozen=True)
class Beside:
    """A column of text beside a forest plot: its head, its width in points, a text a row."""

    head: str
    width: int
    texts: Sequence[str]


def forest(
    groups: Sequence[tuple[str, Estimate]],
    title: str,
    axis: str,
    *,
    overall: float | None = None,
    domain: tuple[float, float] | None = None,
    beside: Sequence[Beside] | None = None,
) -> alt.HConcatChart:
    """A forest plot, first group on top.

    Parameters
    ----------
    groups : sequence of tuple of str and Estimate
        What is undefined keeps its row, without a point.
    title : str
    axis : str
        What the number is called.
    overall : float, optional
        The number of all films, or what stands for no difference: a line through all rows.
    domain : tuple of float, optional
        Ends of the axis; what the numbers need if None.
    beside : sequence of Beside, optional
        Columns of text; None: value with interval, and films.
    """
    import altair as alt

    names = different([name for name, _ in groups])
    columns = _usual(groups) if beside is None else beside
    rows = [
        {
            "group": name,
            "value": e.value,
            "low": e.low,
            "high": e.high,
            **{f"text{i}": column.texts[row] for i, column in enumerate(columns)},
        }
        for row, (name, (_, e)) in enumerate(zip(names, groups, strict=True))
    ]
    height = _ROW * max(1, len(rows))
    y = alt.Y("group:N", sort=names, title=None, axis=alt.Axis(labelLimit=180, ticks=False))
    scale = alt.Scale(domain=list(domain), nice=False) if domain else alt.Scale(zero=False)
    x = alt.X("value:Q", title=heading(axis), scale=scale, axis=alt.Axis(tickCount=4))
    base = alt.Chart(data_of(rows), title=heading(title))
    layers = [
        base.mark_rule(color=COLOURS[0], strokeWidth=1.5).encode(
            x=alt.X("low:Q", scale=scale), x2="high:Q", y=y
        ),
        base.mark_point(color=COLOURS[0], filled=True, shape="square", size=52, opacity=1).encode(
            x=x, y=y
        ),
    ]
    if overall is not None:
        line = alt.Chart(data_of([{"value": overall}]))
        layers.insert(0, line.mark_rule(color=FAINT, strokeDash=[3, 3]).encode(x="value:Q"))
    drawn = alt.layer(*layers).properties(width=round(0.75 * SQUARE), height=height)
    texts = [
        alt.Chart(data_of(rows), title=alt.TitleParams(one.head, fontSize=11, fontWeight="normal"))
        .mark_text(align="left", x=0)
        .encode(y=alt.Y("group:N", sort=names, axis=None), text=f"text{i}:N")
        .properties(width=one.width, height=height, view=alt.ViewConfig(stroke=None))
        for i, one in enumerate(columns)
    ]
    chart: alt.HConcatChart = styled(alt.hconcat(drawn, *texts, spacing=8))
    return chart


def _usual(groups: Sequence[tuple[str, Estimate]]) -> tuple[Beside, Beside]:
    said = [f"{value(e)} ({interval(e)})" if e.low is not None else value(e) for _, e in groups]
    films = [f"{e.n:,}" for _, e in groups]
    return Beside("value (interval)", 120, said), Beside("n", 44, films)
