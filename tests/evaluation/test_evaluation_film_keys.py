"""Keys as columns say the same as keys one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraybatch.core.cores import in_threads
from xraybatch.evaluation.film_keys import FilmKeys, distinct_cells, each_distinct
from xraybatch.sources.matching import Film, match

paths = st.sampled_from(["a/1.png", "./a/1.png", "b/é.png", "b/e\u0301.png", "c\\2.png", "c/2.png",
                         "z/\U0001f600.png", "z/\uff21.png", "Z/9.png", ""])  # fmt: skip
rows = st.lists(st.tuples(paths, st.sampled_from(["", "2", "10"])), max_size=12)


def keys(pairs, framed):
    table = pd.DataFrame(pairs, columns=["path", "frame"], dtype=str)
    films = [Film(path.removeprefix("./"), frame if framed else "") for path, frame in pairs]
    return FilmKeys(table, "path", framed), films


@settings(max_examples=60)
@given(rows, rows, st.booleans())
def test_the_same_films_have_the_same_rows(mine, theirs, framed):
    ours, films = keys(mine, framed)
    assert (len(ours), list(ours), ours[:2]) == (len(films), films, films[:2])
    first = [f in films[:i] for i, f in enumerate(films)]
    assert ours.repeated().tolist() == first
    others, other_films = keys(theirs, framed)
    once = [i for i, twice in enumerate(others.repeated()) if not twice]
    others, other_films = keys([theirs[i] for i in once], framed)
    by_hand = [other_films.index(f) if f in other_films else -1 for f in films]
    assert ours.rows_in(others).tolist() == by_hand


@settings(max_examples=60)
@given(rows, st.booleans())
def test_order_is_that_of_bytes_and_then_of_frames(pairs, framed):
    ours, films = keys(pairs, framed)
    single = np.flatnonzero(~ours.repeated())
    by_hand = sorted(
        single, key=lambda i: (films[i].path.encode(), len(films[i].frame), films[i].frame)
    )
    assert ours.in_order(single).tolist() == by_hand


@settings(max_examples=60)
@given(rows, rows)
def test_a_match_begins_where_equal_keys_end(mine, theirs):
    ours, films = keys(list(dict.fromkeys(mine)), framed=False)
    others, other_films = (
        keys([("new/" + path, frame) for path, frame in theirs], framed=False)
        if len(theirs) % 3 == 0
        else keys(theirs, framed=False)
    )
    if ours.repeated().any() or others.repeated().any():
        return
    told = []
    for left, right, exact in (
        (films, other_films, None),
        (ours, others, ours.rows_in(others).tolist()),
    ):
        try:
            told.append(match(left, right, exact))
        except Exception as error:
            told.append(str(error))
    assert told[0] == told[1]


@pytest.mark.parametrize("dtype", [str, object])
def test_cells_are_changed_as_one_by_one(dtype):
    column = pd.Series([" a", "b", "", " a", "b "], index=[4, 2, 8, 1, 0], dtype=dtype, name="x")
    pd.testing.assert_series_equal(
        each_distinct(column, str.strip), column.map(str.strip), check_dtype=False
    )
    assert each_distinct(column, str) is column
    codes, cells = distinct_cells(column)
    assert [cells[code] for code in codes] == column.tolist()


@pytest.mark.parametrize("threads", [1, 2, None])
def test_threads_keep_the_order_and_raise(threads):
    assert in_threads(str, range(5), threads) == ["0", "1", "2", "3", "4"]
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda n: 1 // n, [1, 0], threads)
