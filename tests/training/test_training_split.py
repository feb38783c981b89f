from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraybatch.core.errors import InputError
from xraybatch.training.split import groups_of, make_split


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[list[int], list[str], list[bytes]]:
    films = draw(st.integers(12, 60))
    strata = draw(st.lists(st.integers(0, 2), min_size=films, max_size=films))
    names = draw(st.lists(st.sampled_from([*"abcdefghij", ""]), min_size=films, max_size=films))
    pixels = draw(st.lists(st.integers(0, 40), min_size=films, max_size=films))
    return strata, names, [bytes([p]) for p in pixels]


@given(cohorts(), st.sampled_from([0.0, 0.1, 0.3]), st.sampled_from([0.0, 0.2, 0.4]))
@settings(max_examples=60, deadline=None)
def test_patients_and_identical_films_never_stand_on_two_sides(
    cohort: tuple[list[int], list[str], list[bytes]], val: float, test: float
) -> None:
    strata, names, digests = cohort
    groups = groups_of(names, digests)
    given_parts = [""] * len(names)
    try:
        split = make_split(
            np.array(strata)[:, None],
            groups,
            given=given_parts,
            val_split=val,
            test_split=test,
            seed=1,
        )
    except InputError:
        return  # too few groups to split; said, not done badly
    assert split.left_out == 0
    for key, values in (("patient", names), ("pixels", digests)):
        sides: dict[object, set[str]] = {}
        for value, part in zip(values, split.part, strict=True):
            if value:
                sides.setdefault(value, set()).add(part)
        assert all(len(found) == 1 for found in sides.values()), key
    again = make_split(
        np.array(strata)[:, None], groups, given=given_parts, val_split=val, test_split=test, seed=1
    )
    assert again.part.tolist() == split.part.tolist()


def test_a_chain_of_patients_and_equal_films_is_one_group() -> None:
    names = ["a", "a", "b", "b", "", ""]
    digests = [b"1", b"2", b"2", b"3", b"3", b"9"]
    groups = groups_of(names, digests)
    assert len(set(groups[:5].tolist())) == 1
    assert groups[5] not in groups[:5]


def test_shares_and_classes_come_near_to_what_was_asked() -> None:
    rng = np.random.default_rng(0)
    names = [f"p{i // 2}" for i in range(400)]
    strata = np.repeat(rng.integers(0, 3, 200), 2)[:, None]
    groups = groups_of(names, [bytes([i % 256, i // 256]) for i in range(400)])
    split = make_split(strata, groups, given=[""] * 400, val_split=0.1, test_split=0.2, seed=0)
    assert 70 <= len(split.where("test")) <= 90
    assert 30 <= len(split.where("val")) <= 50
    for stratum in range(3):
        share = np.mean(strata[split.where("test")] == stratum)
        assert abs(share - np.mean(strata == stratum)) < 0.05


@pytest.mark.parametrize(("films", "patterns"), [(60, 16), (200, 40), (40, 30)])
def test_many_kinds_of_films_leave_shares_what_they_were_asked_to_be(
    films: int, patterns: int
) -> None:
    rng = np.random.default_rng(1)
    kinds = np.arange(films) % patterns
    strata = np.stack([kinds % 2, kinds // 2], axis=1)
    groups = rng.permutation(films)
    split = make_split(strata, groups, given=[""] * films, val_split=0.1, test_split=0.2, seed=0)
    test = split.where("test")
    assert abs(len(test) / films - 0.2) < 0.04
    assert abs(len(split.where("val")) / films - 0.1) < 0.04
    assert abs(np.mean(strata[test, 0]) - 0.5) < 0.15  # the first task is kept in proportion


def test_the_sentence_has_the_share_that_was_drawn() -> None:
    groups = np.repeat(np.arange(3), [10, 10, 10])
    strata = np.arange(30)[:, None] % 2
    split = make_split(strata, groups, given=[""] * 30, val_split=0.0, test_split=0.2, seed=0)
    assert len(split.where("test")) == 10
    assert "test 0.33 (0.2 asked) drawn" in split.how


def test_a_part_that_is_given_is_kept_and_overlap_is_left_out_of_training() -> None:
    names = ["a", "a", "b", "c", "d", "e", "f", "g"]
    parts = ["test", "train", "test", "train", "val", "train", "", "train"]
    digests = [b"%d" % i for i in range(7)] + [b"2"]  # the last film equals the one of b
    split = make_split(
        np.zeros((8, 1), int),
        groups_of(names, digests),
        given=parts,
        val_split=0.1,
        test_split=0.2,
        seed=0,
    )
    assert split.part.tolist() == ["test", "", "test", "train", "val", "train", "train", ""]
    assert split.left_out == 2
    assert "as distributed" in split.how
    assert split.distributed


@pytest.mark.parametrize(
    ("given", "came", "distributed"),
    [
        (["test", *[""] * 7], True, True),
        (["test", *[""] * 7], False, False),
        ([""] * 8, True, False),
    ],
)
def test_a_split_says_whether_its_parts_came_with_the_data(
    given: list[str], came: bool, distributed: bool
) -> None:
    split = make_split(
        np.zeros((8, 1), int),
        np.arange(8),
        given=given,
        val_split=0.2,
        test_split=0.2,
        seed=0,
        told="drawn before",
        distributed=came,
    )
    assert split.distributed is distributed


@pytest.mark.parametrize("val_split", [0.0, 0.1])
@pytest.mark.parametrize(
    ("names", "parts", "whole", "said"),
    [
        ("aabb", ["test", "train", "test", ""], "patient", "every patient or film of train"),
        ("aabb", ["test", "train", "val", "train"], "film", "every film of train"),
        ("abcd", ["test", "test", "test", "val"], "patient", "all are in val or test"),
    ],
)
def test_parts_that_leave_nothing_to_train_on_are_said(
    names: str, parts: list[str], whole: str, said: str, val_split: float
) -> None:
    groups = groups_of(list(names), [bytes([i]) for i in range(4)])
    with pytest.raises(InputError, match=said) as caught:
        make_split(
            np.array([[0], [1], [0], [1]]),
            groups,
            given=parts,
            val_split=val_split,
            test_split=0.2,
            seed=0,
            whole=whole,
        )
    assert caught.value.exit_code == 3
    assert "column 'split'" in caught.value.hint
    assert "--form class-folders" in caught.value.hint


@pytest.mark.parametrize("trainable", [2, 4, 10, 11])
def test_a_part_that_is_drawn_beside_given_ones_leaves_half_to_train_on(trainable: int) -> None:
    parts = ["test"] * (100 - trainable) + ["train"] * trainable
    split = make_split(
        np.arange(100)[:, None] % 2,
        groups_of([""] * 100, [bytes([i]) for i in range(100)]),
        given=parts,
        val_split=0.1,  # with 10 films to train on: all of them
        test_split=0.2,
        seed=0,
    )
    drawn = len(split.where("val"))
    assert 0 < drawn <= -(-trainable // 2)
    assert len(split.where("train")) == trainable - drawn
    assert "val 0.1 " not in split.how


def test_one_patient_cannot_be_split() -> None:
    groups = groups_of(["a"] * 10, [bytes([i]) for i in range(10)])
    with pytest.raises(InputError, match="one patient"):
        make_split(
            np.zeros((10, 1), int), groups, given=[""] * 10, val_split=0, test_split=0.2, seed=0
        )


def test_films_without_patients_are_told_apart_in_the_sentence() -> None:
    groups = groups_of([""] * 20, [bytes([i]) for i in range(20)])
    split = make_split(
        np.arange(20)[:, None] % 2,
        groups,
        given=[""] * 20,
        val_split=0,
        test_split=0.2,
        seed=0,
        whole="film",
    )
    assert "patients are not known" in split.overlap
