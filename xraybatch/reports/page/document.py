"""The page of a score: what stands where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xraybatch.evaluation.report import Report, TaskReport
from xraybatch.reports import words
from xraybatch.reports.html_text import text
from xraybatch.reports.mistakes import Gallery
from xraybatch.reports.page import explorer, gallery, summary
from xraybatch.reports.page.blocks import blocks_html
from xraybatch.reports.page.figures import MOVING
from xraybatch.reports.page.shell import Page
from xraybatch.reports.pictures import curves_of, pictures
from xraybatch.reports.sections import Section, sections

_RANKING = ("roc", "precision-recall")
_OF_CLASS = ("reliability", "decision", "scores")
_OPEN = 4  # of more classes, the pictures of each are folded
_FILMS, _MADE = "Films", "How it was made"


def to_page(report: Report, wrong: Gallery | None = None) -> str:
    """The whole report as one file that opens from disk and loads nothing.

    Parameters
    ----------
    report : Report
    wrong : Gallery, optional
        Films to show; without it the page holds neither films nor their paths.

    Returns
    -------
    str
        HTML. All text of tables is shown as text; a content policy forbids every connection, and
        every script but the page's own.
    """
    title = f"Score of {report.sources[0].name}" if report.sources else "Score"
    return _page(report, wrong).render(title)


def _page(report: Report, wrong: Gallery | None) -> Page:
    page = Page()
    found = _sorted(report)
    top = [*_inner(found[""])]
    if wrong is not None and wrong.films:
        top.append(f'<p class="warned">{text(gallery.warning(wrong))}</p>')
    page.top([*top, summary.result_html(report)])
    page.section("films", _FILMS, iter([summary.flow_html(report)]))
    for i, task in enumerate(report.tasks):
        title = words.task_title(task)
        inner = _task(page, f"t{i}", task, found[title], report.settings.unit)
        page.section(f"t{i}", title, inner)
    if wrong is not None:
        page.section("gallery", "Worst mistakes", iter([gallery.gallery_html(wrong)]))
        if wrong.films:
            page.add_script("gallery.js", "gallery-data", gallery.gallery_data(wrong))
    page.section("join", "Join report", _inner(found[_FILMS]))
    page.section("made", _MADE, _inner(found[_MADE]))
    return page


def _sorted(report: Report) -> dict[str, list[Section]]:
    """The report's sections by the part of the page that they stand in; at the top: ``""``."""
    parts: dict[str, list[Section]] = {"": [], _FILMS: [], _MADE: []}
    parts |= {words.task_title(task): [] for task in report.tasks}
    home = ""
    for section in sections(report):
        if section.title == _FILMS:
            parts[_FILMS].append(section)
            continue
        # a section with a title of its own belongs to the task, or the end, that it follows
        home = section.title if section.title in parts else home
        parts[home].append(section)
    return parts


def _inner(found: list[Section], task: TaskReport | None = None) -> Iterator[str]:
    """Sections, with a heading where it is not the part's own."""
    own = words.task_title(task) if task else ""
    for section in found:
        if section.title and section.title not in (own, _FILMS, _MADE):
            yield f"<h3>{text(section.title)}</h3>"
        yield from blocks_html(section.blocks, task)


def _task(
    page: Page, name: str, task: TaskReport, found: list[Section], unit: str
) -> Iterator[str]:
    first, *others = found
    # the result stands on top of the page
    first = replace(first, blocks=first.blocks[1:])
    yield f'<div class="headline">{"".join(_inner([first, *others], task))}</div>'
    # the matrix stands among the tables, with its shares
    shown = (picture for picture in pictures(task, unit) if picture.kind != "confusion")
    drawn = {f"{name}-{i}": picture for i, picture in enumerate(shown)}

    def figures(*kinds: str, of: str | None = None) -> str:
        wanted = ((i, p) for i, p in drawn.items() if p.kind in kinds and of in (None, p.of))
        return "".join(page.chart(i, picture) for i, picture in wanted)

    ranking = figures(*_RANKING)
    if counts := curves_of(task).explorer:
        ranking += explorer.explorer_html(counts, f"{name}-explorer", task.operating_points)
        page.explorers[f"{name}-explorer"] = {
            "classes": explorer.explorer_data(counts),
            "charts": [
                {"id": i, "kind": p.kind, "of": p.of} for i, p in drawn.items() if p.kind in MOVING
            ],
        }
    if ranking:
        yield f'<h3>Ranking and thresholds</h3><div class="row">{ranking}</div>'
    yield figures("classes")
    names = list(dict.fromkeys(p.of for p in drawn.values() if p.kind in _OF_CLASS))
    for of in names:
        title = f"<h3>{text(f'Probabilities of {of}')}</h3>"
        row = f'<div class="row">{figures(*_OF_CLASS, of=of)}</div>'
        if len(names) <= _OPEN:
            yield title + row
        else:
            is_open = " open" if of == names[0] else ""
            yield f'<details class="of-class"{is_open}><summary>{title}</summary>{row}</details>'
    if parts := figures("slices"):
        yield f'<h3>Slices</h3><div class="row wide-figures">{parts}</div>'
