"""The gate of precision: what a file in half precision or whole numbers answers otherwise.

Unlike the parity gate it expects differences, and asks what they change: how many films get another
class, how far probabilities moved, and what became of accuracy on the films' labels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import TaskKind
from xraybatch.evaluation.mcnemar import share_difference
from xraybatch.models.calibration import calibrated
from xraybatch.models.card import TaskCard, decide
from xraybatch.reports.precision_text import gate_sentence
from xraybatch.training.artefacts import Gate
from xraybatch.training.gate import Predict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Answers = Mapping[str, NDArray[np.float32]]

MAX_CHANGED = "1%"
ENOUGH = 100  # films below which the gate is too small to trust
BATCH = 16
_UNLABELLED = -1
_ASKED = re.compile(r"(\d+)|(\d+(?:\.\d+)?) ?%")


@dataclass(frozen=True)
class Shift:
    """How far answers moved.

    Attributes
    ----------
    changed : int
        Films that got another class in any task, or an answer that is no number.
    mean : float
        Mean over tasks, films and classes of the absolute difference of a probability; 1 for an
        answer that is no number.
    largest : float
    """

    changed: int
    mean: float
    largest: float


@dataclass(frozen=True)
class Change:
    """What became of the share of films that a task gets right.

    Attributes
    ----------
    metric : str
        ``accuracy``; of a multilabel task ``exact_match``.
    films : int
        With a label (all findings of it).
    before, after : float or None
        Of the fp32 file and of the new one; None where no film is labelled.
    change, low, high : float or None
        The difference, and its interval by pairs of films, clustered by patient.
    method : str
    reason : str
        Why there is no change, or no interval.
    """

    metric: str
    films: int
    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None
    method: str
    reason: str


@dataclass(frozen=True)
class PrecisionGate:
    """What the gate found, as the card holds it.

    Attributes
    ----------
    films : int
    part : str
        ``val``, or ``train`` where the run has no validation films.
    changed_films, limit : int
        Films that got another class, and how many may.
    mean_shift, largest_shift : float
        Of a probability, as the graphs give them.
    accuracy : mapping of str to Change
        By task.
    """

    films: int
    part: str
    changed_films: int
    limit: int
    mean_shift: float
    largest_shift: float
    accuracy: Mapping[str, Change]

    @property
    def passed(self) -> bool:
        """Whether no more films than allowed got another class."""
        return self.changed_films <= self.limit

    def sentence(self) -> str:
        """The figures in words."""
        return gate_sentence(self.to_dict())

    def doubt(self) -> str:
        """What keeps a person from trusting the figures; empty: nothing."""
        doubts = []
        if self.films < ENOUGH:
            doubts.append(
                f"{self.films} films are too few to trust the gate: with fewer than {ENOUGH} it "
                "hardly sees a change of one film in a hundred."
            )
        if self.part != "val":
            doubts.append("The films of the gate were trained on: there were no validation films.")
        return " ".join(doubts)

    def to_dict(self) -> dict[str, Any]:
        """As the card holds it."""
        return {**asdict(self), "accuracy": {k: asdict(v) for k, v in self.accuracy.items()}}


def allowed(asked: str, films: int) -> int:
    """How many of so many films may get another class.

    Parameters
    ----------
    asked : str
        A number, or a share with ``%``; a share allows one film at least.
    films : int

    Raises
    ------
    UsageError
        If it is neither.
    """
    found = _ASKED.fullmatch(asked.strip())
    if not found or (found[2] and float(found[2]) > 100):
        raise UsageError(
            f"'{asked}' is no number of films and no share of them.",
            "Write --max-changed 3 or --max-changed 1%.",
        )
    if found[1]:
        return int(found[1])
    return max(1, math.floor(films * float(found[2]) / 100 + 1e-9))


def answers_of(predict: Predict, films: NDArray[np.uint8], tasks: Sequence[TaskCard]) -> Answers:
    """What a file answers, by task, in batches as predictions are made."""
    parts = [predict(films[begin : begin + BATCH]) for begin in range(0, len(films), BATCH)]
    names = [entry.task.name for entry in tasks]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def shift_of(before: Answers, after: Answers, tasks: Sequence[TaskCard]) -> Shift:
    """How far answers of the same films moved; both as `answers_of` gives them."""
    changed = np.zeros(len(next(iter(before.values()))), bool)
    moved = []
    for entry in tasks:
        ours, theirs = before[entry.task.name], after[entry.task.name]
        changed |= ~np.isfinite(theirs).all(axis=1)
        changed |= _differ(_classes(ours, entry), _classes(theirs, entry))
        away = np.abs(theirs.astype(np.float64) - ours)
        moved.append(np.where(np.isfinite(away), away, 1.0).ravel())
    flat = np.concatenate(moved)
    return Shift(int(changed.sum()), float(flat.mean()), float(flat.max()))


def judge(
    before: Answers, after: Answers, gate: Gate, tasks: Sequence[TaskCard], limit: int, part: str
) -> PrecisionGate:
    """Hold a file of another precision against the fp32 file.

    Parameters
    ----------
    before, after : mapping of str to ndarray of float32, shape (n, K)
        By task, of the gate's films.
    gate : Gate
    tasks : sequence of TaskCard
        Whose calibration and thresholds make classes of probabilities.
    limit : int
        Films that may get another class.
    part : str
        Where the films are from.
    """
    shift = shift_of(before, after, tasks)
    return PrecisionGate(
        films=len(gate.films),
        part=part,
        changed_films=shift.changed,
        limit=limit,
        mean_shift=shift.mean,
        largest_shift=shift.largest,
        accuracy={
            entry.task.name: _change(before[entry.task.name], after[entry.task.name], gate, entry)
            for entry in tasks
        },
    )


def _change(
    before: NDArray[np.float32], after: NDArray[np.float32], gate: Gate, entry: TaskCard
) -> Change:
    several = entry.task.kind is TaskKind.MULTILABEL
    metric = "exact_match" if several else "accuracy"
    truth = gate.truth.get(entry.task.name)
    if truth is None:
        reason = "the run holds no labels of these films (an earlier version trained it)"
        return Change(metric, 0, None, None, None, None, None, "", reason)
    known = (truth != _UNLABELLED).reshape(len(truth), -1).all(axis=1)
    first, other = (_right(said, truth, entry)[known] for said in (before, after))
    found = share_difference(first, other, gate.patients[known], "no film is labelled").estimate
    shares = [float(one.mean()) if len(one) else None for one in (first, other)]
    return Change(
        metric,
        int(known.sum()),
        shares[0],
        shares[1],
        found.value,
        found.low,
        found.high,
        found.method or "",
        found.reason or found.interval_reason or "",
    )


def _right(
    said: NDArray[np.float32], truth: NDArray[np.int64], entry: TaskCard
) -> NDArray[np.bool_]:
    wrong = _differ(_classes(said, entry), truth)
    return np.asarray(~wrong & np.isfinite(said).all(axis=1))


def _classes(probabilities: NDArray[np.float32], entry: TaskCard) -> NDArray[np.int64]:
    return decide(calibrated(np.nan_to_num(probabilities), entry), entry)


def _differ(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.bool_]:
    different: NDArray[np.bool_] = (ours != theirs).reshape(len(ours), -1).any(axis=1)
    return different
