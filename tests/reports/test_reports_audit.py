"""The page of an audit in a real browser: films side by side, no script, no request."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from xraybatch.auditing.run import AuditOptions
from xraybatch.reports.audit_console import render_audit
from xraybatch.reports.page.audit import audit_page
from xraybatch.training.audited import LabelsAsked, audit_folders

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = "<img src=x onerror=alert(1)>.png"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory):
    """Ten films of two classes, each with a copy in the other class under a hostile name."""
    folder = tmp_path_factory.mktemp("films")
    for number, name in enumerate(("a", "<b>b</b>".replace("/", "⁄"))):
        (folder / name).mkdir()
        for i in range(10):
            rng = np.random.default_rng(i)
            pixels = rng.integers(0, 255, (30, 20), np.uint8)
            file = f"{i}{HOSTILE}" if number else f"{i}.png"
            Image.fromarray(pixels).save(folder / name / file)
    return audit_folders([folder], LabelsAsked(), AuditOptions(near=False, permutations=0))


@pytest.mark.browser
def test_films_stand_side_by_side_and_nothing_runs(audited, show) -> None:
    page = show(audit_page(audited, 200), viewport={"width": 700, "height": 900})
    sizes = page.locator("#side-by-side img").evaluate_all(
        "all => all.map(e => [e.naturalWidth, e.naturalHeight])"
    )
    groups = page.locator("#side-by-side .group").count()
    names = page.locator("#side-by-side figcaption span").all_inner_texts()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert groups == 10
    assert len(sizes) == 20
    assert set(map(tuple, sizes)) == {(171, 256)}  # in the film's own shape
    assert any(HOSTILE in name for name in names)
    assert width <= 700


def test_a_page_holds_no_more_films_than_allowed(audited) -> None:
    page = audit_page(audited, 7)
    assert page.count("<img ") == 7
    assert "7 films are shown, 13 are not" in page
    assert "holds films of patients" in page
    none = audit_page(audited, 0)
    assert "<img " not in none.replace("&lt;img ", "")
    assert "holds the paths of films" in none


def test_what_the_console_prints_is_what_the_page_says(audited) -> None:
    text = " ".join(render_audit(audited.audit).split())
    assert "10 films have copies with different labels" in text
    assert "identical bytes" in text
    assert "10 films have copies with different labels" in audit_page(audited, 0)
