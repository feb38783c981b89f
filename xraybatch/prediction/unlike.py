"""Whether the films of a run are unlike those that the model was trained on.

A model answers every film, also one of another joint, device or hospital. What its card knows of
its own films is held against the run: how their greys were spread, and how its scores were. Either
can differ for a good reason (other patients), so this is said, and nothing is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.counting import films as films_of
from xraybatch.core.status import FilmStatus
from xraybatch.images.greys import RARE, STEPS, grey_counts, grey_distances
from xraybatch.models.card import Card
from xraybatch.prediction.rows import Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOO_MANY = 0.05  # share of a run's films beyond it that is told
LEAST_BEYOND = 3  # films: fewer may be anything
LEAST_SCORES = 100  # films on either side, below which scores are not compared
SHIFTED = 0.25  # population stability index that is commonly called a shift
_MOST = 1e15  # films or pixels: more are no count
_SMOOTH = 0.5  # films added to every step, so that an empty one has a logarithm


class Likeness:
    """What a card says of the greys of its training films.

    Parameters
    ----------
    card : Card

    Attributes
    ----------
    is_known : bool
        False for cards that do not say it: then every distance is None.
    bar : float
        The distance that one training film in a hundred has.
    """

    def __init__(self, card: Card) -> None:
        shares, bar = (_counts(card.data.get(word)) for word in ("grey_histogram", "grey_bar"))
        self.is_known = shares.shape == (STEPS,) and shares.sum() > 0 and bar.shape == ()
        self.bar = float(bar) if self.is_known else 1.0
        self._shares = shares / shares.sum() if self.is_known else shares

    def distances(self, films: NDArray[np.uint8]) -> list[float | None]:
        """How far the greys of films ``(n, height, width)`` are from those learned from, 0 to 1."""
        if not self.is_known:
            return [None] * len(films)
        return [*map(float, grey_distances(grey_counts(films), self._shares))]


class Scores:
    """Probabilities of a run, counted in the steps that the card's histograms have.

    Parameters
    ----------
    card : Card
    """

    def __init__(self, card: Card) -> None:
        told = card.data.get("score_histograms")
        self.known: dict[tuple[str, str], NDArray[np.int64]] = {}
        self._columns: list[tuple[str, str]] = []
        for entry in card.tasks:
            for name in entry.task.classes:
                self._columns.append((entry.task.name, name))
                counts = _counts(_under(_under(told, entry.task.name), name))
                if counts.ndim == 1 and len(counts):
                    self.known[entry.task.name, name] = counts.astype(np.int64)
        self.found = {key: np.zeros_like(counts) for key, counts in self.known.items()}

    def add(self, values: NDArray[np.float32]) -> None:
        """Count films.

        Parameters
        ----------
        values : ndarray of float32, shape (n, K)
            Probabilities of all tasks in the card's order, as the graph gives them.
        """
        for i, key in enumerate(self._columns):
            if key in self.found:
                steps = len(self.found[key])
                self.found[key] += np.histogram(values[:, i], bins=steps, range=(0, 1))[0]


@dataclass(frozen=True)
class Unlike:
    """What was found.

    Attributes
    ----------
    films : int
        Films whose greys were compared.
    beyond : int
        Those further from the training films than 99 % of these are.
    shifts : mapping of str to mapping of str to float
        Population stability index of each task's classes, less what chance alone gives; only where
        both sides have enough films.
    sentences : tuple of str
        What a person should know; empty where nothing stands out.
    """

    films: int = 0
    beyond: int = 0
    shifts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For the run record."""
        shifts = {
            task: {name: round(shift, 3) for name, shift in found.items()}
            for task, found in self.shifts.items()
        }
        return {"films": self.films, "beyond": self.beyond, "score_shifts": shifts}


class Comparison:
    """Collects what a run's rows say, and holds it against the card.

    Parameters
    ----------
    card : Card
    """

    def __init__(self, card: Card) -> None:
        self._bar = Likeness(card).bar
        self._scores = Scores(card)
        self._films = self._beyond = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Take in rows; those without an answer count for nothing."""
        ok = [row for row in rows if row.status is FilmStatus.OK]
        if not ok:
            return
        known = [row.apart for row in ok if row.apart is not None]
        self._films += len(known)
        self._beyond += sum(apart > self._bar for apart in known)
        self._scores.add(
            np.frombuffer(b"".join(row.values for row in ok), "<f4").reshape(len(ok), -1)
        )

    def counts(self) -> dict[str, Any]:
        """What was counted, as plain JSON values, for `add_counts`."""
        scores: dict[str, dict[str, list[int]]] = {}
        for (task, name), found in self._scores.found.items():
            scores.setdefault(task, {})[name] = found.tolist()
        return {"films": self._films, "beyond": self._beyond, "scores": scores}

    def add_counts(self, told: Mapping[str, Any]) -> None:
        """Take in what another run, over other films, counted against the same card."""
        self._films += told["films"]
        self._beyond += told["beyond"]
        for (task, name), found in self._scores.found.items():
            found += np.asarray(told["scores"][task][name], np.int64)

    def finish(self) -> Unlike:
        """What was found."""
        return compare(self._films, self._beyond, self._scores)


def compare(films: int, beyond: int, scores: Scores) -> Unlike:
    """Hold a run against the card.

    Parameters
    ----------
    films, beyond : int
        Films whose distance is known, and those of them beyond `Likeness.bar`.
    scores : Scores
    """
    shifts: dict[str, dict[str, float]] = {}
    for (task, name), expected in scores.known.items():
        found = scores.found[task, name]
        if min(expected.sum(), found.sum()) >= LEAST_SCORES:
            shifts.setdefault(task, {})[name] = stability_index(expected, found)
    said = []
    if beyond >= max(LEAST_BEYOND, TOO_MANY * films):
        said.append(
            f"{beyond:,} of {films_of(films)} ({beyond / films:.0%}) differ in their greys from "
            f"the training films more than {1 - RARE:.0%} of these do: its thresholds may not "
            "hold here."
        )
    moved = [(shift, task, name) for task, by in shifts.items() for name, shift in by.items()]
    if moved and max(moved)[0] > SHIFTED:
        shift, task, name = max(moved)
        said.append(
            f"Probabilities of '{name}' ({task}) are spread otherwise than on the films that the "
            f"model was checked on (stability index {shift:.2f}, above {SHIFTED}): other patients "
            "or other films; thresholds may not hold."
        )
    return Unlike(films, beyond, shifts, tuple(said))


def _under(told: object, word: str) -> object:
    return told.get(word) if isinstance(told, Mapping) else None


def _counts(told: Any) -> NDArray[np.float64]:
    """Numbers of a card as they are; none for what another program wrote that is no count."""
    try:
        found = np.asarray(() if told is None else told, np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    return found if (found >= 0).all() and (found < _MOST).all() else np.empty(0)


def stability_index(expected: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    """Population stability index of two histograms, less what it is by chance where they are alike.

    The sum over steps of (p - q) ln(p / q). Of two samples of one distribution its mean is about
    (steps - 1) (1/n + 1/m), as that of a chi-squared of two samples (Yurdakul 2018, *Statistical
    properties of the population stability index*).

    Parameters
    ----------
    expected, found : ndarray of int64, shape (steps,)
        Each with at least one film.

    Returns
    -------
    float
        0 or more; above 0.1 commonly called a moderate shift, above 0.25 a large one.
    """
    p, q = (
        (counts + _SMOOTH) / (counts.sum() + _SMOOTH * len(counts)) for counts in (expected, found)
    )
    index = float(((p - q) * np.log(p / q)).sum())
    chance = (len(expected) - 1) * (1 / expected.sum() + 1 / found.sum())
    return max(0.0, index - float(chance))
