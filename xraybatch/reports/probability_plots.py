"""Pictures of probabilities, one class each: reliability, decision curve, scores by truth.

What the axis below them is, is always the probability of the class, from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from xraybatch.evaluation.curves import DecisionCurve, ReliabilityCurve, ThresholdCounts
from xraybatch.evaluation.estimate import Estimate
from xraybatch.reports.plots import COLOURS, FAINT, SQUARE, data_of, heading, styled

if TYPE_CHECKING:
    import altair as alt

NO_FILM, MODEL = "act on none", "act on the model"
_BINS = 25
_LOW, _MIDDLE, _TALL = 60, 264, 330  # heights, so that the three stand well side by side


def reliability_of(
    curve: ReliabilityCurve, title: str = "Reliability", these: str = "films"
) -> alt.VConcatChart:
    """Observed against predicted share with intervals, and below how many films each rests on."""
    import altair as alt

    rows = [
        {
            "predicted": b.predicted,
            "observed": b.observed.value,
            "low": b.observed.low,
            "high": b.observed.high,
            "from": b.low,
            "to": b.high,
            "films": b.films,
        }
        for b in curve.bins
    ]
    x = _probability("predicted:Q", "mean predicted probability")
    y = alt.Y("observed:Q", title="observed share", scale=_share(), axis=_fifths())
    diagonal = (
        alt.Chart(data_of([{"x": 0, "y": 0}, {"x": 1, "y": 1}]), title=heading(title))
        .mark_line(color=FAINT, strokeDash=[3, 3], strokeWidth=1)
        .encode(x="x:Q", y="y:Q")
    )
    base = alt.Chart(data_of(rows))
    whiskers = base.mark_rule(color=COLOURS[0], strokeWidth=1.5, opacity=0.6).encode(
        x=x, y=alt.Y("low:Q", scale=_share()), y2="high:Q"
    )
    line = base.mark_line(color=COLOURS[0], strokeWidth=1.5).encode(x=x, y=y)
    points = base.mark_point(color=COLOURS[0], filled=True, size=46, opacity=1).encode(
        x=x,
        y=y,
        tooltip=[_said("predicted"), _said("observed"), alt.Tooltip("films:Q", title=these)],
    )
    bars = (
        base.mark_bar(color=COLOURS[0], opacity=0.45, binSpacing=1)
        .encode(
            x=alt.X("from:Q", bin="binned", title="probability", scale=_share(), axis=_fifths()),
            x2="to:Q",
            y=alt.Y("films:Q", title=these, axis=_few(rows, "films")),
            tooltip=[alt.Tooltip("films:Q", title=these)],
        )
        .properties(width=SQUARE, height=_LOW)
    )
    above = alt.layer(diagonal, whiskers, line, points).properties(width=SQUARE, height=_MIDDLE)
    chart: alt.VConcatChart = styled(alt.vconcat(above, bars, spacing=12))
    return chart


def decision_of(
    curve: DecisionCurve, title: str = "Decision curve", unit: str = "film"
) -> alt.LayerChart:
    """Net benefit of acting on the model (with its interval), on every film, and on none."""
    import altair as alt

    names = [MODEL, f"act on every {unit}", NO_FILM]
    rows = []
    for at, of_model, of_all in zip(curve.thresholds, curve.model, curve.everyone, strict=True):
        values = (of_model.value, of_all, 0.0)
        rows += [
            {"act": name, "threshold": at, "benefit": value}
            for name, value in zip(names, values, strict=True)
            if value is not None
        ]
    band = [
        {"threshold": at, "low": e.low, "high": e.high}
        for at, e in zip(curve.thresholds, curve.model, strict=True)
        if e.low is not None
    ]
    low, high = _benefits(curve.model, curve.everyone)
    # acting on every film falls without end: what lies far below 0 is cut off
    y = alt.Y("benefit:Q", title="net benefit", scale=alt.Scale(domain=[low, high], nice=False))
    x = _probability("threshold:Q", "threshold probability")
    shade = (
        alt.Chart(data_of(band), title=heading(title))
        .mark_area(color=COLOURS[0], opacity=0.18, clip=True)
        .encode(x=x, y=alt.Y("low:Q", scale=alt.Scale(domain=[low, high])), y2="high:Q")
    )
    colours = alt.Scale(domain=names, range=[COLOURS[0], COLOURS[1], FAINT])
    kinds = alt.Scale(domain=names, range=[[1, 0], [6, 3], [2, 2]])
    legend = alt.Legend(symbolType="stroke", symbolSize=300, orient="top-right", offset=4)
    lines = (
        alt.Chart(data_of(rows))
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=x,
            y=y,
            color=alt.Color("act:N", title=None, scale=colours, sort=names, legend=legend),
            strokeDash=alt.StrokeDash("act:N", title=None, scale=kinds, sort=names),
        )
    )
    chart: alt.LayerChart = styled(alt.layer(shade, lines).properties(width=SQUARE, height=_TALL))
    return chart


def scores_of(
    counts: ThresholdCounts, title: str = "Scores by truth", these: str = "films"
) -> alt.VConcatChart:
    """How the probability of a class is spread, over films of the class and over the others."""
    import altair as alt

    rows = score_rows(counts)
    panels = []
    for name, colour, side in (
        ("of the class", COLOURS[0], "positives"),
        ("of others", COLOURS[1], "negatives"),
    ):
        last = side == "negatives"
        panels.append(
            alt.Chart(data_of(rows), title=alt.Undefined if last else heading(title))
            .mark_bar(color=colour, opacity=0.75, binSpacing=1)
            .encode(
                x=alt.X(
                    "from:Q",
                    bin="binned",
                    title="probability of the class" if last else None,
                    scale=_share(),
                    axis=alt.Axis(tickCount=5, labels=last, ticks=last),
                ),
                x2="to:Q",
                y=alt.Y(
                    f"{side}:Q",
                    title=[these, name],
                    axis=_few(rows, side),
                    scale=alt.Scale(reverse=last),
                ),
                tooltip=[_said("from"), _said("to"), alt.Tooltip(f"{side}:Q", title=these)],
            )
            .properties(width=SQUARE, height=_TALL // 2 - 1)
        )
    chart: alt.VConcatChart = styled(alt.vconcat(*panels, spacing=2))
    return chart


def score_rows(counts: ThresholdCounts) -> list[dict[str, float]]:
    """Films by probability in bins of equal width: those reached below, less those above.

    Returns
    -------
    list of dict
        ``from``, ``to``, ``positives`` and ``negatives`` (films of the class, and of others).
    """
    last = len(counts.thresholds) - 1
    edges = sorted({round(i * last / _BINS) for i in range(_BINS + 1)})
    rows = []
    for begin, end in pairwise(edges):
        above = 0 if end == last else 1  # the last bin holds 1 too
        rows.append(
            {
                "from": counts.thresholds[begin],
                "to": counts.thresholds[end],
                "positives": counts.true_positives[begin] - above * counts.true_positives[end],
                "negatives": counts.false_positives[begin] - above * counts.false_positives[end],
            }
        )
    return rows


def _benefits(model: Sequence[Estimate], everyone: Sequence[float]) -> tuple[float, float]:
    values = [e.value for e in model if e.value is not None]
    tops = [e.high for e in model if e.high is not None]
    top = max([0.01, *values, *tops, *everyone])
    return max(-0.3 * top, min([-0.05 * top, *values])), 1.05 * top


def _probability(field: str, title: str) -> alt.X:
    import altair as alt

    return alt.X(field, title=title, scale=_share(), axis=_fifths())


def _share() -> Any:
    import altair as alt

    return alt.Scale(domain=[0, 1], nice=False)


def _fifths() -> Any:
    import altair as alt

    return alt.Axis(tickCount=5)


def _few(rows: Sequence[dict[str, Any]], field: str) -> Any:
    import altair as alt

    # counts have no halves
    most = max([row[field] for row in rows], default=0)
    return alt.Axis(tickCount=min(3, max(1, int(most))), tickMinStep=1, format="d")


def _said(field: str) -> Any:
    import altair as alt

    return alt.Tooltip(f"{field}:Q", format=".3f")
