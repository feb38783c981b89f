"""Batches under way: order, how many at once, and what becomes of errors."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from xraybatch.prediction.flight import Flight


class Sight:
    """Sees how many are at work with each session; lets them go on when as many as said are."""

    def __init__(self, together: int) -> None:
        self.together = threading.Barrier(together, timeout=20)
        self.lock = threading.Lock()
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def work(self, session: str, number: int) -> int:
        with self.lock:
            self.now[session] += 1
            self.most[session] = max(self.most[session], self.now[session])
            self.most["all"] = max(self.most["all"], sum(self.now.values()))
        self.together.wait()
        with self.lock:
            self.now[session] -= 1
        return number


def test_each_session_has_two_batches_and_results_come_in_order() -> None:
    flight: Flight[str, int] = Flight(["cuda:0", "cuda:1"], 2)
    sight = Sight(together=4)  # a batch waits until four are at work
    ready = []
    for number in range(12):
        ready += flight.give(lambda s, n=number: sight.work(s, n))
    ready += flight.rest()
    flight.close()
    assert ready == list(range(12))
    assert sight.most == {"cuda:0": 2, "cuda:1": 2, "all": 4}
    assert flight.seconds > 0


def test_an_error_reaches_who_gives_the_work() -> None:
    flight: Flight[str, int] = Flight(["cuda:0"], 2)

    def fails(_: str) -> int:
        raise ValueError("out of memory")

    flight.give(fails)
    with pytest.raises(ValueError, match="out of memory"):
        flight.rest()
    assert flight.give(lambda _: 1) + flight.rest() == [1]
    flight.close()


def test_what_is_dropped_is_done_first_and_never_told() -> None:
    flight: Flight[str, int] = Flight(["cuda:0"], 2)
    done: list[int] = []
    for number in range(2):
        flight.give(lambda _, n=number: done.append(n) or n)
    flight.drop()
    assert sorted(done) == [0, 1]
    assert flight.rest() == []
    flight.close()
