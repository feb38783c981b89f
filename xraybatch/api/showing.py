"""`xraybatch.show`: one film, its answer, and where the answer is sensitive."""

from __future__ import annotations

import base64
import io
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from xraybatch.api.classifier import Classifier, model_of
from xraybatch.api.quiet import or_quiet
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.progress import Progress
from xraybatch.reports.film import picture, with_heat
from xraybatch.reports.film_console import print_view
from xraybatch.reports.plots import save_png, to_png
from xraybatch.training.train import Run
from xraybatch.viewing import view as viewing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDTH = 100


class View(viewing.View):
    """What `show` returns: the film, its answers, and the heat map where it was asked for.

    A notebook shows the picture, ``print(view)`` what the command prints; `save` writes the PNG,
    `image` gives the film with its heat map as an array.
    """

    @property
    def image(self) -> NDArray[np.uint8]:
        """The film in colour, its heat map over it: uint8, ``(rows, columns, 3)``."""
        return with_heat(self)

    def to_png(self) -> bytes:
        """The picture that the command writes: film, heat map and answers side by side."""
        return to_png(picture(self))

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the picture.

        Raises
        ------
        UsageError
            If it is not called ``.png``.
        InputError
            If a file is there already and may not be overwritten.
        """
        path = Path(path)
        if path.suffix.lower() != ".png":
            raise UsageError(f"A picture cannot be written as '{path.name}'.", "Name it .png.")
        if path.exists() and not overwrite:
            raise InputError(
                f"{path} is there already and is not overwritten.",
                "Choose another name, or pass overwrite=True.",
            )
        save_png(picture(self), path)

    def __str__(self) -> str:
        text = io.StringIO()
        print_view(self, Console(file=text, width=_WIDTH, highlight=False))
        return text.getvalue()

    def _repr_html_(self) -> str:
        content = base64.b64encode(self.to_png()).decode("ascii")
        return f'<img style="max-width:100%" src="data:image/png;base64,{content}">'

    def __repr__(self) -> str:
        heat = " with heat map" if self.heat is not None else ""
        return f"<View of {self.name}{heat}>"


def show(
    film: str | Path,
    model: str | Path | Run | Classifier | None = None,
    *,
    heatmap: bool = False,
    of_class: str | None = None,
    task: str | None = None,
    by: str | None = None,
    frame: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> View:
    """Show one film with the model's answer, and where it is sensitive.

    What ``xraybatch show`` does. A heat map shows where the answer changes with the film; it says
    nothing about why, and explains no disease.

    Parameters
    ----------
    film : path
    model : path, Run or Classifier, optional
        None: the newest run in ``./runs``, else the demonstration model.
    heatmap : bool
        Whether to find where the answer is sensitive.
    of_class, task : str, optional
        What the heat map is about; None: the answer, of the first task.
    by : str, optional
        ``activation`` or ``occlusion``; None: activation, where the model gives maps.
    frame : int
        From 0.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    progress : Progress, optional
        None: silent, but for Python warnings.

    Returns
    -------
    View
        Shows itself in a notebook.

    Raises
    ------
    XraybatchError
        With the sentence and hint that the command would print.
    """
    if not heatmap and (of_class or task or by):
        raise UsageError("of_class, task and by are about the heat map.", "Pass heatmap=True.")
    told = or_quiet(progress)
    found = viewing.view_film(
        Path(film),
        model_of(model, told),
        frame=frame,
        heatmap=heatmap,
        task=task,
        of_class=of_class,
        method=by,
        device=device,
        progress=told,
    )
    return View(**{f.name: getattr(found, f.name) for f in fields(found)})
