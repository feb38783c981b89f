"""Results and labels to numbers: pure functions on arrays and tables; no files, no console.

Comes in: a results table, a labels table, the tasks that the results answer. Goes out: a `Report`,
in which every number is an estimate with its interval or the reason why it has none. `columns`
finds the tasks, `join` the films that are in both tables, `answers` one task's arrays; the numbers
live by family in `classification`, `ranking`, `proportions` and `bootstrap`; `scoring` puts it
together.
"""

from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.report import Report
from xraybatch.evaluation.scoring import score

__all__ = ["Report", "ScoreOptions", "score"]
