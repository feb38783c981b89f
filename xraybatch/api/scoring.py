"""`xraybatch.score`: results and labels to a report."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from xraybatch.api.frames import RECORD, frame_digest
from xraybatch.core.counting import counted
from xraybatch.core.label_maps import map_text
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tables import as_text
from xraybatch.core.tasks import parse_task_request
from xraybatch.evaluation import report as evaluation
from xraybatch.reports.console import print_report
from xraybatch.reports.files import check_report_path, write_report
from xraybatch.reports.given import Given, read_labels, read_results
from xraybatch.reports.html_text import score_html
from xraybatch.reports.markdown import to_markdown
from xraybatch.reports.scoring import score_options, score_tables

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 100


class Report(evaluation.Report):
    """What `score` returns: a tree of frozen dataclasses that can show itself.

    ``print(report)`` shows what the command prints, a notebook shows tables; `to_dict` gives plain
    values, `to_markdown` a page, `save` a file.
    """

    def to_markdown(self) -> str:
        """The report as Markdown."""
        return to_markdown(self)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write it down; the suffix decides: ``.html``, ``.md`` or ``.json``.

        Raises
        ------
        UsageError
            If the suffix says none of them.
        InputError
            If a file is there already and may not be overwritten.
        """
        check_report_path(Path(path), overwrite=overwrite)
        write_report(self, Path(path))

    def __str__(self) -> str:
        text = io.StringIO()
        print_report(self, Console(file=text, width=_WIDTH, highlight=False))
        return text.getvalue()

    def _repr_html_(self) -> str:
        return score_html(self)

    def __repr__(self) -> str:
        tasks = ", ".join(f"{task.task} ({task.kind})" for task in self.tasks)
        return f"<Report on {counted(self.join.matched, 'film')}: {tasks}>"


def score(
    results: str | Path | pd.DataFrame,
    labels: str | Path | pd.DataFrame,
    *,
    task: str | Sequence[str] = (),
    positive: str | None = None,
    path_column: str = "path",
    label_column: str | None = None,
    patient_column: str | None = None,
    label_map: Mapping[Any, str] | str | None = None,
    by: str = "film",
    aggregate: str = "mean",
    by_column: str | None = None,
    threshold: str | Sequence[str] = (),
    prevalence: float | None = None,
    slices: Sequence[str] = (),
    min_slice: int = 20,
    readers: Sequence[str] = (),
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
    label_map : mapping of value to class, or str, optional
        Value of the labels → class; to the empty string: not labelled. ``"0=normal,1=abnormal"``
        says the same.
    by, aggregate, by_column : str, optional
        ``film``, ``study`` or ``patient``; how films are put together (``mean``, ``max``, ``vote``,
        ``noisy-or``); and the column of the study, if it has another name.
    threshold : str or sequence of str
        Rules such as ``"youden"`` or ``"sensitivity>=0.95"``: numbers at thresholds of their own.
    prevalence : float, optional
        Predictive values where the positive class is as common as this.
    slices, readers : sequence of str
        Columns: main numbers for each value; answers of readers beside the model's.
    min_slice : int
        Films that a slice needs.
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
        given_results(results),
        given_labels(labels),
        requests=[parse_task_request(text) for text in ([task] if isinstance(task, str) else task)],
        positive=positive,
        options=score_options(
            path_column=path_column,
            label_column=label_column,
            patient_column=patient_column,
            label_map=map_text(label_map) if label_map else None,
            by=by,
            aggregate=aggregate,
            by_column=by_column,
            thresholds=[threshold] if isinstance(threshold, str) else threshold,
            prevalence=prevalence,
            slices=slices,
            min_slice=min_slice,
            readers=readers,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        ),
        progress=progress or SILENT,
    )
    return shown(report)


def shown(report: evaluation.Report) -> Report:
    """The same report, able to show itself."""
    return Report(**{f.name: getattr(report, f.name) for f in fields(report)})


def given_labels(labels: str | Path | pd.DataFrame) -> Given:
    """Labels of a file or from memory."""
    if isinstance(labels, str | Path):
        return read_labels(labels)
    return Given(as_text(labels), "labels")


def given_results(results: str | Path | pd.DataFrame) -> Given:
    """Results of a file or from memory, with what is known of how they were made."""
    if isinstance(results, str | Path):
        return read_results(results)
    record = dict(results.attrs.get(RECORD, {}))
    digest = frame_digest(results) if record else ""
    # as if it were a file: a table that was edited or filtered is told
    record["results_sha256"] = record.pop("frame_sha256", digest)
    return Given(as_text(results), "results", digest, record if digest else {})
