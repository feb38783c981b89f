"""What stands beside the bar of a run: its pace, what failed so far, and what works on it."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

from xraybatch.core.status import FilmStatus
from xraybatch.prediction.rows import NO_FRAME, Row

_WINDOW = 30.0  # seconds that the pace is of: long enough to be calm, short enough to follow
_REASONS = 3  # shown, the most frequent first
_QUIET = frozenset({FilmStatus.OK, FilmStatus.LEFT_OUT})


class Pace:
    """Follows a run.

    Parameters
    ----------
    works : str
        What works on it: device and processes.
    clock : callable
        Seconds, never going back.
    nodes : callable, optional
        How many machines work on it now; the pace of each is told where there are several.
    """

    def __init__(
        self,
        works: str,
        clock: Callable[[], float] = time.monotonic,
        nodes: Callable[[], int] | None = None,
    ) -> None:
        self._works = works
        self._nodes = nodes
        self._clock = clock
        self._done: deque[tuple[float, int]] = deque([(clock(), 0)])
        self._failed: Counter[str] = Counter()
        self._frames = 0

    def words(self, rows: Iterable[Row]) -> str:
        """Take in rows that were just finished; what to show now.

        Returns
        -------
        str
            Such as ``41.3 films/s, 2 truncated, cpu, 2 processes``.
        """
        count = 0
        for row in rows:
            count += 1
            self._frames += row.frame != NO_FRAME
            if row.status not in _QUIET:
                self._failed[row.status.value] += 1
        now = self._clock()
        self._done.append((now, self._done[-1][1] + count))
        while len(self._done) > 2 and now - self._done[1][0] >= _WINDOW:
            self._done.popleft()
        (begin, before), (end, after) = self._done[0], self._done[-1]
        said = []
        nodes = 1 if self._nodes is None else self._nodes()
        if end > begin:
            rate = (after - before) / (end - begin)
            said.append(f"{rate:,.1f} films/s")
            if nodes > 1:
                said.append(f"{rate / nodes:,.1f} on each of {nodes} nodes")
        said += [f"{self._frames:,} frames"] if self._frames else []
        said += [f"{number:,} {reason}" for reason, number in self._failed.most_common(_REASONS)]
        more = sum(number for _, number in self._failed.most_common()[_REASONS:])
        said += [f"{more:,} otherwise failed"] if more else []
        return ", ".join(filter(None, [*said, self._works]))
