"""The gallery of the worst mistakes: what a script needs to show them a page at a time."""

from __future__ import annotations

import base64
from typing import Any

from xraybatch.reports.html_text import text
from xraybatch.reports.mistakes import Gallery
from xraybatch.reports.words import printable

WITH_FILMS = "This page holds films of patients and their paths. It is not for sharing."
WITH_PATHS = "This page holds the paths of films, which may name patients. It is not for sharing."

_TOGGLE = '<button type="button" class="toggle" aria-pressed="false">heat maps</button>'


def warning(gallery: Gallery) -> str:
    """What stands on top of a page that holds a gallery."""
    pictured = any(film.jpeg for film in gallery.films)
    return WITH_FILMS if pictured else WITH_PATHS


def gallery_data(gallery: Gallery) -> list[list[Any]]:
    """One row a wrong answer: task, path, frame, truth, predicted, both probabilities, film and
    what is wrong with it, heat map and what it rests on."""
    return [
        [
            film.mistake.task,
            printable(film.mistake.path),
            film.mistake.frame,
            film.mistake.truth,
            film.mistake.predicted,
            film.mistake.probability,
            film.mistake.probability_of_truth,
            base64.b64encode(film.jpeg).decode("ascii"),
            f"{film.status}: {film.sentence}" if film.status not in ("", "ok") else "",
            base64.b64encode(film.heat).decode("ascii"),
            film.heat_sentence,
        ]
        for film in gallery.films
    ]


def gallery_html(gallery: Gallery) -> str:
    """The controls, an empty list, and the large view; a script fills them."""
    kept: dict[str, int] = {}
    for film in gallery.films:
        kept[film.mistake.task] = kept.get(film.mistake.task, 0) + 1
    counts = "; ".join(
        f"{name + ': ' if len(gallery.wrong) > 1 else ''}{kept.get(name, 0):,} of {count:,}"
        for name, count in gallery.wrong.items()
    )
    said = " ".join(
        [f"Wrong answers, those first that the model was surest of ({counts}).", *gallery.sentences]
    )
    if not gallery.films:
        return '<p class="said">No film has a wrong answer.</p>'
    shape = "pictures" if gallery.pictured else "list"
    heated = any(film.heat for film in gallery.films)
    toggle = _TOGGLE if heated else ""
    keys = ", H shows heat maps" if heated else ""
    return f"""<p class="said">{text(said)}</p>
<form class="controls" id="gallery-controls">
<label id="gallery-tasks">task <select name="task"></select></label>
<label>truth <select name="truth"></select></label>
<label>predicted <select name="predicted"></select></label>
<label>order <select name="order"><option value="sure">surest first<option value="unsure">least sure
first<option value="truth">by truth<option value="predicted">by prediction<option value="path">by
path</select></label>{toggle}
<output aria-live="polite"></output>
</form>
<ol class="films {shape}" id="gallery-films" aria-label="Wrong answers"></ol>
<nav class="pages" id="gallery-pages" aria-label="Pages of the gallery">
<button type="button" value="-1">previous</button><output></output>
<button type="button" value="1">next</button></nav>
<p class="aside keys">Arrow keys move, Enter opens a film, Escape closes it{keys}.</p>
<dialog id="gallery-view" aria-label="One film"><div class="shown"></div><p class="none"></p>
<dl></dl><form method="dialog"><button type="button" value="-1">previous</button>
<button type="button" value="1">next</button>{toggle}
<button value="close">close</button></form></dialog>"""
