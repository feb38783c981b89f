"""The page as a whole: what stands where, and the shell around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xraybatch.evaluation.report import Report, TaskReport
from xraybatch.reports import words
from xraybatch.reports.html_text import text
from xraybatch.reports.mistakes import Gallery
from xraybatch.reports.page import explorer, gallery, summary
from xraybatch.reports.page.blocks import blocks_html
from xraybatch.reports.page.figures import MOVING, figure, specification
from xraybatch.reports.page.inline import chart_library, json_data, policy, resource, script
from xraybatch.reports.pictures import Picture, curves_of, pictures
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
    parts = _parts(report, wrong)
    codes = [chart_library(), resource("charts.js"), resource("gallery.js")]
    if not parts.charts:
        codes = codes[2:]
    if wrong is None or not wrong.films:
        codes = codes[:-1]
    title = f"Score of {report.sources[0].name}" if report.sources else "Score"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy(codes)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{text(title)}</title>",
            f"<style>\n{resource('style.css')}</style>\n</head>\n<body>",
            f"<header><h1>{text(title)}</h1>",
            f"<nav>{''.join(summary.contents(parts.titles))}</nav></header>\n<main>",
            *parts.html,
            "</main>",
            "<noscript><p>Pictures need this page's script; the tables below them do not.</p>"
            "</noscript>",
            *parts.data,
            *map(script, codes),
            "</body>\n</html>\n",
        ]
    )


class _Page:
    """What is collected from top to bottom."""

    def __init__(self) -> None:
        self.html: list[str] = []
        self.titles: list[tuple[str, str]] = []
        self.charts: dict[str, Any] = {}
        self.explorers: dict[str, Any] = {}
        self.data: list[str] = []

    def section(self, anchor: str, title: str, html: Iterator[str]) -> None:
        self.titles.append((anchor, title))
        inner = "\n".join(html)
        self.html.append(f'<section id="{anchor}">\n<h2>{text(title)}</h2>\n{inner}\n</section>')

    def chart(self, name: str, picture: Picture) -> str:
        self.charts[name] = {"kind": picture.kind, "spec": specification(picture)}
        return figure(picture, name)


def _parts(report: Report, wrong: Gallery | None) -> _Page:
    page = _Page()
    found = list(sections(report))
    titles = [words.task_title(task) for task in report.tasks]
    # of a task is all from its own section up to the next one's, or to the end of them
    by_task: dict[str, list[Section]] = {title: [] for title in titles}
    before: list[Section] = []
    joined: list[Section] = []
    after: list[Section] = []
    home = before
    for section in found:
        if section.title in by_task:
            home = by_task[section.title]
        elif section.title == _FILMS:
            joined.append(section)
            continue
        elif section.title == _MADE:
            home = after
        home.append(section)
    top = [f'<div class="top">{"".join(_inner(before))}']
    if wrong is not None and wrong.films:
        top.append(f'<p class="warned">{text(gallery.warning(wrong))}</p>')
    page.html += [*top, summary.result_html(report), "</div>"]
    page.section("films", _FILMS, iter([summary.flow_html(report)]))
    for i, (task, title) in enumerate(zip(report.tasks, titles, strict=True)):
        page.section(f"t{i}", title, _task(page, f"t{i}", task, by_task[title]))
    if wrong is not None:
        page.section("gallery", "Worst mistakes", iter([gallery.gallery_html(wrong)]))
        page.data.append(json_data("gallery-data", gallery.gallery_data(wrong)))
    page.section("join", "Join report", _inner(joined))
    page.section("made", _MADE, _inner(after))
    page.data.append(json_data("charts-data", page.charts))
    page.data.append(json_data("explorers-data", page.explorers))
    return page


def _inner(found: list[Section], task: TaskReport | None = None) -> Iterator[str]:
    """Sections, with a heading where it is not the part's own."""
    own = words.task_title(task) if task else ""
    for section in found:
        if section.title and section.title not in (own, _FILMS, _MADE):
            yield f"<h3>{text(section.title)}</h3>"
        yield from blocks_html(section.blocks, task)


def _task(page: _Page, name: str, task: TaskReport, found: list[Section]) -> Iterator[str]:
    yield f'<div class="headline">{"".join(_inner(found, task))}</div>'
    # the matrix stands among the tables, with its shares
    drawn = [picture for picture in pictures(task) if picture.kind != "confusion"]
    curves = curves_of(task)
    numbered = {id(picture): f"{name}-{i}" for i, picture in enumerate(drawn)}
    ranking = [page.chart(numbered[id(p)], p) for p in drawn if p.kind in _RANKING]
    if curves.explorer:
        panel = explorer.explorer_html(curves.explorer, f"{name}-explorer", task.operating_points)
        ranking.append(panel)
        page.explorers[f"{name}-explorer"] = {
            "classes": explorer.explorer_data(curves.explorer),
            "charts": [
                {"id": numbered[id(p)], "kind": p.kind, "of": p.of}
                for p in drawn
                if p.kind in MOVING
            ],
        }
    if ranking:
        yield f'<h3>Ranking and thresholds</h3><div class="row">{"".join(ranking)}</div>'
    if several := [page.chart(numbered[id(p)], p) for p in drawn if p.kind == "classes"]:
        yield from several
    names = list(dict.fromkeys(p.of for p in drawn if p.kind in _OF_CLASS))
    for of in names:
        title = f"Probabilities of {of}"
        mine = "".join(
            page.chart(numbered[id(p)], p) for p in drawn if p.of == of and p.kind in _OF_CLASS
        )
        if len(names) <= _OPEN:
            yield f'<h3>{text(title)}</h3><div class="row">{mine}</div>'
        else:
            is_open = " open" if of == names[0] else ""
            head = f"<summary><h3>{text(title)}</h3></summary>"
            inner = f'{head}<div class="row">{mine}</div>'
            yield f'<details class="of-class"{is_open}>{inner}</details>'
    if parts := [page.chart(numbered[id(p)], p) for p in drawn if p.kind == "slices"]:
        yield f'<h3>Slices</h3><div class="row wide-figures">{"".join(parts)}</div>'
