"""Counts as people type them."""

from __future__ import annotations

import click
import pytest

from xraybatch.cli.counts import Count


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("1000000", 1_000_000),
        ("1_000_000", 1_000_000),
        ("1e6", 1_000_000),
        ("2.5E7", 25_000_000),
        ("100M", 100_000_000),
        ("1.5k", 1_500),
        (" 2g ", 2_000_000_000),
        ("12345678901234567", 12_345_678_901_234_567),
    ],
)
def test_every_way_to_write_a_count_is_taken(text: str, number: int) -> None:
    assert Count("pixels").convert(text, None, None) == number


@pytest.mark.parametrize(
    "text",
    ["", "0", "-5", "1.5", "1e-3", "1e", "many", "nan", "inf", "1__0", "1 M pixels", "1e999"],
)
def test_what_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(click.BadParameter, match="Write it as 1000000, 1e6 or 100M"):
        Count("pixels").convert(text, None, None)
