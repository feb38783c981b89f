"""`xraybatch.train`: films and labels to a run with a sealed model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Unpack

from xraybatch.api.quiet import or_quiet
from xraybatch.api.scoring import shown
from xraybatch.core.errors import UsageError
from xraybatch.core.label_maps import map_text
from xraybatch.core.progress import Progress
from xraybatch.extension.records import OptionValue
from xraybatch.reports.card_text import card_fragment
from xraybatch.reports.html_text import score_html, text
from xraybatch.training import train as training
from xraybatch.training.options import TrainKeywords, TrainOptions
from xraybatch.training.presets import place_of, preset_options, preset_values


class Run(training.Run):
    """What `train` returns: ``folder``, ``model``, ``card``, ``report``; a notebook shows it."""

    def _repr_html_(self) -> str:
        place = f"<p><b>Run folder:</b> {text(str(self.folder))}</p>"
        score = score_html(self.report) if self.report else "<p>No film was held back.</p>"
        if self.card is None:
            return f"<div>{place}{score}</div>"
        card = f"<details><summary>Model card</summary>{card_fragment(self.card)}</details>"
        return f"<div>{place}{score}{card}</div>"

    def __repr__(self) -> str:
        return f"<Run {self.folder}, {self.report!r}>"


def train(
    plugin: str | None = None,
    *,
    preset: str | None = None,
    data: str | Path | None = None,
    labels: str | Path | None = None,
    out: str | Path | None = None,
    task: str | Sequence[str] = (),
    label_map: Mapping[Any, str] | str | None = None,
    options: Mapping[str, OptionValue] | None = None,
    resume: str | Path | None = None,
    progress: Progress | None = None,
    **more: Unpack[TrainKeywords],
) -> Run:
    """Train a model on labelled films and seal it into one file.

    What ``xraybatch train`` does; it needs the extra ``train``.

    Parameters
    ----------
    plugin : str, optional
        Name of an architecture: ``xraybatch plugins`` lists them; None: the preset's.
    preset : str, optional
        A published project, which sets whatever is not given here.
    data : path, optional
        Folder of films; None: the synthetic sample films.
    labels : path, optional
        Labels table; None: ``labels.csv`` in `data`, else class folders.
    out : path, optional
        The run folder; None: the next ``runs/<date>-<plugin>-<n>``.
    task : str or sequence of str
        ``NAME[:KIND[=CLASS,…]]``.
    label_map : mapping of str to str, or str, optional
        Value of the labels → class; to the empty string: not labelled.
    options : mapping, optional
        The architecture's own: what ``-O key=value`` gives.
    resume : path, optional
        A run that was stopped: it goes on as it was asked for, so nothing but `tolerance` is given.
    progress : Progress, optional
    **more
        Every further option of the command by its name: ``epochs=30``, ``image_size="256"``, …;
        `xraybatch.TrainOptions` describes each.

    Returns
    -------
    Run
        ``folder``, ``model`` (the file), ``card``, ``report`` (the score of the held-back films);
        for ``folds=5`` without ``refit=True`` there is neither model nor card.

    Raises
    ------
    XraybatchError
        With the sentence and hint that the command would print.
    """
    if resume is not None:
        tolerance = more.pop("tolerance", None)
        named = (plugin, preset, data, labels, out, task, label_map, options, more)
        if any(value not in (None, (), {}) for value in named):
            raise UsageError(
                "Options are given beside resume.",
                "A run goes on as it was asked for; leave the other options out.",
            )
        run = training.resume(Path(resume), or_quiet(progress), tolerance=tolerance)
        return _shown(run)
    if plugin is None and preset is None:
        raise UsageError("Neither a plugin nor a preset is named.", 'Try train("narrow").')
    given: dict[str, Any] = {
        "plugin": plugin,
        "data": _path(data),
        "labels": _path(labels),
        "out": _path(out),
        "task": (task,) if isinstance(task, str) else tuple(task),
        "label_map": None if label_map is None else map_text(label_map),
        "option": tuple(f"{key}={value}" for key, value in (options or {}).items()),
    }
    values = {name: value for name, value in given.items() if value not in (None, ())}
    if preset is not None:
        values = {**preset_values(preset), **values}
        if data is None and labels is None:
            values["data"] = place_of(preset)
        given_options = values.get("option", ())
        values["option"], left_out = preset_options(preset, values["plugin"], given_options)
        if left_out:
            or_quiet(progress).note(left_out)
    return _shown(training.train(TrainOptions(**{**values, **more}), or_quiet(progress)))


def _shown(run: training.Run) -> Run:
    report = None if run.report is None else shown(run.report)
    shape = {f.name: getattr(run, f.name) for f in fields(run)}
    return Run(**{**shape, "report": report})


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
