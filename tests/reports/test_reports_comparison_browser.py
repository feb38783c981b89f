"""The page of a comparison in a real browser, opened from disk."""

from __future__ import annotations

import pytest

from xraybatch.core.tasks import TaskKind
from xraybatch.reports.page import to_comparison_page

pytestmark = pytest.mark.browser
HOSTILE = "<script>alert(1)</script>"
PHONE = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def three(make_comparison):
    names = ("a model with a name that is longer than most", "b", HOSTILE)
    return make_comparison(names, ("normal", "osteopenia", HOSTILE), TaskKind.MULTICLASS, 150)


def drawn(page):
    page.wait_for_selector("html[data-drawn]", timeout=60_000)
    return page


def test_every_chart_is_drawn_and_has_its_table(show, three):
    page = drawn(show(to_comparison_page(three)))
    figures = page.locator("figure")
    assert figures.count() == 1 + 2 + 3 * 2
    for i in range(figures.count()):
        assert figures.nth(i).locator("svg path").count() > 3
        figures.nth(i).locator("summary").click()
        assert figures.nth(i).locator("details td").first.is_visible()
    roc = page.locator("figure.roc").first
    assert roc.locator(".role-legend-label").count() == 3, "a line a model"
    assert HOSTILE in roc.locator("svg").text_content()


def test_a_name_is_text(show, three):
    page = drawn(show(to_comparison_page(three)))
    assert HOSTILE in page.locator("h1").inner_text()
    assert (
        HOSTILE
        in page.locator(".result").first.inner_text() + page.locator("table").first.inner_text()
    )
    assert page.locator("script:not([type])").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_dark_and_phone_are_legible(show, three, scheme):
    page = drawn(show(to_comparison_page(three), color_scheme=scheme, viewport=PHONE))
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    colours = page.evaluate(
        """() => {
          const ground = getComputedStyle(document.body).backgroundColor;
          const label = document.querySelector('figure.pairs .mark-text.role-mark text');
          return [ground, getComputedStyle(document.body).color, getComputedStyle(label).fill];
        }"""
    )
    ground, ink, of_chart = (sum(map(int, c[4:-1].split(","))) for c in colours)
    assert abs(ground - ink) > 450  # of 765
    assert of_chart == ink
    assert (ground < ink) == (scheme == "dark")


def test_of_many_models_the_first_is_open_and_all_are_printed(show, make_comparison):
    page = drawn(show(to_comparison_page(make_comparison([f"m{i}" for i in range(6)], films=90))))
    folded = page.locator("details.of-class")
    assert folded.evaluate_all("all => all.map(one => one.open)") == [True] + [False] * 4
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folded.evaluate_all("all => all.every(one => one.open)")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")
