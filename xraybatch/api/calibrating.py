"""`xraybatch.calibrate`: a model, its results and labels to a new sealed model file."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from xraybatch.api.scoring import given_labels, given_results
from xraybatch.core.label_maps import map_text
from xraybatch.core.progress import SILENT, Progress
from xraybatch.evaluation import calibration_report
from xraybatch.reports.calibration_console import print_calibration
from xraybatch.reports.html_text import text
from xraybatch.reports.scoring import score_options
from xraybatch.training import calibrate as use_case
from xraybatch.training.train import Run

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 100


class Calibration(calibration_report.CalibrationReport):
    """What `calibrate` returns: what was fitted, and what that does to films that fitted nothing.

    ``print(calibration)`` shows what the command prints; `to_dict` gives plain values.
    """

    def __str__(self) -> str:
        shown = io.StringIO()
        print_calibration(self, Console(file=shown, width=_WIDTH, highlight=False))
        return shown.getvalue()

    def _repr_html_(self) -> str:
        return f"<pre>{text(str(self))}</pre>"

    def __repr__(self) -> str:
        tasks = ", ".join(f"{task.task} ({task.method})" for task in self.tasks)
        return f"<Calibration of {self.model}: {tasks}>"


def calibrate(
    model: str | Path | Run,
    results: str | Path | pd.DataFrame,
    labels: str | Path | pd.DataFrame,
    *,
    out: str | Path,
    method: str = "temperature",
    threshold: str | float | None = None,
    coverage: float | None = None,
    sets: str = "lac",
    by_class: bool = False,
    task: str | Sequence[str] = (),
    path_column: str = "path",
    label_column: str | None = None,
    patient_column: str | None = None,
    label_map: Mapping[Any, str] | str | None = None,
    allow_seen: bool = False,
    overwrite: bool = False,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Fit probabilities, thresholds and sets of classes to labelled films.

    What ``xraybatch calibrate`` does.

    Parameters
    ----------
    model : path or Run
        A model file, or a run or its folder.
    results : path or DataFrame
        What `xraybatch.predict` returned or wrote with this model, of films that it was not trained
        on.
    labels : path or DataFrame
        With ``path``, the truth, and better ``patient``.
    out : path
        The new model file: the same graph, another card, a seal of its own.
    method : str
        ``temperature``, ``platt`` (binary and multilabel tasks), ``isotonic`` or ``none``.
    threshold : str or float, optional
        ``youden``, ``f1``, ``cost=5:1``, ``sensitivity>=0.95``, ``specificity>=0.9``, or a number;
        for binary and multilabel tasks.
    coverage : float, optional
        Share of the films whose class is to be in their set; None: no sets.
    sets : str
        ``lac`` or ``aps``.
    by_class : bool
        Hold the coverage for the films of each class.
    task : str or sequence of str
        Names; none: every task of the model.
    path_column, label_column, patient_column, label_map
        As of `xraybatch.score`.
    allow_seen : bool
        Fit on films that the model was trained on, too.
    overwrite : bool
        Replace a model file that is there.
    confidence, resamples, seed
        Of the intervals.
    progress : Progress, optional

    Returns
    -------
    Calibration
        Shows itself; `to_dict` makes plain values of it.

    Raises
    ------
    XraybatchError
        With the sentence and hint that the command would print.
    """
    options = use_case.CalibrateOptions(
        method=method,
        threshold=None if threshold is None else str(threshold),
        coverage=coverage,
        sets=sets,
        by_class=by_class,
        tasks=(task,) if isinstance(task, str) else tuple(task),
        allow_seen=allow_seen,
        overwrite=overwrite,
        scoring=score_options(
            path_column=path_column,
            label_column=label_column,
            patient_column=patient_column,
            label_map=map_text(label_map) if label_map else None,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        ),
    )
    _, report = use_case.calibrate(
        (model.model or model.folder) if isinstance(model, Run) else Path(model),
        given_results(results),
        given_labels(labels),
        Path(out),
        options=options,
        progress=progress or SILENT,
    )
    return Calibration(**{f.name: getattr(report, f.name) for f in fields(report)})
