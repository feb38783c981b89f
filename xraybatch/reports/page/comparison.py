"""The page of a comparison: what stands where; and that of the settings that one run tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xraybatch.evaluation.comparison import Comparison
from xraybatch.evaluation.tries import Tries
from xraybatch.reports import words
from xraybatch.reports.comparison import (
    closing,
    cost_sections,
    films_section,
    methods_section,
    numbers_section,
)
from xraybatch.reports.comparison_pictures import curve_pictures, difference_pictures
from xraybatch.reports.html_text import text
from xraybatch.reports.page.blocks import blocks_html
from xraybatch.reports.page.shell import Page
from xraybatch.reports.pairs import pair_sections
from xraybatch.reports.pictures import Picture
from xraybatch.reports.sections import Bullets, Section, Warned
from xraybatch.reports.tries import tries_sections

_OPEN = 4  # of more classes or models, the pictures of each are folded
_WIDE = "compared"  # columns are called like models, which may have long names


def to_comparison_page(found: Comparison | Tries) -> str:
    """A comparison of models, or of the settings of one, as a page like that of a score.

    Returns
    -------
    str
        HTML that opens from disk and loads nothing. All names are shown as text.
    """
    if isinstance(found, Tries):
        return _tries(found).render(f"Settings tried in {found.run}")
    names = ", ".join(model.name for model in found.models)
    return _comparison(found).render(f"Comparison of {names}")


def _comparison(found: Comparison) -> Page:
    page = Page()
    warned = tuple(Warned(sentence) for sentence in found.sentences)
    several = len(found.tasks) > 1
    verdicts = (
        f'<p class="result">{text(f"{task.task}: " if several else "")}{text(verdict)}</p>'
        for task in found.tasks
        for verdict in task.verdicts
    )
    page.top([*blocks_html(warned), *verdicts])
    for t, task in enumerate(found.models[0].tasks):
        page.section(f"t{t}", words.task_title(task), _task(page, found, t), _WIDE)
    for section in cost_sections(found):
        page.section("costs", section.title, blocks_html(section.blocks), _WIDE)
    films = films_section(found)
    page.section("join", films.title, blocks_html(films.blocks))
    made = (Section("", (Bullets(tuple(closing(found))),)), methods_section(found))
    page.section("made", "How it was made", _sections(made))
    return page


def _task(page: Page, found: Comparison, t: int) -> Iterator[str]:
    if found.tasks[t].sentences:
        yield from blocks_html((Bullets(found.tasks[t].sentences),))
    drawn = list(difference_pictures(found, t))
    differences = "".join(_figures(page, f"t{t}-difference", drawn, "wide-figures"))
    numbers = "".join(_sections([numbers_section(found, t)]))
    if len(drawn) == 1:
        yield f'<div class="abreast"><div>{numbers}</div><div>{differences}</div></div>'
    else:
        yield numbers + differences
    if curves := list(curve_pictures(found, t)):
        yield "<h3>Curves</h3>"
        yield from _figures(page, f"t{t}-curve", curves, "")
    yield from _sections(pair_sections(found, found.tasks[t]))


def _figures(page: Page, name: str, drawn: list[Picture], kind: str) -> Iterator[str]:
    """Pictures side by side; of many classes or models all but the first are folded."""
    html = {picture.of: "" for picture in drawn}
    for i, picture in enumerate(drawn):
        html[picture.of] += page.chart(f"{name}-{i}", picture)
    if of_all := html.pop("", ""):
        yield f'<div class="row {kind}">{of_all}</div>'
    if len(html) <= _OPEN:
        yield f'<div class="row {kind}">{"".join(html.values())}</div>'
        return
    for of, figures in html.items():
        row = f'<div class="row {kind}">{figures}</div>'
        is_open = " open" if of == next(iter(html)) else ""
        title = f"<summary><h3>{text(of)}</h3></summary>"
        yield f'<details class="of-class"{is_open}>{title}{row}</details>'


def _sections(sections: Iterable[Section]) -> Iterator[str]:
    for section in sections:
        if section.title:
            yield f"<h3>{text(section.title)}</h3>"
        yield from blocks_html(section.blocks)


def _tries(found: Tries) -> Page:
    page = Page()
    for i, section in enumerate(tries_sections(found)):
        page.section(f"g{i}", section.title, blocks_html(section.blocks), _WIDE)
    return page
