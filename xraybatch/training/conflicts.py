"""What is not learned from as it is: films that contradict each other, and splits that leak."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import InputError
from xraybatch.core.progress import Progress
from xraybatch.training.artefacts import CONTRADICTIONS, write_contradictions
from xraybatch.training.gather import Gathered
from xraybatch.training.heads import UNLABELLED
from xraybatch.training.options import DROP
from xraybatch.training.patients import UNITS
from xraybatch.training.split import Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFLICT = "conflict"  # why a film was left out


def settle_conflicts(
    given: Gathered, on_conflict: str, folder: Path, progress: Progress
) -> Gathered:
    """Films without those that have the same pixels and other labels, where that was asked for.

    Parameters
    ----------
    given : Gathered
    on_conflict : str
        ``error`` or ``drop``.
    folder : Path
        Of the run, where ``contradictions.csv`` lists what is dropped.
    progress : Progress

    Raises
    ------
    InputError
        If there are such films and they are not to be dropped, or no film is left.
    """
    numbers = conflicting(given)
    films = np.flatnonzero(numbers)
    if not len(films):
        return given
    count = f"Films with the pixels of another film, but another label: {len(films):,}"
    if on_conflict != DROP:
        raise InputError(
            f"{count}; one of each pair must be wrong.",
            "`xraybatch audit` lists them. Correct the labels, or leave all of them out with "
            "--on-conflict drop.",
        )
    write_contradictions(folder, given, numbers)
    progress.warn(
        "Labels that contradict each other",
        f"{count}. All of them are left out; {CONTRADICTIONS} in the run folder lists them.",
    )
    kept = np.flatnonzero(numbers == 0)
    if not len(kept):
        raise InputError("No film is left: all contradict another one.", "Look at the labels.")
    return _kept(given, kept, films)


def conflicting(given: Gathered) -> NDArray[np.int64]:
    """Number of the group of contradicting films of each film, from 1; 0: it contradicts none.

    A film without a label contradicts none.
    """
    same: dict[bytes, list[int]] = {}
    for i, digest in enumerate(given.digests):
        same.setdefault(digest, []).append(i)
    numbers = np.zeros(len(given.digests), np.int64)
    found = 0
    for films in same.values():
        if any(_differ(given.strata[films, k]) for k in range(given.strata.shape[1])):
            found += 1
            numbers[films] = found
    return numbers


def check_leak(split: Split, on_leak: str, whole: str) -> None:
    """Refuse parts that came with the films and share patients or films.

    Parameters
    ----------
    split : Split
    on_leak : str
        ``error`` or ``drop``: leave them out of the earlier part.
    whole : str
        What is kept whole: ``patient``, ``study`` or ``film``.

    Raises
    ------
    InputError
        If there are such films and they are not to be left out.
    """
    if split.left_out and on_leak != DROP:
        raise _leak(
            f"The split leaks. Films with the {_shared(whole)} of a film in a part that judges: "
            f"{split.left_out:,}.",
            whole,
        )


def check_folds(
    fold: NDArray[np.int64], groups: NDArray[np.int64], on_leak: str, whole: str
) -> None:
    """Refuse folds that came with the films and share patients or films.

    Parameters
    ----------
    fold, groups : ndarray of int64, shape (n,)
        Fold of each film; equal groups must not be divided.
    on_leak, whole : str
        As `check_leak` takes them.

    Raises
    ------
    InputError
        If there are such films and they are not to be left out.
    """
    pairs = np.unique(np.stack([groups, fold], axis=1), axis=0)
    names, folds = np.unique(pairs[:, 0], return_counts=True)
    films = int(np.isin(groups, names[folds > 1]).sum())
    if films and on_leak != DROP:
        raise _leak(
            f"The folds leak. Films with the {_shared(whole)} of a film in another fold: "
            f"{films:,}.",
            whole,
        )


def _shared(whole: str) -> str:
    return "pixels" if whole == "film" else f"{whole} or pixels"


def _leak(message: str, whole: str) -> InputError:
    return InputError(
        message,
        "`xraybatch audit` lists them. Leave them out of training with --on-leak drop, or empty "
        f"the column 'split' (or 'fold') to have films dealt by {UNITS[whole]}.",
    )


def _differ(codes: NDArray[np.int64]) -> bool:
    return len(np.unique(codes[codes != UNLABELLED])) > 1


def _kept(given: Gathered, kept: NDArray[np.int64], dropped: NDArray[np.int64]) -> Gathered:
    said = "It has the pixels of another film with another label."
    paths = given.table["path"]
    return replace(
        given,
        table=given.table.iloc[kept].reset_index(drop=True),
        films=given.films.kept(kept),
        digests=[given.digests[i] for i in kept],
        codes={name: codes[kept] for name, codes in given.codes.items()},
        strata=given.strata[kept],
        groups=given.groups[kept],
        names=tuple(given.names[i] for i in kept),
        unused=[*given.unused, *((paths.iloc[i], CONFLICT, said) for i in dropped)],
    )
