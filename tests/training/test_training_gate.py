from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xraybatch.core.errors import BarMissed, ModelError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.models.card import TaskCard
from xraybatch.training.gate import BATCH_SIZES, check_parity

TASK = TaskCard(Task("label", TaskKind.MULTICLASS, ("a", "b", "c")))
BINARY = TaskCard(Task("label", TaskKind.BINARY, ("a", "b"), "b"))
FOUND = TaskCard(Task("label", TaskKind.MULTILABEL, ("a", "b")))
FILMS = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)


def probabilities(films: np.ndarray, columns: int = 3) -> np.ndarray:
    raw = np.stack([films[:, i, i, 0] for i in range(columns)], 1) / np.float32(40)
    raw = np.exp(raw)
    return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)


def gate(change: Any = None, entry: TaskCard = TASK, films: np.ndarray = FILMS) -> Any:
    columns = len(entry.task.classes)
    sizes: list[int] = []

    def predict(some: np.ndarray) -> dict[str, np.ndarray]:
        sizes.append(len(some))
        found = probabilities(some, columns)
        return {"label": change(found) if change else found}

    parity = check_parity(
        {"label": probabilities(films, columns)}, predict, films, [entry], tolerance=2e-4
    )
    return parity, sizes


def test_equal_answers_pass_at_every_batch_size() -> None:
    parity, sizes = gate()
    assert (parity.largest_difference, parity.changed_classes, parity.films) == (0, 0, 40)
    assert set(BATCH_SIZES) == {1, 2, 7, 32}
    assert set(sizes) == {1, 2, 7, 5, 32, 8}
    assert parity.spread > 0.9
    assert "40 films" in parity.sentence()


def test_a_small_difference_is_measured_and_a_larger_one_is_refused() -> None:
    parity, _ = gate(lambda p: p + np.float32(1e-4))
    assert parity.largest_difference == pytest.approx(1e-4, rel=1e-2)
    with pytest.raises(BarMissed, match="does not answer as Keras") as caught:
        gate(lambda p: p + np.float32(3e-4))
    assert caught.value.exit_code == 4


def test_a_difference_at_one_batch_size_only_is_seen() -> None:
    with pytest.raises(BarMissed):
        gate(lambda p: p + np.float32(1e-2) * (len(p) == 7))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ModelError, match="no number"):
        gate(lambda p: np.where(p == p.max(), np.float32(value), p))


def test_another_shape_is_refused() -> None:
    with pytest.raises(ModelError, match="shape"):
        gate(lambda p: p[:, :2])


@pytest.mark.parametrize("entry", [TASK, BINARY, FOUND], ids=lambda e: e.task.kind.value)
def test_a_class_that_changes_is_counted_unless_it_was_a_tie(entry: TaskCard) -> None:
    columns = len(entry.task.classes)

    def run(margin: float) -> Any:
        expected = np.full((4, columns), 0.1, np.float32)
        expected[:, 0], expected[:, 1] = 0.5 + margin, 0.5 - margin
        changed = expected.copy()
        changed[0, :2] = changed[0, 1::-1]
        films = np.zeros((4, 8, 8, 1), np.uint8)
        films[0] = 1

        def predict(some: np.ndarray) -> dict[str, np.ndarray]:
            return {"label": np.where(some[:, :1, 0, 0] == 1, changed[:1], expected[1:2])}

        return check_parity({"label": expected}, predict, films, [entry], tolerance=2e-4)

    with pytest.raises(BarMissed, match="1 changed classes"):
        run(4e-5)
    tied = run(2e-7)
    assert (tied.changed_classes, tied.ties) == (0, 1)


def test_a_network_that_says_the_same_to_all_is_told() -> None:
    parity, _ = gate(films=np.zeros((4, 8, 8, 1), np.uint8))
    assert "says little" in parity.sentence()
