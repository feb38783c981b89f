"""``--max-failures``: how many films may have no result, and when that cannot be met any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from xraybatch.core.counting import films, verb
from xraybatch.core.errors import BarMissed, UsageError
from xraybatch.core.status import FilmStatus
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.rows import Row


@dataclass(frozen=True)
class Bar:
    """The most films that may have no result: a number, or a share of all films.

    Attributes
    ----------
    text : str
        As typed: ``20`` or ``2.5%``.
    most : Fraction
        The number, or the share from 0 to 1.
    is_share : bool
    """

    text: str
    most: Fraction
    is_share: bool

    def __str__(self) -> str:
        return self.text

    def is_missed(self, failed: int, total: int) -> bool:
        """Whether so many of `total` films are too many."""
        return failed > (self.most * total if self.is_share else self.most)


def parse_bar(text: str) -> Bar:
    """Read ``20`` or ``2.5%``.

    Raises
    ------
    UsageError
        If it is neither, or no share of 0 to 100 %.
    """
    number, is_share = text.strip().removesuffix("%").strip(), text.strip().endswith("%")
    try:
        # digits and a point alone: a Fraction would also take 1/3, 1e9 and _
        if not number.isascii() or not number.replace(".", "", 1).isdigit():
            raise ValueError
        most = Fraction(number) / (100 if is_share else 1)
    except ValueError:
        most = Fraction(-1)
    if most < 0 or (is_share and most > 1) or (not is_share and most.denominator != 1):
        raise UsageError(
            f"--max-failures '{text}' is no number of films and no share of them.",
            "Write 20, or 2.5% of all films.",
        )
    return Bar(text.strip(), most, is_share)


def check_bar(bar: Bar | None, failed: int, total: int, out: str) -> None:
    """Raise `BarMissed` if a run that is done missed its bar; `out` is where its rows are."""
    if bar is not None and bar.is_missed(failed, total):
        raise BarMissed(
            f"{failed:,} of {films(total)} {verb('has', failed)} no result; --max-failures allows "
            f"{bar}.",
            f"The rows in {out} say why.",
        )


class Watch:
    """Counts the failures of a run that is under way, and stops it when the bar is out of reach.

    Parameters
    ----------
    job : Job
        What earlier runs did counts too.
    bar : Bar or None
        None: nothing is counted.
    several_frames : bool
        An item may have many films: how many there are is known at the end alone, so that a share
        is not judged before.
    """

    def __init__(self, job: Job, bar: Bar | None, *, several_frames: bool = False) -> None:
        self._job = job
        self._bar = None if bar is not None and bar.is_share and several_frames else bar
        self._failed = self._left_out = self._items = 0
        if self._bar is not None:
            self._items = job.count()
            self._recount()

    def check(self, rows: Sequence[Row] = ()) -> None:
        """Count rows that were written.

        Raises
        ------
        BarMissed
            If the bar is out of reach and there are films yet to be done.
        """
        if self._bar is None:
            return
        self._failed += sum(row.status not in _NO_FAILURE for row in rows)
        self._left_out += sum(row.status is FilmStatus.LEFT_OUT for row in rows)
        if not self._bar.is_missed(self._failed, self._items - self._left_out):
            return
        self._recount()  # a row that was written twice is one
        total, done = self._items - self._left_out, self._job.count_done()
        if not self._bar.is_missed(self._failed, total) or done == self._items:
            return
        reasons = ", ".join(f"{name} {count:,}" for name, count in self._reasons().items())
        raise BarMissed(
            f"Stopped: {films(self._failed)} of {total:,} {verb('has', self._failed)} no result "
            f"({reasons}), so that --max-failures {self._bar} cannot be met any more.",
            f"What is done, {done:,} of {self._items:,}, is kept in {self._job.path}: the same "
            "command with a larger --max-failures goes on.",
        )

    def _recount(self) -> None:
        self._failed = sum(self._reasons().values())
        self._left_out = sum(self._job.left_out().values())

    def _reasons(self) -> dict[str, int]:
        counts = self._job.counts_by_status()
        return {status: count for status, count in counts.items() if status != FilmStatus.OK}


_NO_FAILURE = frozenset({FilmStatus.OK, FilmStatus.LEFT_OUT})
