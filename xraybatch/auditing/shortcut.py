"""Do a file's outer properties predict its label? A small tree asks, and chance answers.

The tree sees no pixel. It is cross-validated by cluster (patient, and copies of one film), and
judged by balanced accuracy, whose chance level is one over the number of classes whatever their
frequencies. A permutation test gives labels of whole clusters to other clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.counting import counted
from xraybatch.core.progress import SILENT, Progress
from xraybatch.evaluation.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
PERMUTATIONS = 200
LEVEL = 0.01
LEAST_EFFECT = 0.10  # of the way from chance to perfect
_ALONE = 0.8  # of the effect: a property that does it alone
_FEWEST = 20  # films, and 5 clusters of each class
_DEPTH = 4
_RESAMPLES = 1000
_METHOD = "cluster bootstrap of the predictions"


@dataclass(frozen=True)
class Alone:
    """What a tree on one property alone reaches, without a test of its own."""

    name: str
    balanced_accuracy: Estimate


@dataclass(frozen=True)
class Shortcut:
    """Whether outer properties predict the label.

    Attributes
    ----------
    balanced_accuracy : Estimate
        Of a tree on all properties, cross-validated; undefined with the reason where it cannot be
        asked.
    chance : float or None
        One over the number of classes.
    accuracy, majority : float or None
        Share of films that the tree gets right; share of the most frequent class.
    p : float or None
        Of the permutation test: how often permuted labels reach as much.
    permutations : int
    highest_by_chance : float or None
        The 95th percentile of balanced accuracy with permuted labels.
    effect : float or None
        Of the way from chance to perfect: 0 is chance, 1 perfect.
    found : bool
        Whether `p` is at most 0.01 and `effect` at least 0.1.
    alone : tuple of Alone
        Each property by itself, the best first.
    culprits : tuple of str
        Properties that reach, alone, at least 0.8 of the effect; empty where nothing was found.
    films, clusters, folds : int
    """

    balanced_accuracy: Estimate
    chance: float | None = None
    accuracy: float | None = None
    majority: float | None = None
    p: float | None = None
    permutations: int = 0
    highest_by_chance: float | None = None
    effect: float | None = None
    found: bool = False
    alone: tuple[Alone, ...] = ()
    culprits: tuple[str, ...] = ()
    films: int = 0
    clusters: int = 0
    folds: int = FOLDS


def ask_shortcut(
    columns: Mapping[str, NDArray[np.float64]],
    labels: Sequence[str],
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
    progress: Progress = SILENT,
) -> Shortcut:
    """Ask whether properties predict labels.

    Parameters
    ----------
    columns : mapping of str to ndarray of float64, shape (n,)
        Properties by name, as `columns_of` returns.
    labels : sequence of str
        Of the same films; empty: not labelled, left out.
    clusters : ndarray of int64, shape (n,)
        Equal for films of one patient or of one original.
    seed : int
    permutations : int
        0: no test, so nothing is found.
    progress : Progress
    """
    known = np.flatnonzero(np.array([bool(label) for label in labels]))
    classes, y = np.unique(np.array(labels, dtype=str)[known], return_inverse=True)
    _, groups = np.unique(clusters[known], return_inverse=True)
    reason = _not_asked(columns, y, groups, len(classes))
    if reason:
        return Shortcut(Estimate.undefined(reason, n=len(known)), films=len(known))
    x = np.column_stack([values[known] for values in columns.values()])
    folds = _dealt(groups, seed)
    predicted = _predicted(x, y, folds)
    observed = _balanced(y, predicted, len(classes))
    each = [_predicted(values[known][:, None], y, folds) for values in columns.values()]
    (low, high), *intervals = _intervals(y, [predicted, *each], groups, len(classes), seed)
    random = np.random.default_rng([seed, 1])
    by_chance = []
    with progress.stage("permuting labels", permutations, unit="permutations") as stage:
        for _ in range(permutations):
            permuted = permute_clusters(y, groups, random)
            if len(np.unique(permuted)) > 1:
                again = _predicted(x, permuted, folds)
                by_chance.append(_balanced(permuted, again, len(np.unique(permuted))))
            stage.advance()
    chance = 1 / len(classes)
    effect = (observed - chance) / (1 - chance)
    p = (1 + sum(b >= observed for b in by_chance)) / (1 + len(by_chance)) if by_chance else None
    found = p is not None and p <= LEVEL and effect >= LEAST_EFFECT
    values = [_balanced(y, predicted, len(classes)) for predicted in each]
    alone = [
        Alone(name, _estimate(value, *interval, groups))
        for name, value, interval in zip(columns, values, intervals, strict=True)
    ]
    alone.sort(key=lambda one: -(one.balanced_accuracy.value or 0))
    culprits = tuple(
        one.name
        for one in alone
        if found and (one.balanced_accuracy.value or 0) - chance >= _ALONE * (observed - chance)
    )
    return Shortcut(
        _estimate(observed, low, high, groups),
        chance=chance,
        accuracy=float(np.mean(predicted == y)),
        majority=float(np.bincount(y).max() / len(y)),
        p=p,
        permutations=len(by_chance),
        highest_by_chance=float(np.quantile(by_chance, 0.95)) if by_chance else None,
        effect=effect,
        found=found,
        alone=tuple(alone),
        culprits=culprits,
        films=len(y),
        clusters=int(groups.max()) + 1,
    )


def permute_clusters(
    y: NDArray[np.int64], groups: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Give every cluster the labels of another one, so that clusters stay as pure as they are.

    A cluster that gets the labels of a smaller one repeats them, of a larger one draws from them.
    """
    order = np.argsort(groups, kind="stable")
    films = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    permuted = np.empty_like(y)
    for its, donor in zip(films, random.permutation(len(films)), strict=True):
        theirs = y[films[donor]]
        if len(its) == 1 and len(theirs) == 1:
            permuted[its] = theirs
        else:
            drawn = random.permutation(np.resize(random.permutation(theirs), max(len(its), 1)))
            permuted[its] = drawn[: len(its)]
    return permuted


def _not_asked(columns: Mapping[str, Any], y: Any, groups: Any, classes: int) -> str:
    if classes < 2:
        return "there are no two classes among the films that can be read"
    if not columns:
        return "all films have the same outer properties"
    films = np.bincount(y).min()
    of_class = min(len(np.unique(groups[y == k])) for k in range(classes))
    if len(y) < _FEWEST or of_class < FOLDS:
        unit = "patients or originals"
        return (
            f"a class has {counted(films, 'film')} of {of_class:,} {unit}; {FOLDS} are the fewest"
        )
    return ""


def _dealt(
    groups: NDArray[np.int64], seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Whole clusters to folds of like size, at random and without a look at the labels.

    So permuted labels meet the very folds that the true ones did.
    """
    random = np.random.default_rng([seed, 0])
    sizes = np.bincount(groups)
    shuffled = random.permutation(len(sizes))
    films = np.zeros(FOLDS, np.int64)
    fold = np.zeros(len(sizes), np.int64)
    for cluster in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold[cluster] = int(films.argmin())
        films[fold[cluster]] += sizes[cluster]
    of_film = fold[groups]
    return [(np.flatnonzero(of_film != k), np.flatnonzero(of_film == k)) for k in range(FOLDS)]


def _predicted(x: Any, y: NDArray[np.int64], folds: Sequence[tuple[Any, Any]]) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    predicted = np.zeros_like(y)
    x = x.astype(np.float32)  # as trees look at it
    least = max(3, len(y) // 100)
    for learned, judged in folds:
        tree = DecisionTreeClassifier(max_depth=_DEPTH, min_samples_leaf=least, random_state=0)
        # as class_weight="balanced", which takes as long as the tree
        films = np.bincount(y[learned])
        weights = len(learned) / (np.count_nonzero(films) * np.maximum(films, 1))
        tree.fit(x[learned], y[learned], sample_weight=weights[y[learned]])
        predicted[judged] = tree.predict(x[judged])
    return predicted


def _balanced(y: Any, predicted: Any, classes: int) -> float:
    """The mean recall of the classes that there are."""
    right = np.bincount(y[predicted == y], minlength=classes)
    there = np.bincount(y, minlength=classes)
    return float(np.mean(right[there > 0] / there[there > 0]))


def _intervals(
    y: Any, predictions: Sequence[Any], groups: NDArray[np.int64], classes: int, seed: int
) -> list[tuple[float, float]]:
    """Percentiles of balanced accuracy over resampled clusters; the trees stay what they are."""
    random = np.random.default_rng([seed, 2])
    count = int(groups.max()) + 1
    counted = np.zeros((count, 1 + len(predictions), classes))
    np.add.at(counted[:, 0], (groups, y), 1)
    for right, predicted in zip(counted.swapaxes(0, 1)[1:], predictions, strict=True):
        np.add.at(right, (groups, y), predicted == y)
    flat = counted.reshape(count, -1)
    sums = np.empty((_RESAMPLES, *counted.shape[1:]))
    for resampled in sums:
        weights = np.bincount(random.integers(0, count, count), minlength=count)
        resampled[:] = (weights @ flat).reshape(resampled.shape)
    there = sums[:, :1] > 0
    recalls = np.divide(sums[:, 1:], sums[:, :1], out=np.zeros_like(sums[:, 1:]), where=there)
    values = recalls.sum(2) / there.sum(2)
    low, high = np.quantile(values, (0.025, 0.975), axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _estimate(value: float, low: float, high: float, groups: NDArray[np.int64]) -> Estimate:
    return Estimate(
        value,
        low=min(low, value),
        high=max(high, value),
        method=_METHOD,
        n=len(groups),
        clusters=int(groups.max()) + 1,
    )
