"""A heat map: where on a film an answer is sensitive, from the model file alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import ModelError
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.models.session import Session
from xraybatch.viewing.occlusion import covered, occlusion_map, patch_at, patches

if TYPE_CHECKING:
    from numpy.typing import NDArray

CAM = "cam."
ACTIVATION, OCCLUSION = "activation", "occlusion"
_HARDLY = 0.05  # a change of a probability that is little
_TINY = 1e-30  # below what a float32 probability can be


@dataclass(frozen=True)
class HeatMap:
    """Where an answer is sensitive.

    Attributes
    ----------
    task, name : str
        The class whose probability it is about.
    method : str
        `ACTIVATION` or `OCCLUSION`.
    values : ndarray of float32, shape (h, w)
        Over the decoded film, 0 to 1: how much a place speaks for the class, 0 being as much as the
        middle place, or less. All 0 where no place differs.
    before, after : float
        Probability of the class, and what it is with the brightest place covered by a patch: a map
        that says the truth points to a place where this matters.
    """

    task: str
    name: str
    method: str
    values: NDArray[np.float32]
    before: float
    after: float

    @property
    def sentence(self) -> str:
        """What it shows, for below a picture."""
        how = (
            "by the network's last maps"
            if self.method == ACTIVATION
            else "by covering one place after the other"
        )
        if not self.values.any():
            return f"No place matters more for '{self.name}' than another ({how})."
        effect = (
            f"Covering the reddest place takes the probability from {self.before:.3f} to "
            f"{self.after:.3f}"
        )
        if self.method == ACTIVATION and self.before - self.after < _HARDLY:
            effect += ", which is little: --by occlusion looks closer"
        return (
            f"Yellow to red: where the answer '{self.name}' is sensitive to the film, {how}. "
            f"{effect}. It explains no disease."
        )


def heat_map(
    film: NDArray[np.uint8],
    session: Session,
    task: Task,
    name: str,
    *,
    method: str | None = None,
    progress: Progress = SILENT,
) -> HeatMap:
    """Find where on a decoded film the probability of a class comes from.

    By the graph's ``cam.<task>`` where it has one, else by occlusion, if `method` is None. Maps
    cost nothing, are coarse, and may lie a cell beside what was seen; occlusion costs hundreds of
    answers and shows what the answer really depends on.

    Parameters
    ----------
    film : ndarray of uint8, shape (height, width)
        As the model's rule decodes it.
    session : Session
    task : Task
    name : str
        One of its classes.
    method : str, optional
        `ACTIVATION` or `OCCLUSION`.
    progress : Progress

    Raises
    ------
    ModelError
        If activation maps are asked for and the graph has none.
    """
    index = task.classes.index(name)
    maps = None if method == OCCLUSION else _maps(film, session, task)
    if maps is not None:
        values = _scaled(_contrast(maps, task, index))
        return HeatMap(
            task.name, name, ACTIVATION, values, *_checked(values, film, session, task, index)
        )
    if method == ACTIVATION:
        raise ModelError(
            f"The model gives no activation map of task '{task.name}'.",
            "Leave --by out: places are covered one after the other.",
        )

    def evidence(films: NDArray[np.uint8]) -> NDArray[np.float64]:
        return log_odds(session.predict(films)[task.name], task, index)

    with progress.stage("covering", len(patches(*film.shape)), unit="places") as stage:
        found = occlusion_map(film, evidence, batch=session.batch_size, advance=stage.advance)
    values = _scaled(found)
    return HeatMap(
        task.name, name, OCCLUSION, values, *_checked(values, film, session, task, index)
    )


def log_odds(probabilities: NDArray[np.float32], task: Task, index: int) -> NDArray[np.float64]:
    """Of a class: a probability of 1 − 1e-6 still differs from one of 1 − 1e-9.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, K)
    task : Task
    index : int
        Of the class.
    """
    values = probabilities.astype(np.float64)
    of_class = values[:, index]
    if task.kind is TaskKind.MULTILABEL:
        others = 1 - of_class
    else:  # a softmax keeps small numbers exact where 1 − p has lost them
        others = np.delete(values, index, axis=1).sum(axis=1)
    found: NDArray[np.float64] = np.log(np.maximum(of_class, _TINY) / np.maximum(others, _TINY))
    return found


def _maps(film: NDArray[np.uint8], session: Session, task: Task) -> NDArray[np.float32] | None:
    if CAM + task.name not in session.outputs:
        return None
    maps = session.predict(film[None], [CAM + task.name])[CAM + task.name][0]
    # of a file that others made, the name says little
    return maps if maps.ndim == 3 and maps.shape[-1] == len(task.classes) else None


def _checked(
    values: NDArray[np.float32],
    film: NDArray[np.uint8],
    session: Session,
    task: Task,
    index: int,
) -> tuple[float, float]:
    """Probability of the class as it is, and with the brightest place covered."""
    scale = film.shape[0] / values.shape[0], film.shape[1] / values.shape[1]
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    height, width = film.shape
    place = patch_at(height, width, int((row + 0.5) * scale[0]), int((column + 0.5) * scale[1]))
    films = np.stack([film, covered(film, place)])
    before, after = session.predict(films)[task.name][:, index]
    return float(before), float(after)


def _contrast(maps: NDArray[np.float32], task: Task, index: int) -> NDArray[np.float32]:
    if task.kind is TaskKind.MULTILABEL:
        return maps[..., index]
    # a softmax knows only differences between classes
    others: NDArray[np.float32] = np.delete(maps, index, axis=-1).mean(axis=-1)
    return maps[..., index] - others


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    above = np.maximum(values - np.median(values), 0)
    top = float(above.max())
    # rounding of float32 is no finding
    if not top > 1e-6 * max(1.0, float(np.abs(values).max())):
        return np.zeros_like(above)
    found: NDArray[np.float32] = (above / top).astype(np.float32)
    return found
