"""The shell around every page: head, policy, contents, sections, data, scripts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xraybatch.reports.html_text import text
from xraybatch.reports.page.figures import figure, specification
from xraybatch.reports.page.inline import chart_library, json_data, policy, resource, script
from xraybatch.reports.pictures import Picture

_NO_SCRIPT = "Pictures need this page's script; the tables below them do not."


class Page:
    """What is collected from top to bottom; `render` makes one file of it.

    Attributes
    ----------
    explorers : dict of str to value
        What `charts.js` moves, by the id of the panel.
    """

    def __init__(self) -> None:
        self.explorers: dict[str, Any] = {}
        self._html: list[str] = []
        self._titles: list[tuple[str, str]] = []
        self._charts: dict[str, Any] = {}
        self._data: list[str] = []
        self._scripts: list[str] = []

    def top(self, html: Iterable[str]) -> None:
        """Add what stands above all sections."""
        self._html.append(f'<div class="top">{"".join(html)}</div>')

    def section(self, anchor: str, title: str, html: Iterable[str], kind: str = "") -> None:
        """Add a section that the contents name; `kind` is for its style."""
        self._titles.append((anchor, title))
        of = f' class="{kind}"' if kind else ""
        inner = "\n".join(html)
        self._html.append(
            f'<section id="{anchor}"{of}>\n<h2>{text(title)}</h2>\n{inner}\n</section>'
        )

    def chart(self, name: str, picture: Picture) -> str:
        """A picture's figure, whose chart is drawn into the element `name`."""
        self._charts[name] = {"kind": picture.kind, "spec": specification(picture)}
        return figure(picture, name)

    def add_script(self, name: str, data_name: str, data: Any) -> None:
        """Add a script of this package, and the data that it reads."""
        self._data.append(json_data(data_name, data))
        self._scripts.append(resource(name))

    def render(self, title: str) -> str:
        """The page as one file that opens from disk and loads nothing."""
        codes, data = [*self._scripts], [*self._data]
        if self._charts:
            codes = [chart_library(), resource("charts.js"), *codes]
            data += [
                json_data("charts-data", self._charts),
                json_data("explorers-data", self.explorers),
            ]
        contents = "".join(f'<a href="#{a}">{text(t)}</a>' for a, t in self._titles)
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
                f"<nav>{contents}</nav></header>\n<main>",
                *self._html,
                "</main>",
                *([f"<noscript><p>{_NO_SCRIPT}</p></noscript>"] if codes else []),
                *data,
                *map(script, codes),
                "</body>\n</html>\n",
            ]
        )
