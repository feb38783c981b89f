"""`xraybatch.compare`: models side by side, or the settings that one run tried."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console

from xraybatch.api.quiet import or_quiet
from xraybatch.comparison.compare import compare_models
from xraybatch.comparison.tries import tries_alone
from xraybatch.core.label_maps import map_text
from xraybatch.core.progress import Progress
from xraybatch.evaluation import comparison as evaluation
from xraybatch.evaluation import tries as tried
from xraybatch.evaluation.pairs import Wish
from xraybatch.reports.comparison import comparison_sections
from xraybatch.reports.comparison_console import print_comparison
from xraybatch.reports.files import (
    FORMS_OF_COMPARISON,
    check_report_path,
    comparison_markdown,
    write_comparison,
)
from xraybatch.reports.html_text import sections_html
from xraybatch.reports.scoring import score_options
from xraybatch.reports.tries import print_tries, tries_sections
from xraybatch.training.train import Run

_WIDTH = 100


class Comparison(evaluation.Comparison):
    """What `compare` returns: a tree of frozen dataclasses that can show itself.

    ``print(comparison)`` shows what the command prints, a notebook shows tables; `to_dict` gives
    plain values, `to_markdown` a page, `save` a file.
    """

    def to_markdown(self) -> str:
        """The comparison as Markdown."""
        return comparison_markdown(self)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write it down; the suffix decides: ``.html``, ``.md`` or ``.json``.

        Raises
        ------
        UsageError
            If the suffix says none of them.
        InputError
            If a file is there already and may not be overwritten.
        """
        _save(self, path, overwrite=overwrite)

    def __str__(self) -> str:
        return _printed(lambda console: print_comparison(self, console))

    def _repr_html_(self) -> str:
        return sections_html(comparison_sections(self))

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(model.name for model in self.models)}>"


class Tries(tried.Tries):
    """What `compare` returns of one run: the settings that it tried; shows itself likewise."""

    def to_markdown(self) -> str:
        """The settings as Markdown."""
        return comparison_markdown(self)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write them down, as `Comparison.save` does."""
        _save(self, path, overwrite=overwrite)

    def __str__(self) -> str:
        return _printed(lambda console: print_tries(self, console))

    def _repr_html_(self) -> str:
        return sections_html(tries_sections(self))

    def __repr__(self) -> str:
        return f"<Tries of {self.run}>"


def compare(
    *models: str | Path | Run,
    labels: str | Path | None = None,
    positive: str | None = None,
    primary: str | None = None,
    margin: float | None = None,
    disagreements: str | Path | None = None,
    overwrite: bool = False,
    path_column: str = "path",
    label_column: str | None = None,
    patient_column: str | None = None,
    label_map: Mapping[Any, str] | str | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison | Tries:
    """Set models side by side on the same films, with what they cost.

    What ``xraybatch compare`` does.

    Parameters
    ----------
    *models : path or Run
        Runs, or results tables; differences are to the first. One run alone shows the settings that
        it tried, and takes none of the options below.
    labels : path, optional
        The truth; needed for results tables, and goes before what runs were scored by.
    positive : str, optional
        The class that sensitivity speaks of.
    primary : str, optional
        The number that models are told apart by, such as ``"accuracy"``; None: AUC, for ordered
        grades the quadratic kappa.
    margin : float, optional
        How much worse than the first a model may be by that number, chosen beforehand.
    disagreements : path, optional
        Where to write the films that the models answered differently, as ``.csv``.
    overwrite : bool
        Whether that file may be there already.
    path_column, label_column, patient_column : str, optional
        Of the labels.
    label_map : mapping of value to class, or str, optional
        As `score` takes it.
    confidence, resamples, seed
        Of the intervals.
    progress : Progress, optional
        Is warned where the films are not the same; None: Python warnings.

    Returns
    -------
    Comparison or Tries
        A tree of frozen dataclasses; shows itself in a notebook. `to_dict` makes plain values of
        it (``docs/comparison.schema.json``).

    Raises
    ------
    XraybatchError
        With the sentence and hint that the command would print.
    """
    paths = [model.folder if isinstance(model, Run) else Path(model) for model in models]
    scoring: dict[str, Any] = {
        "path_column": path_column,
        "label_column": label_column,
        "patient_column": patient_column,
        "label_map": map_text(label_map) if label_map else None,
        "confidence": confidence,
        "resamples": resamples,
        "seed": seed,
    }
    if len(paths) == 1 and labels is None:
        wished = {"primary": primary, "margin": margin, "disagreements": disagreements}
        given = {"positive": positive, **wished, **scoring}
        return Tries(**_fields(tries_alone(paths[0], given)))
    found = compare_models(
        paths,
        None if labels is None else Path(labels),
        positive=positive,
        options=score_options(**scoring),
        wish=Wish(primary, margin),
        disagreements=None if disagreements is None else Path(disagreements),
        overwrite=overwrite,
    )
    if not found.same_films:
        or_quiet(progress).warn("Not the same films", found.sentences[0])
    return Comparison(**_fields(found))


def _fields(found: Any) -> dict[str, Any]:
    return {entry.name: getattr(found, entry.name) for entry in fields(found)}


def _printed(show: Callable[[Console], None]) -> str:
    text = io.StringIO()
    show(Console(file=text, width=_WIDTH, highlight=False))
    return text.getvalue()


def _save(found: Comparison | Tries, path: str | Path, *, overwrite: bool) -> None:
    check_report_path(Path(path), overwrite=overwrite, forms=FORMS_OF_COMPARISON)
    write_comparison(found, Path(path))
