from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.training.heads import UNLABELLED, head_for

BINARY = Task("b", TaskKind.BINARY, ("no", "yes"), "yes")
THREE = Task("t", TaskKind.MULTICLASS, ("a", "b", "c"))
GRADES = Task("g", TaskKind.ORDINAL, ("0", "1", "2", "3"))
FINDINGS = Task("f", TaskKind.MULTILABEL, ("mass", "fluid"))
CODES = np.array([0, 1, 1, 1, UNLABELLED, UNLABELLED, 0, 1])
TRAINING = np.arange(6)


@pytest.mark.parametrize("task", [BINARY, GRADES], ids=lambda t: t.kind.value)
@pytest.mark.parametrize("balanced", [True, False])
def test_an_unlabelled_film_weighs_nothing_and_training_films_one_on_average(
    task: Task, balanced: bool
) -> None:
    weights = head_for(task).weights(CODES, TRAINING, balanced=balanced)
    assert (weights[CODES == UNLABELLED] == 0).all()
    assert weights.reshape(8, -1)[:, 0][TRAINING].mean() == pytest.approx(1)
    assert weights.dtype == np.float32


def test_class_weights_give_every_class_the_same_sum_by_training_films_only() -> None:
    weights = head_for(BINARY).weights(CODES, TRAINING, balanced=True)
    assert weights[:1].sum() == pytest.approx(weights[1:4].sum())
    assert weights[6] == weights[0]
    even = head_for(BINARY).weights(CODES, TRAINING, balanced=False)
    assert len(set(even[CODES != UNLABELLED].tolist())) == 1


def test_a_film_that_is_shown_twice_counts_twice() -> None:
    shown = np.repeat(TRAINING, [3, 1, 1, 1, 2, 1])
    for balanced in (True, False):
        weights = head_for(BINARY).weights(CODES, shown, balanced=balanced)
        assert weights[shown].mean() == pytest.approx(1)
    assert head_for(BINARY).weights(CODES, shown, balanced=True)[0] == pytest.approx(
        head_for(BINARY).weights(CODES, shown, balanced=True)[1]
    )  # three shows of either class


def test_findings_are_masked_cell_by_cell() -> None:
    codes = np.array([[1, UNLABELLED], [0, 1], [UNLABELLED, 0], [1, 0]])
    head = head_for(FINDINGS)
    weights = head.weights(codes, np.arange(4), balanced=True)
    assert ((weights == 0) == (codes == UNLABELLED)).all()
    assert weights.mean(axis=0) == pytest.approx([1, 1])
    assert head.targets(codes).tolist() == [[1, 0], [0, 1], [0, 0], [1, 0]]


def test_targets_of_grades_are_cumulative() -> None:
    assert head_for(GRADES).targets(np.array([0, 2, 3])).tolist() == [
        [0, 0, 0],
        [1, 1, 0],
        [1, 1, 1],
    ]


@pytest.fixture(scope="module")
def keras() -> Any:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from xraybatch.training.backend import load_keras, set_seed

    set_seed(0)
    return load_keras()


@pytest.mark.train
@pytest.mark.parametrize("task", [BINARY, THREE, GRADES, FINDINGS], ids=lambda t: t.kind.value)
def test_probabilities_have_a_column_for_each_class(keras: Any, task: Task) -> None:
    head = head_for(task)
    embedding = keras.Input((5,))
    logits = head.logits(embedding)
    model = keras.Model(embedding, head.probabilities(logits))
    found = np.asarray(model(np.random.default_rng(0).normal(0, 9, (50, 5)).astype("f4")))
    assert found.shape == (50, len(task.classes))
    assert (found >= 0).all()
    assert (found <= 1).all()
    if task.kind is not TaskKind.MULTILABEL:
        assert found.sum(axis=1) == pytest.approx(np.ones(50), abs=1e-6)


@pytest.mark.train
def test_grades_are_differences_of_ordered_sigmoids_whatever_the_thresholds(keras: Any) -> None:
    head = head_for(GRADES)
    embedding = keras.Input((2,))
    logits = head.logits(embedding)
    model = keras.Model(embedding, [logits, head.probabilities(logits)])
    head.thresholds.kernel.assign([[0.5, -30.0, 2.0]])
    raw, found = (np.asarray(x) for x in model(np.float32([[1, 2], [-40, 3], [60, 1]])))
    assert (np.diff(raw, axis=1) <= 0).all()
    above = 1 / (1 + np.exp(-raw.astype(float)))
    expected = np.stack(
        [1 - above[:, 0], above[:, 0] - above[:, 1], above[:, 1] - above[:, 2], above[:, 2]], 1
    )
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.train
@pytest.mark.parametrize("task", [BINARY, THREE, GRADES, FINDINGS], ids=lambda t: t.kind.value)
def test_what_is_not_labelled_changes_no_weight_of_the_network(keras: Any, task: Task) -> None:
    """The gradient of a batch is that of its labelled films, whatever the others would say."""
    rng = np.random.default_rng(1)
    films = rng.normal(0, 1, (8, 5)).astype("f4")
    shape = (8, 2) if task.kind is TaskKind.MULTILABEL else (8,)
    codes = rng.integers(0, 2, shape)
    codes[5:] = UNLABELLED
    weights_seen = []
    for garbage in (0.0, 1.0):
        keras.utils.set_random_seed(3)
        head = head_for(task)
        embedding = keras.Input((5,))
        model = keras.Model(embedding, {task.name: head.logits(embedding)})
        model.compile("sgd", loss={task.name: head.loss}, jit_compile=False)
        targets = head.targets(codes)
        targets[5:] = garbage  # what a masked film is compared with must not matter
        weights = head.weights(codes, np.arange(8), balanced=False)
        model.train_on_batch(films, {task.name: targets}, {task.name: weights})
        weights_seen.append([np.asarray(w) for w in model.get_weights()])
    for one, other in zip(*weights_seen, strict=True):
        assert np.array_equal(one, other)
