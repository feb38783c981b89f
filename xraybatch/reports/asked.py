"""A score as the command line asks for it, which a capsule keeps and asks again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xraybatch.core.progress import Progress
from xraybatch.core.tasks import parse_task_request
from xraybatch.evaluation.report import Report
from xraybatch.reports.capsule import CHOSEN_LABELS, CHOSEN_ON, LABELS, RESULTS, write_capsule
from xraybatch.reports.keyed_names import read_key, without_names
from xraybatch.reports.scoring import (
    Given,
    read_labels,
    read_results,
    score_options,
    score_tables,
    tasks_of,
)


class Scoring:
    """A score as the command line asks for it: tables by role, options as typed.

    Parameters
    ----------
    tables : mapping of str to Path
        By role of `xraybatch.reports.capsule.ROLES`.
    asked : mapping
        Options by name, as the command line has them or a capsule keeps them.
    progress : Progress

    Attributes
    ----------
    results, labels : Given
    how : dict
        Keywords of `score_tables`.
    """

    def __init__(
        self, tables: Mapping[str, Path], asked: Mapping[str, Any], progress: Progress
    ) -> None:
        self._tables, self._asked = dict(tables), dict(asked)
        options = {k: v for k, v in asked.items() if k not in ("tasks", "positive")}
        self.how: dict[str, Any] = {
            "requests": [parse_task_request(text) for text in asked["tasks"]],
            "positive": asked["positive"],
            "options": score_options(**options),
            "progress": progress,
        }
        self.results, self.labels = read_results(tables[RESULTS]), read_labels(tables[LABELS])
        self._chosen_on: tuple[Given, Given] | None = None
        if CHOSEN_ON in tables:
            same = tables.get(CHOSEN_LABELS, tables[LABELS]) == tables[LABELS]
            labels = self.labels if same else read_labels(tables[CHOSEN_LABELS])
            self._chosen_on = read_results(tables[CHOSEN_ON]), labels

    def report(self, aggregated: Path | None = None) -> Report:
        """Score."""
        return score_tables(
            self.results,
            self.labels,
            chosen_on=self._chosen_on,
            aggregated=aggregated,
            **self.how,
        )

    def pack(self, target: Path, report: Report, key_file: Path | None = None) -> None:
        """Write a capsule; with a key, its tables have keyed hashes for names."""
        if key_file is None:
            write_capsule(target, self._tables, self._asked, report)
            return
        tasks = tasks_of(self.results, self.how["requests"], self.how["positive"])
        pairs = [(self._tables[RESULTS], self._tables[LABELS])]
        if CHOSEN_ON in self._tables:
            labels = self._tables.get(CHOSEN_LABELS, self._tables[LABELS])
            pairs.append((self._tables[CHOSEN_ON], labels))
        with TemporaryDirectory(prefix="xraybatch-names-") as folder:
            found = without_names(pairs, Path(folder), read_key(key_file), tasks, self._asked)
            tables = dict(zip((RESULTS, LABELS), found[0], strict=True))
            if len(found) > 1:
                tables |= dict(zip((CHOSEN_ON, CHOSEN_LABELS), found[1], strict=True))
            write_capsule(target, tables, self._asked, report)
