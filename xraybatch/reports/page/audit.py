"""The page of an audit: the sections, and the offending films side by side. It needs no script."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xraybatch.auditing.copies import CopyGroup
from xraybatch.auditing.run import Audited
from xraybatch.core.counting import counted, verb
from xraybatch.reports.audit import alike_words, audit_sections
from xraybatch.reports.html_text import text
from xraybatch.reports.page.blocks import blocks_html
from xraybatch.reports.page.gallery import WITH_FILMS, WITH_PATHS
from xraybatch.reports.page.shell import Page

_QUALITY = 80
_SIDE = 256  # pixels of a film's longer side
_OF_GROUP = 6  # films of one group that are shown


def audit_page(audited: Audited, thumbnails: int) -> str:
    """The whole audit as one file that opens from disk, loads nothing and runs nothing.

    Parameters
    ----------
    audited : Audited
    thumbnails : int
        Most films that are shown; 0: the page holds paths, but no film.

    Returns
    -------
    str
        HTML. All text is shown as text; a content policy forbids every connection and script.
    """
    films = _Films(audited, thumbnails)
    shown = list(films.sections())
    page = Page()
    top, *found = audit_sections(audited.audit)
    warning = WITH_FILMS if films.used else WITH_PATHS
    page.top([f'<p class="warned">{text(warning)}</p>', *blocks_html(top.blocks)])
    for n, section in enumerate(found):
        page.section(f"s{n}", section.title, blocks_html(section.blocks))
        if n == 0 and shown:
            page.section("side-by-side", "Side by side", [*films.said(), *shown])
    return page.render("Audit")


class _Films:
    """Rows of films, until the page holds as many as it may."""

    def __init__(self, audited: Audited, most: int) -> None:
        self._audited = audited
        self._most = most
        self.used = 0
        self._left_out = 0

    def sections(self) -> Iterator[str]:
        """The offending films by kind: the worst first."""
        groups = self._audited.groups
        audit = self._audited.audit
        at = {item.key: i for i, item in enumerate(self._audited.survey.items)}
        yield from self._groups("One film, different labels", [g for g in groups if g.is_conflict])
        leaks = [g for g in groups if g.is_leak and not g.is_conflict]
        yield from self._groups("One film in several parts", leaks)
        for title, suspects in (
            ("Perhaps negatives", audit.inverted),
            ("Perhaps with burnt-in writing", audit.written),
            ("Nearly constant", audit.constant),
        ):
            yield from self._row(title, [at[one.path] for one in suspects])
        others = [g for g in groups if not g.is_leak and not g.is_conflict]
        yield from self._groups("Other copies", others)

    def said(self) -> list[str]:
        """How many films are not shown."""
        if not self._left_out:
            return []
        shown = f"{counted(self.used, 'film')} {verb('is', self.used)}"
        return [
            f'<p class="said">{shown} shown, '
            f"{self._left_out:,} {verb('is', self._left_out)} not; --thumbnails shows more.</p>"
        ]

    def _groups(self, title: str, groups: Sequence[CopyGroup]) -> Iterator[str]:
        rows = []
        for group in groups:
            if figures := "".join(self._figures(group.films[:_OF_GROUP])):
                self._left_out += len(group.films[_OF_GROUP:])
                kinds = text(alike_words(group.alike))
                rows.append(f'<li class="group"><p>{kinds}</p><div>{figures}</div></li>')
        if rows:
            yield f"<h3>{text(title)}</h3>"
            yield f'<ul class="groups">{"".join(rows)}</ul>'

    def _row(self, title: str, films: Sequence[int]) -> Iterator[str]:
        if figures := "".join(self._figures(films)):
            yield f"<h3>{text(title)}</h3>"
            yield f'<div class="thumbs">{figures}</div>'

    def _figures(self, films: Sequence[int]) -> Iterator[str]:
        for film in films:
            if self.used >= self._most:
                self._left_out += 1
                continue
            self.used += 1
            yield self._figure(film)

    def _figure(self, film: int) -> str:
        known, survey = self._audited.known, self._audited.survey
        facts = survey.films[film].facts
        assert facts is not None
        rows, columns = facts.upright
        scale = _SIDE / max(rows, columns)
        size = max(1, round(columns * scale)), max(1, round(rows * scale))
        path = text(survey.items[film].key)
        said = ", ".join(filter(None, (known.parts[film], known.labels[film])))
        return (
            f'<figure><img alt="" src="{_source(survey.pixels[survey.rows[film]], size)}">'
            f"<figcaption><b>{text(said)}</b><span>{path}</span></figcaption></figure>"
        )


def _source(pixels: NDArray[np.uint8], size: tuple[int, int]) -> str:
    """A film in its own shape: columns and rows."""
    content = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BILINEAR)
    image.save(content, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode("ascii")
