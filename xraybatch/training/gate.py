"""The parity gate: does the exported file answer as the network that was trained?

Real films go through it, at several batch sizes. Over the tolerance, or with another class where
there was no tie, there is no model file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.counting import counted
from xraybatch.core.errors import BarMissed, ModelError
from xraybatch.core.tasks import TaskKind
from xraybatch.models.calibration import calibrated
from xraybatch.models.card import TaskCard, decide

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH_SIZES = (1, 2, 7, 32)
FILMS = 64
KERAS = "Keras"
TIE = 1e-6  # a few units in the last place of a float32 probability
_NO_SPREAD = 0.01

Predict = Callable[["NDArray[np.uint8]"], Mapping[str, "NDArray[np.float32]"]]


@dataclass(frozen=True)
class Parity:
    """What the gate found.

    Attributes
    ----------
    largest_difference : float
        Of a probability, over films, classes, tasks and batch sizes.
    changed_classes : int
        Films that were given another class at any batch size, ties not counted.
    ties : int
        Films that were, where the two best probabilities were equal within `TIE`.
    films : int
    batch_sizes : tuple of int
    tolerance : float
    spread : float
        Smallest, over tasks, of the range that probabilities really covered.
    reference : str
        What the file was compared with.
    """

    largest_difference: float
    changed_classes: int
    ties: int
    films: int
    batch_sizes: tuple[int, ...]
    tolerance: float
    spread: float
    reference: str = KERAS

    def sentence(self) -> str:
        """The figures in words."""
        weak = (
            " The network gives all films nearly the same answer, so this says little."
            if self.spread < _NO_SPREAD
            else ""
        )
        return (
            f"Parity with {self.reference} on {counted(self.films, 'film')}, batches of "
            f"{', '.join(map(str, self.batch_sizes))}: largest difference "
            f"{self.largest_difference:.1e}, {self.changed_classes} changed classes.{weak}"
        )

    def to_dict(self) -> dict[str, Any]:
        """As the card holds it."""
        return {**asdict(self), "batch_sizes": list(self.batch_sizes)}


def keras_answers(
    inference: Any, films: NDArray[np.uint8], tasks: Sequence[TaskCard]
) -> dict[str, NDArray[np.float32]]:
    """What the Keras model says, by task."""
    parts = [
        inference.predict_on_batch(films[begin : begin + max(BATCH_SIZES)])
        for begin in range(0, len(films), max(BATCH_SIZES))
    ]
    return {
        entry.task.name: np.concatenate([np.asarray(part[entry.task.name]) for part in parts])
        for entry in tasks
    }


def check_parity(
    expected: Mapping[str, NDArray[np.float32]],
    predict: Predict,
    films: NDArray[np.uint8],
    tasks: Sequence[TaskCard],
    *,
    tolerance: float,
    reference: str = KERAS,
) -> Parity:
    """Compare a written file with what the network said that it was made from.

    Parameters
    ----------
    expected : mapping of str to ndarray of float32, shape (n, K)
        By task, as `keras_answers` gives it.
    predict : callable
        Of the written file.
    films : ndarray of uint8, shape (n, height, width, 1)
    tasks : sequence of TaskCard
    tolerance : float
    reference : str
        Which network that was, in words.

    Raises
    ------
    ModelError
        If any probability is no number.
    BarMissed
        If a difference is over the tolerance, or a class changed without a tie.
    """
    worst, changed, ties = 0.0, np.zeros(len(films), bool), np.zeros(len(films), bool)
    for size in BATCH_SIZES:
        answers = _in_batches(predict, films, size)
        for entry in tasks:
            ours, theirs = expected[entry.task.name], answers[entry.task.name]
            if ours.shape != theirs.shape:
                raise ModelError(
                    f"Task '{entry.task.name}' has shape {theirs.shape} in the exported file, "
                    f"{ours.shape} in {reference}.",
                    "Report this: the exporter changed the network.",
                )
            if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
                raise ModelError(
                    f"Task '{entry.task.name}' answers a film with no number (NaN or infinite).",
                    "Train again with a lower --learning-rate.",
                )
            worst = max(worst, float(np.abs(ours.astype(float) - theirs.astype(float)).max()))
            ours, theirs = calibrated(ours, entry), calibrated(theirs, entry)
            other = _differ(decide(ours, entry), decide(theirs, entry))
            tied = _tied(ours, entry)
            changed |= other & ~tied
            ties |= other & tied
    parity = Parity(
        largest_difference=worst,
        changed_classes=int(changed.sum()),
        ties=int(ties.sum()),
        films=len(films),
        batch_sizes=BATCH_SIZES,
        tolerance=tolerance,
        spread=min(float(np.ptp(expected[entry.task.name], axis=0).max()) for entry in tasks),
        reference=reference,
    )
    if worst > tolerance or parity.changed_classes:
        raise BarMissed(
            f"The exported file does not answer as {reference} does. {parity.sentence()} "
            f"Allowed: {tolerance:g} and none.",
            "No model was written. A layer may mean something else in the format; --tolerance "
            "allows a larger difference.",
        )
    return parity


def _in_batches(
    predict: Predict, films: NDArray[np.uint8], size: int
) -> dict[str, NDArray[np.float32]]:
    parts = [predict(films[begin : begin + size]) for begin in range(0, len(films), size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _differ(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.bool_]:
    different: NDArray[np.bool_] = (ours != theirs).reshape(len(ours), -1).any(axis=1)
    return different


def _tied(probabilities: NDArray[np.float32], entry: TaskCard) -> NDArray[np.bool_]:
    """Films that stand on the line between two answers."""
    if entry.task.kind is TaskKind.MULTILABEL:
        bars = np.asarray(entry.thresholds or [0.5] * len(entry.task.classes))
        margin = np.abs(probabilities - bars).min(axis=1)
    elif entry.task.kind is TaskKind.BINARY:
        bar = (entry.thresholds or (0.5,))[0]
        margin = np.abs(probabilities[:, entry.task.positive_index] - bar)
    else:
        best = np.sort(probabilities, axis=1)[:, -2:]
        margin = best[:, 1] - best[:, 0]
    tied: NDArray[np.bool_] = margin <= TIE
    return tied
