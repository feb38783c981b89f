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


def test_sets_come_after_all_answers() -> None:
    levels = {"score": "lac", "coverage": 0.9, "levels": [0.65]}
    one = TaskCard(THREE.task, conformal=levels)
    columns = Columns([one], seen=True)
    assert columns.names[-5:] == ("prob.c", "set", "abstain", "seen_in_training", "error")
    assert columns.flags == {"abstain", "seen_in_training"}
    assert columns.cells("f", ok(0.1, 0.7, 0.2))[-4:] == ["b", "0", None, None]
    assert columns.cells("f", ok(0.4, 0.4, 0.2))[-4:-2] == ["a|b", "1"]
    assert columns.cells("f", ok(0.34, 0.33, 0.33))[-4:-2] == [None, "1"]
    failed = Row(0, 0, FilmStatus.CORRUPT, "why")
    assert columns.cells("f", failed)[2:] == [*[None] * 7, "why"]
    two = Columns([one, TaskCard(BINARY.task, conformal=levels)], seen=False)
    assert two.names[-5:] == (
        *("label.set", "label.abstain", "fracture.set", "fracture.abstain", "error"),
    )
    assert two.flags == {"label.abstain", "fracture.abstain"}
    assert two.cells("f", ok(0.1, 0.7, 0.2, 0.5, 0.5))[-5:-1] == ["b", "0", "no|yes", "1"]


def test_a_set_of_one_that_is_not_the_answer_is_for_a_person() -> None:
    entry = TaskCard(
        BINARY.task, (0.1,), conformal={"score": "lac", "coverage": 0.9, "levels": [0.4]}
    )
    cells = Columns([entry], seen=False).cells("f", ok(0.8, 0.2))
    assert cells[2:] == ["yes", "0.8", "0.2", "no", "1", None]


def test_many_rows_are_written_as_each_alone() -> None:
    calibration = {"method": "temperature", "temperature": [1.7]}
    levels = {"score": "aps", "coverage": 0.9, "levels": [0.65]}
    entries = [TaskCard(THREE.task, None, "", calibration, levels), FINDINGS]
    columns = Columns(entries, seen=False)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(50):
        p = rng.dirichlet(np.ones(3))
        values = np.float32([*p, *rng.random(2)]).tobytes()
        fine = i % 7 > 0
        status = FilmStatus.OK if fine else FilmStatus.EMPTY
        rows.append((f"{i}", Row(i, 0, status, "" if fine else "why", values if fine else b"")))
    assert columns.cells_of(rows) == [columns.cells(path, row) for path, row in rows]
    assert columns.cells_of([]) == []
