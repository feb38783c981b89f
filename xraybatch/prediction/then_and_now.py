"""Rows of a table as the run wrote them, held against the same rows as they come out now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import InputError
from xraybatch.core.status import DEPENDS_ON_THE_DAY, FilmStatus
from xraybatch.prediction.rows import Columns
from xraybatch.sources.keys import order_key

if TYPE_CHECKING:
    import numpy as np

_EXAMPLES = 10

Place = tuple[bytes, int]  # what rows are ordered by: the path's bytes, then the frame


class Comparison:
    """Rows of then and now, counted as they come.

    Parameters
    ----------
    columns : Columns
        Of the table.
    tolerance : float
        Of probabilities.
    exact : bool
        Take rows that are within it as different all the same.

    Attributes
    ----------
    compared : int
        Rows with an answer then and now.
    forbidden : int
        Rows of films that are not given to us now, and were then.
    """

    def __init__(self, columns: Columns, *, tolerance: float, exact: bool) -> None:
        self.compared = self.forbidden = 0
        self._floats = columns.floats
        self._answers = set(columns.names) - columns.floats - {"path", "status", "error"}
        self._tolerance = tolerance
        self._exact = exact
        self._counts: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._classes = 0
        self._largest = 0.0
        self._examples: list[str] = []

    def add(self, old: dict[str, str], new: dict[str, str] | None) -> None:
        """Compare a row of then with that of now; None: there is none."""
        verdict = self._verdict(old, new or {})
        self._counts[verdict] += 1
        if verdict == "different" and len(self._examples) < _EXAMPLES:
            self._examples.append(old["path"])

    def found(self) -> dict[str, Any]:
        """What came of it, as `Recomputed` has it."""
        verdicts = ("same", "close", "different", "undecided")
        return {
            **{verdict: self._counts[verdict] for verdict in verdicts},
            "changed_classes": self._classes,
            "changed_statuses": dict(self._statuses.most_common()),
            "largest_difference": self._largest,
            "tolerance": self._tolerance,
            "examples": self._examples,
        }

    def _verdict(self, old: dict[str, str], new: dict[str, str]) -> str:
        was, now = old["status"], new.get("status", "no row")
        if was != now:
            self._statuses[f"{was} → {now}"] += 1
            # which says something of us, and nothing of the film
            self.forbidden += now == FilmStatus.FORBIDDEN
            nobody_knows = was in DEPENDS_ON_THE_DAY or now == FilmStatus.FORBIDDEN
            return "undecided" if nobody_knows else "different"
        if was != FilmStatus.OK:
            return "same"
        import numpy as np

        self.compared += 1
        pairs = [(_number(old.get(n, "")), np.float32(new[n])) for n in self._floats]
        largest = max((abs(float(a) - float(b)) for a, b in pairs), default=0.0)
        self._largest = max(self._largest, largest)
        other_answer = any(old.get(name) != new[name] for name in self._answers)
        self._classes += other_answer
        if other_answer:
            return "different"
        if all(a.tobytes() == b.tobytes() for a, b in pairs):
            return "same"
        return "different" if self._exact or not largest <= self._tolerance else "close"


def side_by_side(
    old_rows: Iterator[dict[str, str]], new_rows: Iterator[dict[str, str]], table: Path
) -> Iterator[tuple[dict[str, str], dict[str, str] | None]]:
    """Rows of then with those of now; both are in the order of their places.

    Raises
    ------
    InputError
        If those of then, which are of `table`, are not.
    """
    new = next(new_rows, None)
    last: Place | None = None
    for old in old_rows:
        place = _place(old)
        if last is not None and place <= last:
            raise InputError(
                f"The rows of {table} are not in the order in which they were written.",
                "Give the table as `xraybatch predict` wrote it.",
            )
        last = place
        while new is not None and _place(new) < place:
            new = next(new_rows, None)
        yield old, new if new is not None and _place(new) == place else None


def _number(text: str) -> np.float32:
    """A probability; NaN for a cell that somebody changed to what is none."""
    import numpy as np

    try:
        return np.float32(text or "nan")
    except ValueError:
        return np.float32("nan")


def _place(row: dict[str, str]) -> Place:
    frame = row.get("frame") or "-1"
    try:
        return order_key(row["path"]), int(frame)
    except ValueError:
        raise InputError(
            f"'{frame}' is no number of a frame.", "Give the table as `xraybatch predict` wrote it."
        ) from None
