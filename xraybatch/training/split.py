"""Training, validation and test: stratified, patients whole, identical films on one side.

A group is what must not be divided: all films of a patient, and with them every film whose pixels
are the same as one of theirs.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError
from xraybatch.training.part_names import PARTS, TEST, TRAIN, VALIDATION
from xraybatch.training.patients import UNITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEFT_OUT = ""
AS_DISTRIBUTED = "parts as distributed"
_MOST_FOLDS = 20  # of which a few are a part
_NEAR = 0.05  # to the share that was asked for


@dataclass(frozen=True)
class Split:
    """Which part each film belongs to.

    Attributes
    ----------
    part : ndarray of str, shape (n,)
        ``train``, ``val``, ``test``; empty: left out, because its group stands in a later part.
    how : str
        How it was made, one sentence.
    overlap : str
        What was tested for standing on two sides, one sentence.
    distributed : bool
        Whether parts came with the data, and were not drawn when these were prepared.
    """

    part: NDArray[np.str_]
    how: str
    overlap: str
    distributed: bool = False

    def where(self, *parts: str) -> NDArray[np.int64]:
        """Indices of the films of these parts, rising."""
        return np.flatnonzero(np.isin(self.part, parts))

    @property
    def left_out(self) -> int:
        """Films in no part."""
        return int(np.count_nonzero(self.part == LEFT_OUT))


def groups_of(names: Sequence[str], digests: Sequence[bytes]) -> NDArray[np.int64]:
    """Number the groups that must not be divided.

    Parameters
    ----------
    names : sequence of str
        Patient (or study) of each film; empty: not known, so each film alone.
    digests : sequence of bytes
        Of the decoded films.

    Returns
    -------
    ndarray of int64, shape (n,)
        Equal for films of one name, for films with equal pixels, and for whatever these connect.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(digests)
    first: dict[tuple[str, object], int] = {}
    links = [
        (film, first.setdefault(key, film))
        for film in range(count)
        for key in (("digest", digests[film]), ("name", names[film]))
        if key[1]
    ]
    rows, columns = np.array(links, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    numbers: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return numbers


def make_split(
    strata: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    given: Sequence[str],
    val_split: float,
    test_split: float,
    seed: int,
    whole: str = "patient",
    patients_known: bool = False,
    told: str = AS_DISTRIBUTED,
    distributed: bool = True,
) -> Split:
    """Deal films to parts.

    Parameters
    ----------
    strata : ndarray of int64, shape (n, m)
        What every part should have in equal shares: the classes, as numbers, of one task after the
        other, the first one first where all are too many to keep.
    groups : ndarray of int64, shape (n,)
        As `groups_of` returns.
    given : sequence of str
        Parts as distributed, empty where there are none. A part that is given is kept as it is; one
        that is not is taken from what is to be trained on. Films without a part are trained on.
        Films whose group reaches into a later part are left out of the earlier one.
    val_split, test_split : float
        Shares of all films; beside parts that are given, at most half of what is trained on.
    seed : int
    whole : str
        What the groups keep whole, for the sentences: ``patient``, ``study`` or ``film``.
    patients_known : bool
        Whether patients are known, for the sentence where the groups keep something else whole.
    told : str
        What the parts that are given are, for the sentence.
    distributed : bool
        Whether they came with the data.

    Raises
    ------
    InputError
        If there are too few groups, or the parts that are given leave no film to train on.
    """
    part = np.array([name or TRAIN for name in given], dtype=object)
    told = told if any(given) else ""
    for later in (TEST, VALIDATION):  # what a later part needs is not trained on
        reaches = np.isin(groups, groups[part == later])
        earlier = {TEST: (TRAIN, VALIDATION), VALIDATION: (TRAIN,)}[later]
        part[reaches & np.isin(part, earlier)] = LEFT_OUT
    _check_trainable(part, given, told, whole)
    made = []
    for name, share in ((TEST, test_split), (VALIDATION, val_split)):
        if share > 0 and not (part == name).any():
            pool = np.flatnonzero(part == TRAIN)
            drawn = min(share, len(pool) / len(part) / 2) if told else share
            taken = _share(strata[pool], groups[pool], drawn * len(part) / len(pool), seed)
            part[pool[taken]] = name
            made.append(f"{name} {_said(len(taken) / len(part), drawn)}")
    final = part.astype(str)
    came = distributed and any(given)
    split = Split(final, _how(made, told, seed, whole), _tested(whole, patients_known), came)
    _check_parts(split, groups)
    return split


def deal_folds(
    strata: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    folds: int,
    seed: int,
) -> NDArray[np.int64]:
    """The fold of each film: whole groups, classes in proportion.

    Parameters
    ----------
    strata, groups : ndarray of int64, shape (n,)
        As for `make_split`.
    folds : int
    seed : int

    Raises
    ------
    InputError
        If there are fewer groups than folds.
    """
    count = len(np.unique(groups))
    if count < folds:
        raise InputError(
            f"The films make {counted(count, 'group')} that must stay whole; {folds} folds need "
            "as many.",
            "Lower --folds.",
        )
    found = np.empty(len(strata), np.int64)
    for number, films in enumerate(_dealt(strata, groups, folds, seed)):
        found[films] = number
    if len(np.unique(found)) < folds:
        raise InputError("A fold would have no film: some groups are too large.", "Lower --folds.")
    return found


def _dealt(
    strata: NDArray[np.int64], groups: NDArray[np.int64], folds: int, seed: int
) -> list[NDArray[np.int64]]:
    from sklearn.model_selection import StratifiedGroupKFold

    classes = _proportioned(strata, folds)
    dealer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # a class with fewer groups than folds cannot be in each; that is counted in the card
        warnings.simplefilter("ignore", UserWarning)
        return [test for _, test in dealer.split(classes, classes, groups)]


def _proportioned(strata: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """One number a film: its classes in as many tasks as can be kept in proportion.

    That is where half of the films or more have classes that can be in every part.
    """
    for tasks in range(strata.shape[1], 0, -1):
        _, numbers, sizes = np.unique(
            strata[:, :tasks], axis=0, return_inverse=True, return_counts=True
        )
        if 2 * sizes[sizes >= parts].sum() >= len(strata):
            return numbers.reshape(-1).astype(np.int64)
    return np.zeros(len(strata), np.int64)


def _share(
    strata: NDArray[np.int64], groups: NDArray[np.int64], share: float, seed: int
) -> NDArray[np.int64]:
    """Indices of about `share` of the films: whole groups, classes in proportion."""
    count = len(np.unique(groups))
    if count < 2:
        raise InputError(
            "All films are of one patient, or have the same pixels: they cannot be split.",
            "Give more films, or --test-split 0 --val-split 0.",
        )
    # as many folds as come nearest to the share, of which a few are taken
    wanted = round(1 / max(min(share, 1 - share), 1 / _MOST_FOLDS))
    largest = int(np.unique(strata[:, 0], return_counts=True)[1].max())
    folds = max(2, min(_MOST_FOLDS, count, wanted, largest))
    take = max(1, min(folds - 1, round(share * folds)))
    parts = _dealt(strata, groups, folds, seed)
    parts = sorted(parts, key=lambda part: abs(len(part) * folds - len(strata)))
    return np.sort(np.concatenate(parts[:take]))


def _check_trainable(
    part: NDArray[np.object_], given: Sequence[str], told: str, whole: str
) -> None:
    """Say what is wrong with parts that are given, where they leave nothing to train on."""
    if (part == TRAIN).any() or not len(part):
        return
    hint = (
        "Have a split drawn: empty the column 'split' (or 'fold') of the labels; for folders "
        "called train and test, `xraybatch prepare FOLDER --out NEW --form class-folders`."
    )
    what = "film" if whole == "film" else f"{whole} or film"
    if any(name in ("", TRAIN) for name in given):
        raise InputError(
            f"No film is left to train on: every {what} of train stands in another part too "
            f"({told}).",
            hint,
        )
    raise InputError(f"No film is there to train on: all are in val or test ({told}).", hint)


def _said(share: float, asked: float) -> str:
    """A share that was drawn; whole patients may leave no choice."""
    return f"{share:.2g}" + (f" ({asked:.2g} asked)" if abs(share - asked) > _NEAR else "")


def _how(made: list[str], told: str, seed: int, whole: str) -> str:
    by = UNITS[whole]
    drawn = (
        f"{' and '.join(made)} drawn by {by} and stratified by class, seed {seed}" if made else ""
    )
    return "; ".join(filter(None, (told, drawn))) or "all trained"


def _tested(whole: str, patients_known: bool) -> str:
    names = "" if whole == "film" else f"no {whole} and "
    tested = f"{names}no identical decoded film stands in two parts (tested)"
    if whole == "patient":
        return tested
    if patients_known:
        return (
            f"{tested}; split by {UNITS[whole]} although patients are known, so films of one "
            "patient may"
        )
    return f"{tested}; patients are not known, so films of one person may"


def _check_parts(split: Split, groups: NDArray[np.int64]) -> None:
    """An invariant, looked at once more on the finished split."""
    sides = [set(groups[split.part == name].tolist()) for name in PARTS]
    assert sum(map(len, sides)) == len(set().union(*sides))
    if not len(split.where(TRAIN)):
        raise InputError(
            "No film is left to train on.", "Lower --val-split and --test-split, or add films."
        )
