from __future__ import annotations

import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraybatch.sources.item import Item
from xraybatch.sources.items import Items
from xraybatch.sources.keys import key_of

paths = st.binary(min_size=1).filter(lambda name: b"\0" not in name).map(os.fsdecode)
numbers = st.integers(0, 2**80)
members = st.text(st.characters(exclude_characters="\0"))


@st.composite
def items(draw: st.DrawFn) -> Item:
    path = draw(paths)
    key = key_of(draw(st.sampled_from((path, os.path.basename(path) or path))))
    return Item(key, path, draw(numbers), draw(numbers), draw(members))


@given(st.lists(items()))
def test_items_come_back_as_they_were(given_items: list[Item]) -> None:
    kept = Items(given_items)
    assert list(kept) == given_items
    assert [kept[i] for i in range(len(kept))] == given_items
    assert kept[1:-1] == given_items[1:-1]
    kept.sort()
    assert [i.key for i in kept] == sorted((i.key for i in given_items), key=str.encode)
    assert sorted(map(repr, kept)) == sorted(map(repr, given_items))


def test_an_index_beyond_the_end_is_an_error() -> None:
    with pytest.raises(IndexError):
        Items()[0]


def test_a_hundred_thousand_items_take_little_memory() -> None:
    """The rest of a prediction does not grow with its films."""
    tracemalloc.start()
    try:
        kept = Items(
            Item(f"{i // 1000:04}/film-{i:07}.png", f"films/{i // 1000:04}/film-{i:07}.png", i, i)
            for i in range(100_000)
        )
        kept.sort()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 100_000
    assert most < 13e6
