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
