"""`xraybatch.score`: results and labels to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch.api.frames import RECORD
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tables import as_text
from xraybatch.core.tasks import parse_task_request
from xraybatch.evaluation.report import Report
from xraybatch.evaluation.scoring import ScoreOptions
from xraybatch.extension.records import Metric
from xraybatch.extension.registry import registry
from xraybatch.reports.html_text import score_html
from xraybatch.reports.scoring import Given, read_labels, read_results, score_tables

if TYPE_CHECKING:
    import pandas as pd


class ShownReport(Report):
    """A `Report` that a notebook shows as tables."""

    def _repr_html_(self) -> str:
        return score_html(self)

    def __repr__(self) -> str:
        tasks = ", ".join(f"{task.task} ({task.kind})" for task in self.tasks)
        return f"<Report on {self.join.matched:,} films: {tasks}>"


def score(
    results: str | Path | pd.DataFrame,
    labels: str | Path | pd.DataFrame,
    *,
    task: str | Sequence[str] = (),
    positive: str | None = None,
    path_column: str = "path",
    label_column: str | None = None,
    patient_column: str | None = None,
    label_map: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Compare results with labels: numbers with intervals.

    What ``xraybatch score`` does.

    Parameters
    ----------
    results : path or DataFrame
        What `xraybatch.predict` returned or wrote.
    labels : path or DataFrame
        With ``path``, the truth, and better ``patient``.
    task : str or sequence of str
        ``NAME[:KIND[=CLASS,…]]``, where the results do not say their tasks themselves.
    positive : str, optional
        The class that sensitivity speaks of.
    path_column, label_column, patient_column : str, optional
        Of the labels.
    label_map : mapping of str to str, optional
        Value of the labels → class; to the empty string: not labelled.
    confidence, resamples, seed
        Of the intervals.
    progress : Progress, optional
        What it would be told stands in the report too.

    Returns
    -------
    Report
        A tree of frozen dataclasses (``docs/report.schema.json``); shows itself in a notebook.
        `to_dict` makes plain values of it.

    Raises
    ------
    XraybatchError
        With the sentence and hint that the command would print.
    """
    report = score_tables(
        _given_results(results),
        read_labels(labels) if isinstance(labels, str | Path) else Given(as_text(labels), "labels"),
        requests=[parse_task_request(text) for text in ([task] if isinstance(task, str) else task)],
        positive=positive,
        options=ScoreOptions(
            path_column=path_column,
            label_column=label_column,
            patient_column=patient_column,
            label_map=dict(label_map or {}),
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            metrics=[owned.record for owned in registry().records(Metric)],
        ),
        progress=progress or SILENT,
    )
    return shown(report)


def shown(report: Report) -> ShownReport:
    """The same report, for a notebook."""
    return ShownReport(**{f.name: getattr(report, f.name) for f in fields(report)})


def _given_results(results: str | Path | pd.DataFrame) -> Given:
    if isinstance(results, str | Path):
        return read_results(results)
    return Given(as_text(results), "results", record=results.attrs.get(RECORD, {}))
