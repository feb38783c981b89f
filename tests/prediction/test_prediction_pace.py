"""What is told beside the bar is the pace of the last half minute, and what failed."""

from __future__ import annotations

from xraybatch.core.status import FilmStatus
from xraybatch.prediction.pace import Pace
from xraybatch.prediction.rows import NO_FRAME, Row


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _rows(count: int, status: FilmStatus = FilmStatus.OK, frame: int = NO_FRAME) -> list[Row]:
    return [Row(i, frame, status) for i in range(count)]


def test_the_pace_is_films_by_seconds() -> None:
    clock = Clock()
    pace = Pace("cpu, 2 processes", clock)
    clock.now += 2
    assert pace.words(_rows(80)) == "40.0 films/s, cpu, 2 processes"
    clock.now += 2
    assert pace.words(_rows(40)) == "30.0 films/s, cpu, 2 processes"


def test_what_is_long_ago_counts_no_more() -> None:
    clock = Clock()
    pace = Pace("cpu", clock)
    for count in (1000, 10, 10, 10, 10):
        clock.now += 10
        said = pace.words(_rows(count))
    assert said == "1.0 films/s, cpu"


def test_failures_are_told_by_reason_the_most_frequent_first() -> None:
    clock = Clock()
    pace = Pace("cpu", clock)
    clock.now += 1
    rows = _rows(2, FilmStatus.EMPTY) + _rows(3, FilmStatus.TRUNCATED) + _rows(4)
    rows += (
        _rows(1, FilmStatus.CRASHED) + _rows(1, FilmStatus.TIMEOUT) + _rows(9, FilmStatus.LEFT_OUT)
    )
    said = pace.words(rows)
    assert "films/s, 3 truncated, 2 empty, 1 crashed, 1 otherwise failed, cpu" in said
    assert "left_out" not in said


def test_frames_are_told_where_there_are_any() -> None:
    pace = Pace("cpu", Clock())
    assert pace.words(_rows(1) + _rows(5, frame=2)) == "5 frames, cpu"


def test_the_pace_of_a_node_is_told_where_there_are_several() -> None:
    clock, nodes = Clock(), 4
    pace = Pace("cpu, 4 actors", clock, nodes=lambda: nodes)
    clock.now += 2
    said = pace.words(_rows(80))
    assert said == "40.0 films/s, 10.0 on each of 4 nodes, cpu, 4 actors"
    nodes = 1
    clock.now += 2
    assert pace.words(_rows(80)) == "40.0 films/s, cpu, 4 actors"
