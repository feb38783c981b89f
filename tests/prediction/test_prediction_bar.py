"""--max-failures stops a run as soon as it must, never before, and keeps what is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from xraybatch.core.errors import BarMissed, UsageError
from xraybatch.core.progress import SILENT
from xraybatch.core.status import FilmStatus
from xraybatch.prediction.bar import Bar, Watch, parse_bar
from xraybatch.prediction.dispatch import dispatch
from xraybatch.prediction.engine import Chunk, Facts, Outcome, Seconds
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.rows import NO_FRAME, Row
from xraybatch.sources.item import Item

ITEMS = [Item(f"{i:03d}.png", f"/films/{i:03d}.png", 1, 1) for i in range(100)]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "101%", "-1%", "1/3", "1e2", "5%%", "nan"])
def test_what_is_no_bar_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="--max-failures"):
        parse_bar(text)


@pytest.mark.parametrize(
    ("text", "failed", "missed"),
    [
        *(("0", 0, False), ("0", 1, True), ("7", 7, False), ("7", 8, True)),
        *(("0%", 1, True), ("7%", 7, False), ("7 %", 8, True), ("2.5%", 2, False)),
        *(("2.5%", 3, True), ("100%", 100, False)),
    ],
)
def test_a_bar_is_missed_by_more_than_it_allows(text: str, failed: int, missed: bool) -> None:
    assert parse_bar(text).is_missed(failed, 100) is missed


class OneByOne:
    """An engine that answers one film a turn; those in `failing` have no result."""

    def __init__(self, failing: set[int], left_out: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        self.seconds = Seconds()
        self.answered: list[int] = []
        self.cancelled = False
        self._failing, self._left_out = failing, left_out
        self._waiting: list[tuple[int, int]] = []

    def submit(self, chunk: Chunk) -> None:
        self._waiting += [(chunk.number, index) for index, _ in chunk.items]

    def wait(self, timeout: float) -> Outcome:
        chunk, index = self._waiting.pop(0)
        self.answered.append(index)
        status = FilmStatus.CORRUPT if index in self._failing else FilmStatus.OK
        status = FilmStatus.LEFT_OUT if index in self._left_out else status
        is_last = all(number != chunk for number, _ in self._waiting)
        return Outcome([Row(index, NO_FRAME, status, "")], [chunk] if is_last else [])

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def facts(self) -> Facts:
        raise AssertionError("handing out needs no facts")

    def ahead(self) -> int:
        return 4

    def workers(self) -> int:
        return 1

    def nodes(self) -> int:
        return 1

    def close(self) -> None:
        pass


def run(job: Job, engine: OneByOne, bar: Bar | None, *, several_frames: bool = False) -> None:
    with SILENT.stage("predicting", None) as stage:
        dispatch(job, engine, stage, Watch(job, bar, several_frames=several_frames))


@pytest.mark.parametrize(("text", "last"), [("2", 2), ("2%", 2), ("0", 0), ("4.9%", 4)])
def test_a_run_stops_with_the_first_film_too_many(tmp_path: Path, text: str, last: int) -> None:
    engine = OneByOne(set(range(50)))
    with Job(tmp_path / "j.job") as job:
        job.begin(ITEMS, {})
        with pytest.raises(BarMissed, match=f"corrupt {last + 1}") as caught:
            run(job, engine, parse_bar(text))
        assert job.count_done() == last + 1
    assert engine.answered == list(range(last + 1))
    assert engine.cancelled
    assert "goes on" in caught.value.hint


def test_a_run_that_was_stopped_goes_on_under_a_larger_bar(tmp_path: Path) -> None:
    with Job(tmp_path / "j.job") as job:
        job.begin(ITEMS, {})
        with pytest.raises(BarMissed):
            run(job, OneByOne(set(range(5))), parse_bar("2"))
        again = OneByOne(set(range(5)))
        with pytest.raises(BarMissed):  # the same bar: nothing is done to no end
            run(job, again, parse_bar("2"))
        assert again.answered == []
        run(job, again, parse_bar("5%"))
        assert again.answered == list(range(3, 100))


def test_a_bar_that_the_last_film_misses_stops_nothing(tmp_path: Path) -> None:
    """Everything is done: the table is written, and the exit code says the rest."""
    with Job(tmp_path / "j.job") as job:
        job.begin(ITEMS, {})
        run(job, OneByOne({99}), parse_bar("0"))
        assert job.count_done() == 100


def test_a_share_is_of_the_films_that_are_asked_for(tmp_path: Path) -> None:
    """Sixty are left out: five failures of forty are more than 10 %."""
    engine = OneByOne(set(range(60, 65)), left_out=set(range(60)))
    with Job(tmp_path / "j.job") as job:
        job.begin(ITEMS, {})
        with pytest.raises(BarMissed, match="of 40"):
            run(job, engine, parse_bar("10%"))
    assert engine.answered[-1] == 64


def test_a_share_of_frames_is_judged_at_the_end(tmp_path: Path) -> None:
    with Job(tmp_path / "j.job") as job:
        job.begin(ITEMS, {})
        run(job, OneByOne(set(range(50))), parse_bar("2%"), several_frames=True)
        assert job.count_done() == 100
    with Job(tmp_path / "k.job") as job:
        job.begin(ITEMS, {})
        with pytest.raises(BarMissed):
            run(job, OneByOne(set(range(50))), parse_bar("2"), several_frames=True)
