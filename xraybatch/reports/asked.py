"""A score as the command line asks for it, which a capsule keeps and asks again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tasks import parse_task_request
from xraybatch.evaluation.bars import check_names
from xraybatch.evaluation.report import Report
from xraybatch.reports.capsule import CHOSEN_LABELS, CHOSEN_ON, LABELS, RESULTS, write_capsule
from xraybatch.reports.families import all_numbers
from xraybatch.reports.given import Given, read_labels, read_results
from xraybatch.reports.keyed_names import read_key, without_names
from xraybatch.reports.recorded import tasks_of
from xraybatch.reports.scoring import score_options, score_tables


class Scoring:
    """A score as the command line asks for it: tables by role, options as typed.

    Parameters
    ----------
    tables : mapping of str to Path
        By role of `xraybatch.reports.capsule.ROLES`.
    asked : mapping
        Options by name, as the command line has them or a capsule keeps them.
    progress : Progress
    names : mapping of str to str, optional
        By role, what the report calls the tables; their files' names by default.

    Attributes
    ----------
    results, labels : Given
    how : dict
        Keywords of `score_tables`.
    """

    def __init__(
        self,
        tables: Mapping[str, Path],
        asked: Mapping[str, Any],
        progress: Progress,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self._tables, self._asked = dict(tables), dict(asked)
        self._names = names or {role: path.name for role, path in tables.items()}
        options = {k: v for k, v in asked.items() if k not in ("tasks", "positive")}
        self.how: dict[str, Any] = {
            "requests": [parse_task_request(text) for text in asked["tasks"]],
            "positive": asked["positive"],
            "options": score_options(**options),
            "progress": progress,
        }
        self.results = self._read(RESULTS, read_results)
        self.labels = self._read(LABELS, read_labels)
        self._chosen_on: tuple[Given, Given] | None = None
        if CHOSEN_ON in tables:
            same = tables[CHOSEN_LABELS] == tables[LABELS]
            labels = self.labels if same else self._read(CHOSEN_LABELS, read_labels)
            self._chosen_on = self._read(CHOSEN_ON, read_results), labels

    def check_bars(self, bars: Sequence[str]) -> None:
        """Say before anything is scored that a bar names no number; see `bars.check_names`."""
        tasks = tasks_of(self.results, self.how["requests"], self.how["positive"])
        metrics = (metric.name for metric in self.how["options"].metrics)
        check_names(bars, tasks, all_numbers(metrics))

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
        """Write a capsule; with a key, its tables and report have keyed hashes for names."""
        if key_file is None:
            write_capsule(target, self._tables, self._names, self._asked, report)
            return
        tasks = tasks_of(self.results, self.how["requests"], self.how["positive"])
        roles = [(RESULTS, LABELS)]
        if CHOSEN_ON in self._tables:
            roles.append((CHOSEN_ON, CHOSEN_LABELS))
        pairs = [(self._tables[one], self._tables[other]) for one, other in roles]
        with TemporaryDirectory(prefix="xraybatch-names-") as folder:
            found = without_names(pairs, Path(folder), read_key(key_file), tasks, self._asked)
            tables = {
                role: path
                for of_pair, paths in zip(roles, found, strict=True)
                for role, path in zip(of_pair, paths, strict=True)
            }
            # sentences of the report may have names in them too
            hashed = Scoring(tables, self._asked, SILENT)
            names = {role: path.name for role, path in tables.items()}
            write_capsule(target, tables, names, self._asked, hashed.report())

    def _read(self, role: str, read: Callable[[Path], Given]) -> Given:
        return replace(read(self._tables[role]), name=self._names[role])
