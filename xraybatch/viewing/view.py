"""One film, what a model says of it, and where the answer is sensitive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import InputError, ModelError, UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.status import FilmError
from xraybatch.core.tasks import TaskKind
from xraybatch.images.decode import decode_path
from xraybatch.images.film import FilmFacts
from xraybatch.images.unfit import unfit
from xraybatch.models.calibration import abstains, calibrated, sets
from xraybatch.models.card import TaskCard, decide
from xraybatch.models.model import Model
from xraybatch.models.selftest import are_probabilities, check_decoder
from xraybatch.models.session import Session
from xraybatch.viewing.heatmap import HeatMap, heat_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 768  # pixels of the longer side of a film that is shown
_SHORTEST = 8  # what a rule allows


@dataclass(frozen=True)
class Answer:
    """What a model says to one task of a film.

    Attributes
    ----------
    entry : TaskCard
    probabilities : ndarray of float32, shape (K,)
        Calibrated, where the card has a calibration.
    found : tuple of str
        The class that it decides for; for multilabel the findings, perhaps none.
    may_be : tuple of str or None
        The classes of its conformal set; None where the card has no levels.
    abstains : bool
        Whether the film is for a person.
    """

    entry: TaskCard
    probabilities: NDArray[np.float32]
    found: tuple[str, ...]
    may_be: tuple[str, ...] | None = None
    abstains: bool = False


@dataclass(frozen=True)
class View:
    """A film as it is shown.

    Attributes
    ----------
    name : str
        Of the file.
    pixels : ndarray of uint8, shape (rows, columns)
        Upright, in the film's own aspect ratio, decoded as the model's films are.
    facts : FilmFacts
    answers : tuple of Answer
        In the card's order.
    heat : HeatMap or None
    heat_pixels : ndarray of float32, shape (rows, columns), or None
        The heat map laid over `pixels`; NaN where the model did not see the film.
    sentences : tuple of str
        What a person should know.
    """

    name: str
    pixels: NDArray[np.uint8]
    facts: FilmFacts
    answers: tuple[Answer, ...]
    heat: HeatMap | None
    heat_pixels: NDArray[np.float32] | None
    sentences: tuple[str, ...]


def view_film(
    path: Path,
    model: Model,
    *,
    frame: int = 0,
    heatmap: bool = False,
    task: str | None = None,
    of_class: str | None = None,
    method: str | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> View:
    """Classify one film and lay out what is shown of it.

    Parameters
    ----------
    path : Path
    model : Model
    frame : int
        Which frame, from 0.
    heatmap : bool
        Whether to find where the answer is sensitive.
    task, of_class : str, optional
        What the heat map is about; the first task, and its answer (for multilabel, the most
        probable finding), if None.
    method : str, optional
        As `heat_map` takes it.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    progress : Progress

    Raises
    ------
    UsageError
        If the model has no such task or class.
    InputError
        If the film cannot be read.
    ModelError
        If the model cannot run here, or has no answer.
    """
    asked = _entry(model, task)
    if of_class is not None and of_class not in asked.task.classes:
        raise UsageError(
            f"Task '{asked.task.name}' has no class '{of_class}'.",
            did_you_mean(of_class, asked.task.classes),
        )
    rule = model.card.rule
    check_decoder(model.card)
    try:
        film = decode_path(path, rule, frame=frame)
        shape = _shown_size(film.facts.upright)
        own = replace(rule, height=shape[0], width=shape[1], resize="stretch")
        pixels = decode_path(path, own, frame=frame).pixels
    except FilmError as error:
        raise InputError(
            f"{path} is not shown: {error.status.value}. {error.sentence}",
            "Name another film.",
        ) from None
    session = Session(model, device=device)
    for note in filter(None, (session.note, *film.facts.notes)):
        progress.note(note)
    answers = _answers(film.pixels, session, model)
    heat = laid = None
    if heatmap:
        wanted = of_class or _most_probable(next(a for a in answers if a.entry is asked))
        heat = heat_map(film.pixels, session, asked.task, wanted, method=method, progress=progress)
        laid = unfit(heat.values, rule, shape)
    seen = model.card.hashes and film.digest in model.card.seen_in_training()
    said = [*film.facts.notes]
    if film.facts.frames > 1:
        said.append(f"Frame {frame} of {film.facts.frames}, counted from 0.")
    if seen:
        said.append("The model was trained on this film.")
    if laid is not None and np.isnan(laid).any():
        said.append("The model does not see the dark margins: its rule cuts the middle out.")
    return View(path.name, pixels, film.facts, answers, heat, laid, tuple(said))


def _entry(model: Model, task: str | None) -> TaskCard:
    entries = {entry.task.name: entry for entry in model.card.tasks}
    if task is None:
        return model.card.tasks[0]
    if task not in entries:
        raise UsageError(f"The model has no task '{task}'.", did_you_mean(task, entries))
    return entries[task]


def _shown_size(upright: tuple[int, int]) -> tuple[int, int]:
    scale = LONGEST / max(upright)
    rows, columns = (max(_SHORTEST, round(side * scale)) for side in upright)
    return rows, columns


def _answers(film: NDArray[np.uint8], session: Session, model: Model) -> tuple[Answer, ...]:
    given = session.predict(film[None])
    found = []
    for entry in model.card.tasks:
        values = given[entry.task.name]
        if not are_probabilities(values).all():
            raise ModelError(
                "The model answered with numbers that are no probabilities.",
                "Look at another film; if all are so, train again.",
            )
        shown = calibrated(values, entry)
        decided = decide(shown, entry)
        classes = entry.task.classes
        if entry.task.kind is TaskKind.MULTILABEL:
            names = tuple(n for n, is_found in zip(classes, decided[0], strict=True) if is_found)
        else:
            names = (classes[int(decided[0])],)
        inside = sets(values, entry) if entry.conformal else None
        found.append(
            Answer(
                entry,
                shown[0],
                names,
                None if inside is None else tuple(compress(classes, inside[0])),
                inside is not None and bool(abstains(inside, decided)[0]),
            )
        )
    return tuple(found)


def _most_probable(answer: Answer) -> str:
    if answer.entry.task.kind is TaskKind.MULTILABEL:
        return answer.entry.task.classes[int(np.argmax(answer.probabilities))]
    return answer.found[0]
