"""Numbers and their units in sentences."""

from __future__ import annotations

import pytest

from xraybatch.core.counting import counted, films, many, one_of, verb


@pytest.mark.parametrize("unit", ["film", "study", "class", "process", "patient", "epoch"])
def test_singular_and_plural_belong_together(unit: str) -> None:
    assert one_of(many(unit)) == unit


def test_counts_have_their_form() -> None:
    assert [films(n) for n in (0, 1, 2, 1203)] == ["0 films", "1 film", "2 films", "1,203 films"]
    assert counted(2, "study") == "2 studies"
    assert one_of("MB") == "MB"
    assert [verb("is", n) for n in (0, 1, 2)] == ["are", "is", "are"]
