"""A store that only fails stops the run, and one that fails now and then does not."""

from __future__ import annotations

from xraybatch.core.status import FilmStatus
from xraybatch.prediction.breaker import IN_A_ROW, Breaker


def stops_at(statuses: list[FilmStatus]) -> int | None:
    breaker = Breaker()
    for i, status in enumerate(statuses):
        if breaker.count(status, "The store answers 503.") is not None:
            return i
    return None


def test_only_failures_in_a_row_stop_the_run() -> None:
    failed = [FilmStatus.UNAVAILABLE] * (IN_A_ROW - 1)
    assert stops_at([*failed, FilmStatus.UNAVAILABLE]) == IN_A_ROW - 1
    for answer in (FilmStatus.OK, FilmStatus.MISSING, FilmStatus.FORBIDDEN, FilmStatus.CORRUPT):
        assert stops_at([*failed, answer, *failed]) is None


def test_the_person_is_told_how_many_and_why() -> None:
    breaker = Breaker()
    for _ in range(IN_A_ROW):
        stopped = breaker.count(FilmStatus.UNAVAILABLE, "The store answers 503.")
    assert stopped is not None
    assert str(IN_A_ROW) in stopped.message
    assert "The store answers 503." in stopped.message
    assert "same command goes on" in stopped.hint
