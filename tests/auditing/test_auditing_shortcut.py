"""The test for shortcuts: it finds what is there, and is as rarely wrong as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraybatch.auditing.shortcut import LEVEL, ask_shortcut, permute_clusters


def asked(columns, labels, clusters=None, permutations=100, seed=0):
    numbers = np.arange(len(labels)) if clusters is None else clusters
    return ask_shortcut(
        {name: np.asarray(values, float) for name, values in columns.items()},
        [str(label) for label in labels],
        np.asarray(numbers),
        permutations=permutations,
        seed=seed,
    )


def test_a_property_that_says_the_label_is_named_alone() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    size = 1000 + 500 * y + rng.integers(0, 300, 200)
    found = asked({"noise": rng.normal(size=200), "bytes": size, "more": rng.normal(size=200)}, y)
    assert found.found
    assert found.culprits == ("bytes",)
    assert found.p == pytest.approx(1 / 101)
    assert found.balanced_accuracy.value > 0.95
    assert found.alone[0].name == "bytes"
    assert found.effect > 0.9


def test_what_takes_two_properties_is_found_without_a_culprit() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2, (2, 400))
    found = asked({"a": a + rng.normal(0, 0.1, 400), "b": b + rng.normal(0, 0.1, 400)}, a ^ b)
    assert found.found
    assert found.culprits == ()


def test_a_frequent_class_is_no_shortcut() -> None:
    """A peer takes the index of the most frequent class for its share; 95 % looked like skill."""
    rng = np.random.default_rng(2)
    y = (rng.random(600) < 0.95).astype(int)
    found = asked({"noise": rng.normal(size=600)}, y)
    assert not found.found
    assert found.majority == pytest.approx(y.mean(), abs=1e-12)
    assert found.chance == 0.5
    assert abs(found.balanced_accuracy.value - 0.5) < 0.15


def test_it_is_wrong_as_rarely_as_its_level() -> None:
    """Labels at random, by patient: p is uniform, so few of 60 are below 0.1."""
    small = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        clusters = np.repeat(np.arange(40), 3)
        y = rng.integers(0, 2, 40)[clusters]
        of_patient = rng.normal(size=40)[clusters] + rng.normal(0, 0.01, 120)
        found = asked({"scanner": of_patient}, y, clusters, permutations=39, seed=seed)
        small += found.p <= 0.1
    assert small <= 13  # 6 expected; 13 and more have a probability of 0.006


def test_a_property_of_patients_says_nothing_of_new_patients() -> None:
    """Each patient has a property and a label of its own: by film it would look like skill."""
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(30), 10)
    y = rng.integers(0, 2, 30)[clusters]
    found = asked({"scanner": clusters + rng.normal(0, 0.01, 300)}, y, clusters)
    assert not found.found
    by_film = asked({"scanner": clusters + rng.normal(0, 0.01, 300)}, y)
    assert by_film.balanced_accuracy.value > 0.7


@pytest.mark.parametrize(
    ("columns", "labels", "reason"),
    [
        ({"a": range(30)}, ["x"] * 30, "no two classes"),
        ({"a": range(30)}, ["x"] * 15 + [""] * 15, "no two classes"),
        ({}, ["x", "y"] * 15, "the same outer properties"),
        ({"a": range(30)}, ["x"] * 27 + ["y"] * 3, "3 films of 3"),
    ],
)
def test_what_cannot_be_asked_has_its_reason(columns, labels, reason) -> None:
    found = asked(columns, labels)
    assert found.balanced_accuracy.value is None
    assert reason in found.balanced_accuracy.reason
    assert not found.found


def test_films_of_one_patient_are_no_patients() -> None:
    found = asked({"a": range(40)}, ["x", "y"] * 20, np.repeat([0, 1], 20))
    assert found.balanced_accuracy.value is None


def test_without_permutations_nothing_is_concluded() -> None:
    y = np.arange(100) % 2
    found = asked({"bytes": y}, y, permutations=0)
    assert found.balanced_accuracy.value == 1
    assert found.p is None
    assert not found.found


@given(st.lists(st.integers(0, 6), min_size=2, max_size=40), st.integers(0, 1000))
def test_permuting_keeps_clusters_whole(groups: list[int], seed: int) -> None:
    clusters = np.unique(groups, return_inverse=True)[1]
    y = np.random.default_rng(seed).integers(0, 3, clusters.max() + 1)[clusters]
    permuted = permute_clusters(y, clusters, np.random.default_rng(seed))
    assert set(permuted) <= set(y)
    for number in range(clusters.max() + 1):  # pure clusters stay pure
        assert len(set(permuted[clusters == number])) == 1


def test_permuting_single_films_is_a_permutation() -> None:
    y = np.arange(50) % 4
    permuted = permute_clusters(y, np.arange(50), np.random.default_rng(0))
    assert sorted(permuted) == sorted(y)
    assert (permuted != y).any()


def test_the_level_can_be_reached_with_the_permutations_of_the_command() -> None:
    from xraybatch.auditing.shortcut import PERMUTATIONS

    assert 1 / (1 + PERMUTATIONS) <= LEVEL
