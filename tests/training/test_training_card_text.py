from __future__ import annotations

import re
from dataclasses import replace

import pytest

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.images.rule import DecodingRule
from xraybatch.models.card import Card, TaskCard
from xraybatch.reports.card_text import card_html, card_markdown

EVIL = "<script>alert(1)</script>|a`b # heading [x](javascript:y)"
CARD = Card(
    (TaskCard(Task("label", TaskKind.BINARY, ("no", EVIL), EVIL)),),
    DecodingRule(32, 24),
    name=EVIL,
    data={
        "films": 40,
        "patients": None,
        "source": EVIL,
        "counts": {"label": {EVIL: {"train": 3, "val": 1, "test": 0}}},
    },
    scores={
        "part": "held-back test films",
        "label": {
            "films": 8,
            "accuracy": {"value": 0.75, "low": 0.5, "high": 0.9},
            "auc": {"undefined": EVIL},
        },
    },
)


@pytest.mark.parametrize("write", [card_markdown, card_html])
def test_whatever_a_card_holds_is_shown_as_text(write: object) -> None:
    text = write(CARD)  # type: ignore[operator]
    assert "<script" not in text
    if write is card_markdown:
        assert not re.search(r"(?<!\\)\]\(javascript", text)
    assert "\n# heading" not in text
    assert "0.75" in text
    assert "0.5–0.9" in text
    assert "Not a medical device" in text


def test_a_page_needs_nothing_from_outside() -> None:
    page = card_html(CARD)
    assert "http" not in page
    assert page.startswith("<!doctype html>")
    assert page.count("<table>") == page.count("</table>") > 4


def test_a_demonstration_says_so_first() -> None:
    shown = replace(CARD, demonstration=True)
    for text in (card_markdown(shown), card_html(shown)):
        assert "mean nothing for real films" in text
    assert "mean nothing" not in card_markdown(CARD)


def test_a_card_of_three_fields_is_enough() -> None:
    least = Card((TaskCard(Task("label", TaskKind.MULTICLASS, ("a", "b"))),), DecodingRule(8, 8))
    assert "label" in card_markdown(least)
    assert "label" in card_html(least)


SOURCE = {"table": EVIL, "sha256": "0a1b2c3d4e5f6789", "films": 312, "patients": 150}
FITTED = TaskCard(
    Task("grade", TaskKind.ORDINAL, ("low", "high")),
    calibration={
        "method": "temperature",
        "temperature": [1.42],
        "slope": EVIL,
        "fitted_on": SOURCE,
    },
    conformal={"score": "lac", "coverage": 0.9, "levels": [0.4, None], "fitted_on": EVIL},
)


@pytest.mark.parametrize("write", [card_markdown, card_html])
def test_what_was_fitted_stands_with_where_it_comes_from(write: object) -> None:
    text = write(replace(CARD, tasks=(FITTED,)))  # type: ignore[operator]
    assert "temperature 1.42, fitted on" in text
    assert "(sha256 0a1b2c3d4e5f), 312 films of 150 patients" in text
    assert "90 % coverage of each class, lac" in text
    assert "<script" not in text
    binary = replace(
        CARD.tasks[0],
        thresholds=(0.25,),
        threshold_origin="youden on val.csv",
        calibration={"method": "platt", "slope": [0.8], "intercept": [-1.5]},
    )
    text = write(replace(CARD, tasks=(binary,)))  # type: ignore[operator]
    assert "0.25: youden on val.csv" in text
    assert "platt, slope 0.8, intercept" in text
