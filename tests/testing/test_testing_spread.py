"""Answers that are all alike pass any comparison: so they must spread, or the suite fails."""

from __future__ import annotations

import numpy as np
import pytest

from xraybatch.core.tasks import TaskKind
from xraybatch.testing.contract import Broken
from xraybatch.testing.films import FILMS, TASKS, many_films, some_labels
from xraybatch.testing.spread import check_spread, check_told_apart, spread_heads


def test_answers_of_an_untrained_network_are_not_enough() -> None:
    near_half = 0.5 + np.random.default_rng(0).normal(0, 0.01, (FILMS, 2))
    sure = np.eye(2)[np.arange(FILMS) % 2]
    assert check_spread({"a": sure}) == 1.0
    with pytest.raises(Broken, match="would say nothing"):
        check_spread({"a": sure, "b": near_half})


@pytest.mark.parametrize("embeddings", [np.full((FILMS, 8), 3.0), np.zeros((FILMS, 8))])
def test_features_that_do_not_depend_on_the_film_are_seen(embeddings: np.ndarray) -> None:
    with pytest.raises(Broken, match="do not depend on the film"):
        spread_heads(embeddings.astype(np.float32), [])


def test_features_that_are_no_number_are_seen() -> None:
    embeddings = np.random.default_rng(0).normal(size=(FILMS, 8)).astype(np.float32)
    embeddings[3, 1] = np.inf
    with pytest.raises(Broken, match="no number"):
        spread_heads(embeddings, [])


def test_rounding_does_not_tell_films_apart() -> None:
    random = np.random.default_rng(0)
    films = random.normal(size=(FILMS, 8)).astype(np.float32)
    check_told_apart(films, films + 1e-6)
    noise = random.normal(0, 1e-7, (2, FILMS, 8)).astype(np.float32)
    for embeddings, again in ((noise[0], noise[1]), (1 + noise[0], 1 + noise[1])):
        with pytest.raises(Broken, match="not depend on the film alone"):
            check_told_apart(embeddings, again)


@pytest.mark.train
@pytest.mark.parametrize("others", [0.0, 1e-3, 0.15, 1.0])
def test_every_class_has_answers_of_its_own_and_rounding_stays_small(others: float) -> None:
    """Also where films differ along one direction, and next to nothing along others."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from keras import Model, layers

    from xraybatch.training.heads import head_for

    random = np.random.default_rng(5)
    embeddings = others * random.normal(size=(FILMS, 16)) + 3
    embeddings += np.outer(np.linspace(-1, 1, FILMS), random.normal(size=16))
    embeddings = embeddings.astype(np.float32)
    entry = layers.Input((16,))
    heads = [head_for(task) for task in TASKS]
    made = {head.task.name: head.probabilities(head.logits(entry)) for head in heads}
    model = Model(entry, made)
    spread_heads(embeddings, heads)
    answers = model.predict_on_batch(embeddings)
    assert check_spread(answers) > 0.5
    for task in TASKS:
        columns = np.asarray(answers[task.name]).T
        if task.kind is not TaskKind.BINARY:
            apart = np.abs(columns[:, None] - columns[None]).max(axis=2)
            assert apart[~np.eye(len(columns), dtype=bool)].min() > 0.02, task.name
    rounded = embeddings * (1 + 1e-7 * random.normal(size=embeddings.shape)).astype(np.float32)
    again = model.predict_on_batch(rounded)
    assert max(np.abs(answers[name] - again[name]).max() for name in answers) < 2e-5


def test_films_differ_and_labels_have_every_class() -> None:
    films = many_films(24, 32)
    assert films.shape == (FILMS, 24, 32, 1)
    assert films.dtype == np.uint8
    assert len(np.unique(films.reshape(FILMS, -1), axis=0)) == FILMS
    assert np.ptp(films.mean(axis=(1, 2, 3))) > 100, "no difference in brightness"
    assert {task.kind for task in TASKS} == set(TaskKind)
    for task, codes in zip(TASKS, some_labels().values(), strict=True):
        wanted = {-1, 0, 1} if codes.ndim == 2 else {-1, *range(len(task.classes))}
        assert set(np.unique(codes)) == wanted
