"""What a split that leaks would have claimed, in words, in the card and in ``leak.csv``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xraybatch.core.files import write_text
from xraybatch.core.tables import read_table
from xraybatch.evaluation.report import Report
from xraybatch.reports.words import title

LEAK = "leak.csv"
_OF_WHOM = {"patient": "the patients or the pixels", "study": "the studies or the pixels"}


@dataclass(frozen=True)
class Claim:
    """One task's figure by patient, and what a split that leaks would have claimed.

    Attributes
    ----------
    task : str
    figure : str
    value : float
        Of several folds the mean.
    low, high : float or None
        Ends of its interval; of several folds the lowest and the highest.
    claimed : float
    claimed_low, claimed_high : float or None
        Of `claimed`, likewise.
    shared, films : int
        Of the test films behind `claimed`, those whose patient or pixels were trained on; and all.
    splits : int
        How many folds both are means of.
    distributed : bool
        Whether the split that leaks is the one as distributed; else it was dealt at random.
    whole : str
        What does not stand in two parts behind `value`: ``patient``, ``study`` or ``film``.
    """

    task: str
    figure: str
    value: float
    low: float | None
    high: float | None
    claimed: float
    claimed_low: float | None
    claimed_high: float | None
    shared: int
    films: int
    splits: int = 1
    distributed: bool = False
    whole: str = "patient"

    def __str__(self) -> str:
        one = self.splits == 1
        folds = "" if one else f", mean of {self.splits} folds (lowest to highest)"
        honest = "without the overlap" if self.distributed else "by patient"
        split = "a random split of films" if one else "random splits of films"
        if self.distributed:
            split = f"the {'split' if one else 'folds'} as distributed"
        return (
            f"{title(self.figure)} of '{self.task}'{folds}: {honest} {self.value:.2f}"
            f"{self._ends(self.low, self.high)}; {split} would have claimed {self.claimed:.2f}"
            f"{self._ends(self.claimed_low, self.claimed_high)}, having trained on "
            f"{_OF_WHOM.get(self.whole, 'the pixels')} of {self.shared:,} of "
            f"{'its' if one else 'their'} {self.films:,} test films{self._verdict()}."
        )

    def _ends(self, low: float | None, high: float | None) -> str:
        if low is None or high is None:
            return ""
        return f" [{low:.2f}–{high:.2f}]" if self.splits == 1 else f" ({low:.2f} to {high:.2f})"

    def _verdict(self) -> str:
        """Only of intervals: the range of a few folds allows none."""
        if self.splits > 1 or self.high is None or self.claimed_low is None:
            return ""
        if self.claimed_low > self.high:
            return ": the intervals do not overlap, so expect less of new patients"
        if self.claimed > self.value:
            return ": the intervals overlap, so these films are too few to tell"
        return ": that is no more, so no leak shows here"


def with_claims(report: Report, claims: Sequence[Claim]) -> Report:
    """A report that says them."""
    said = {claim.task: str(claim) for claim in claims}
    tasks = [
        replace(task, sentences=(*task.sentences, said[task.task])) if task.task in said else task
        for task in report.tasks
    ]
    return replace(report, tasks=tuple(tasks))


def for_card(scores: Mapping[str, Any], claims: Sequence[Claim]) -> dict[str, Any]:
    """A card's scores, with them."""
    found = dict(scores)
    for claim in claims:
        found[claim.task] = {**found[claim.task], "random_split": str(claim)}
    return found


def write_claims(folder: Path, claims: Sequence[Claim]) -> None:
    """``leak.csv``, where there is any."""
    import pandas as pd

    if claims:
        table = pd.DataFrame([asdict(claim) for claim in claims])
        write_text(folder / LEAK, table.to_csv(index=False, lineterminator="\n"))


def mean_claims(folders: Sequence[Path]) -> list[Claim]:
    """The mean of the folds' figures beside the mean of what their splits would have claimed.

    Means, because the pooled figure ranks films of several networks against each other: that is
    another number, below or above the mean where nothing leaks. Tasks that not every fold has a
    claim of are left out.
    """
    tables = [read_table(folder / LEAK) for folder in folders if (folder / LEAK).exists()]
    rows = [row for table in tables for row in table.to_dict("records")]
    found = []
    for task in dict.fromkeys(row["task"] for row in rows):
        lines = [row for row in rows if row["task"] == task]
        alike = len({(row["distributed"], row["whole"], row["figure"]) for row in lines}) == 1
        if len(lines) != len(folders) or not alike:
            continue
        values, claimed = (
            np.array([float(row[of]) for row in lines]) for of in ("value", "claimed")
        )
        shared, films = (sum(int(row[of]) for row in lines) for of in ("shared", "films"))
        claim = Claim(
            task,
            lines[0]["figure"],
            *(float(values.mean()), float(values.min()), float(values.max())),
            *(float(claimed.mean()), float(claimed.min()), float(claimed.max())),
            *(shared, films, len(lines)),
            distributed=lines[0]["distributed"] == str(True),
            whole=lines[0]["whole"],
        )
        found.append(claim)
    return found
