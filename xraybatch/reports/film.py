"""How a film with its heat map looks in any medium: colours, texts, and the picture.

The film stays grey; what matters is yellow to red. What the model did not see is dark.
"""

from __future__ import annotations

import base64
import io
import textwrap
from typing import TYPE_CHECKING, Any

from xraybatch.core.tasks import TaskKind
from xraybatch.reports import plots
from xraybatch.reports.words import printable
from xraybatch.viewing.view import Answer, View

if TYPE_CHECKING:
    import altair as alt
    import numpy as np
    from numpy.typing import NDArray

RESEARCH = "Research use only; not for diagnosis."
NOTHING_FOUND = "none found"
_FOUND, _OTHER = "#0072B2", "#b8c4cc"
_WEAK, _STRONG = (255, 224, 80), (215, 25, 28)
_OPAQUE = 0.65
_UNSEEN = 0.35
_SIDE = 460  # points of the longer side of a film in the picture
_BARS = 240
_MOST = 24  # classes of a task that get a bar: with more, the most probable ones


def with_heat(view: View) -> NDArray[np.uint8]:
    """The film in colour, ``(rows, columns, 3)``, its heat map over it where there is one."""
    import numpy as np

    film = np.repeat(view.pixels[..., None].astype(np.float64), 3, axis=2)
    if view.heat_pixels is not None:
        unseen = np.isnan(view.heat_pixels)
        colour, cover = heat_colours(np.where(unseen, 0, view.heat_pixels).clip(0, 1))
        film = film * (1 - cover[..., None]) + colour * cover[..., None]
        film[unseen] *= _UNSEEN
    return film.round().astype(np.uint8)


def heat_colours(heat: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What lies over a film: colours of 0–255 ``(…, 3)``, and how much they cover, 0 to 1.

    Parameters
    ----------
    heat : ndarray of float32, any shape
        0 to 1.
    """
    import numpy as np

    share = heat.astype(np.float64)[..., None]
    colours: NDArray[np.float64] = np.array(_WEAK) * (1 - share) + np.array(_STRONG) * share
    return colours, _OPAQUE * np.sqrt(share[..., 0])


def answer_rows(answer: Answer) -> list[tuple[str, float, bool]]:
    """Class, probability and whether it is the answer; of many classes the most probable."""
    rows = [
        (name, float(p), name in answer.found)
        for name, p in zip(answer.entry.task.classes, answer.probabilities, strict=True)
    ]
    if len(rows) <= _MOST:
        return rows
    return sorted(rows, key=lambda row: -row[1])[:_MOST]


def answer_words(answer: Answer) -> str:
    """``label: osteoporosis``; for multilabel all findings, or that there is none."""
    found = ", ".join(answer.found) or NOTHING_FOUND
    return f"{answer.entry.task.name}: {printable(found)}"


def notes(view: View) -> list[str]:
    """What is said below the film."""
    heat = [view.heat.sentence] if view.heat else []
    return [*heat, *filter(None, map(_set_words, view.answers)), *view.sentences, RESEARCH]


def _set_words(answer: Answer) -> str:
    """The classes that the film may be of, and whether a person must decide; empty without sets."""
    if answer.may_be is None or answer.entry.conformal is None:
        return ""
    names = printable(", ".join(answer.may_be)) or "no class at all"
    person = "; this film is for a person to decide" if answer.abstains else ""
    coverage = answer.entry.conformal["coverage"]
    return f"Set of '{answer.entry.task.name}' at {100 * coverage:.4g} % coverage: {names}{person}."


def picture(view: View) -> alt.HConcatChart:
    """The film, the film with its heat map where there is one, and the answers as bars."""
    import altair as alt
    import numpy as np

    grey = np.repeat(view.pixels[..., None], 3, axis=2)
    panels = [_film(grey, printable(view.name))]
    if view.heat is not None:
        title = f"sensitive for {printable(view.heat.name)} ({view.heat.method})"
        panels.append(_film(with_heat(view), title))
    bars = alt.vconcat(*(_bars(answer) for answer in view.answers))
    lines = [line for sentence in notes(view) for line in textwrap.wrap(sentence, 130)]
    chart: alt.HConcatChart = plots.styled(
        alt.hconcat(*panels, bars, spacing=24).properties(
            title=alt.TitleParams(
                "; ".join(map(answer_words, view.answers)),
                subtitle=lines,
                anchor="start",
                offset=14,
            )
        )
    )
    return chart


def _film(pixels: NDArray[np.uint8], title: str) -> Any:
    import altair as alt
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    url = "data:image/png;base64," + base64.b64encode(content.getvalue()).decode("ascii")
    scale = _SIDE / max(pixels.shape[:2])
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return (
        alt.Chart(plots.data_of([{"url": url}]), title=title)
        .mark_image(width=width, height=height)
        .encode(url="url:N", x=alt.value(width / 2), y=alt.value(height / 2))
        .properties(width=width, height=height)
    )


def _bars(answer: Answer) -> Any:
    import altair as alt

    task = answer.entry.task
    found = answer_rows(answer)
    names = plots.different([name for name, *_ in found])
    rows = [
        {"class": name, "p": p, "text": f"{p:.3f}", "found": is_found}
        for name, (_, p, is_found) in zip(names, found, strict=True)
    ]
    y = alt.Y("class:N", sort=names, title=None, axis=alt.Axis(labelLimit=160, labelFontSize=12))
    x = alt.X("p:Q", title="probability", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(plots.data_of(rows), title=plots.heading(f"{task.name} ({task.kind})"))
    bar = base.mark_bar().encode(
        x=x,
        y=y,
        color=alt.condition("datum.found", alt.value(_FOUND), alt.value(_OTHER)),
    )
    text = base.mark_text(align="left", dx=4, fontSize=12).encode(x=x, y=y, text="text:N")
    layers = [bar, text]
    if task.kind in (TaskKind.BINARY, TaskKind.MULTILABEL):
        layers.append(_thresholds(answer, names, y))
    return alt.layer(*layers).properties(width=_BARS, height=30 * len(names))


def _thresholds(answer: Answer, names: list[str], y: Any) -> Any:
    import altair as alt

    task = answer.entry.task
    if task.kind is TaskKind.BINARY:
        bars = {task.positive or "": (answer.entry.thresholds or (0.5,))[0]}
    else:
        values = answer.entry.thresholds or (0.5,) * len(task.classes)
        bars = dict(zip(task.classes, values, strict=True))
    shown = [
        {"class": name, "p": bars[own]}
        for name, (own, *_) in zip(names, answer_rows(answer), strict=True)
        if own in bars
    ]
    return (
        alt.Chart(plots.data_of(shown))
        .mark_tick(color="#D55E00", thickness=2, size=24)
        .encode(x="p:Q", y=y)
    )
