from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.models.card import TaskCard, decide
from xraybatch.prediction.rows import Columns, Row

THREE = TaskCard(Task("label", TaskKind.MULTICLASS, ("a", "b", "c")))
BINARY = TaskCard(Task("fracture", TaskKind.BINARY, ("no", "yes"), "yes"), thresholds=(0.3,))
FINDINGS = TaskCard(Task("findings", TaskKind.MULTILABEL, ("x", "y")), thresholds=(0.5, 0.9))


def ok(*values: float) -> Row:
    return Row(0, 0, FilmStatus.OK, "", np.float32(values).tobytes())


def test_one_task() -> None:
    columns = Columns([THREE], seen=False)
    assert columns.names == ("path", "status", "label", "prob.a", "prob.b", "prob.c", "error")
    assert columns.cells("f.png", ok(0.1, 0.7, 0.2)) == [
        "f.png",
        "ok",
        "b",
        "0.1",
        "0.7",
        "0.2",
        None,
    ]
    failed = Row(0, 0, FilmStatus.CORRUPT, "why")
    assert columns.cells("f.png", failed) == ["f.png", "corrupt", None, None, None, None, "why"]


def test_several_tasks_and_findings() -> None:
    columns = Columns([BINARY, FINDINGS], seen=True)
    assert columns.names == (
        *("path", "status", "fracture", "fracture.prob.no", "fracture.prob.yes", "findings"),
        *("findings.prob.x", "findings.prob.y", "findings.pred.x", "findings.pred.y"),
        *("seen_in_training", "error"),
    )
    row = Row(0, 0, FilmStatus.OK, "", np.float32([0.6, 0.4, 0.5, 0.8]).tobytes(), True)
    assert columns.cells("f", row)[2:] == [
        "yes",
        "0.6",
        "0.4",
        None,
        "0.5",
        "0.8",
        "1",
        "0",
        "1",
        None,
    ]


@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3))
def test_a_probability_reads_back_as_the_same_float32(values: list[float]) -> None:
    cells = Columns([THREE], seen=False).cells("f", ok(*values))
    assert [np.float32(cell) for cell in cells[3:6]] == [np.float32(v) for v in values]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7])
def test_a_threshold_is_compared_as_float32(threshold: float) -> None:
    entry = TaskCard(BINARY.task, thresholds=(threshold,))
    at = np.float32(threshold)
    below = np.nextafter(at, np.float32(0))
    films = np.array([[1 - at, at], [1 - below, below]], np.float32)
    assert list(decide(films, entry)) == [1, 0]


def test_among_equal_probabilities_the_first_class_wins() -> None:
    assert list(decide(np.float32([[0.4, 0.4, 0.2]]), THREE)) == [0]
