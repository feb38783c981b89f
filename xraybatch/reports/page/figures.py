"""Pictures inside a page: charts in the page's own colours, each with its table below it."""

from __future__ import annotations

from typing import Any

from xraybatch.core.counting import counted
from xraybatch.reports import plots
from xraybatch.reports.html_text import text
from xraybatch.reports.page.blocks import plain_table
from xraybatch.reports.pictures import Picture

OPERATING = "operating"  # data that the slider moves
_PAINT = {"color", "fill", "stroke", "range", "value"}  # keys whose text is a colour
_VARIABLES = {
    **{colour.lower(): f"var(--series-{i})" for i, colour in enumerate(plots.COLOURS)},
    plots.FAINT.lower(): "var(--faint)",
}
_LEGEND = {"labelColor": "var(--ink)", "labelFontSize": 12, "labelLimit": 240}
_CONFIG = {
    "background": None,
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--grid)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "titleFontWeight": "normal",
        "labelFlush": False,
        "labelFontSize": 11,
        "titleFontSize": 12,
    },
    "legend": _LEGEND,
    "view": {"stroke": "var(--line)"},
    "title": {"color": "var(--muted)"},
    "text": {"color": "var(--ink)"},
}
# kinds that show the operating point, and the mark that is it
MOVING = {"roc": "point", "precision-recall": "point", "decision": "rule", "scores": "rule"}


def figure(picture: Picture, name: str) -> str:
    """A figure whose chart a script draws into the element `name`."""
    shown = f"Table ({counted(len(picture.table.rows), 'row')})"
    if picture.left_out:
        total = len(picture.table.rows) + picture.left_out
        rest = "; all: --json" if picture.in_json else ""
        shown = f"Table ({len(picture.table.rows):,} of {total:,} corners{rest})"
    about = f"<span>{text(picture.of)}</span>" if picture.of else ""
    return (
        f'<figure class="{picture.kind}"><figcaption><h4>{text(picture.title)}{about}</h4>'
        f"<p>{text(picture.sentence)}</p></figcaption>"
        f'<div class="chart" id="{name}"></div>'
        f"<details><summary>{shown}</summary>{plain_table(picture.table)}</details></figure>"
    )


def specification(picture: Picture) -> dict[str, Any]:
    """The chart as Vega-Lite in the page's colours, with the mark that the slider moves."""
    spec: dict[str, Any] = _themed(picture.chart.to_dict(validate=False, format="vega-lite"))
    _without_titles(spec)
    spec.pop("background", None)  # the page's own, light or dark
    spec.pop("$schema", None)  # an address, though nobody would go there
    config = dict(_CONFIG)
    if picture.kind in ("roc", "precision-recall"):
        longest = max(len(row[0]) for row in picture.table.rows)
        below = {"orient": "bottom", "columns": 3 if longest <= 13 else 2 if longest <= 22 else 1}
        config["legend"] = {**_LEGEND, **below}
    moving = MOVING.get(picture.kind)
    if moving:
        for part in spec.get("vconcat", [spec]):
            if "layer" not in part:  # a bar of a histogram; a rule lies over it
                kept = {k: part.pop(k) for k in ("mark", "encoding", "data") if k in part}
                part["layer"] = [kept]
            part["layer"].append(_operating(picture.kind, moving))
        spec.setdefault("datasets", {})[OPERATING] = []
    return {
        **spec,
        "config": config,
        "description": f"{picture.title}{': ' if picture.of else ''}{picture.of}. "
        f"{picture.sentence}",
    }


def _operating(kind: str, mark: str) -> dict[str, Any]:
    if mark == "point":
        return {
            "data": {"name": OPERATING},
            "mark": {
                "type": "point",
                "size": 130,
                "strokeWidth": 2.5,
                "fill": "var(--bg)",
                "stroke": "var(--ink)",
                "opacity": 1,
            },
            "encoding": {
                "x": {"field": "x", "type": "quantitative"},
                "y": {"field": "y", "type": "quantitative"},
            },
        }
    x = {"decision": "threshold", "scores": "from"}[kind]
    return {
        "data": {"name": OPERATING},
        "mark": {"type": "rule", "stroke": "var(--ink)", "strokeWidth": 1.5},
        "encoding": {"x": {"field": x, "type": "quantitative"}},
    }


def _themed(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        # what was measured is no colour, whatever a class is called
        return {k: v if k in ("data", "datasets") else _themed(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_themed(item, key) for item in value]
    if isinstance(value, str) and key in _PAINT:
        return _VARIABLES.get(value.lower(), value)
    return value


def _without_titles(spec: dict[str, Any]) -> None:
    # the caption says it; the columns of text beside a forest plot keep theirs
    for part in (spec, *spec.get("layer", ()), *spec.get("vconcat", ()), *spec.get("hconcat", ())):
        if isinstance(part.get("title"), str):
            del part["title"]
        if part is not spec:
            for inner in part.get("layer", ()):
                inner.pop("title", None)
