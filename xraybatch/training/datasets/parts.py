"""Films dealt to train, val and test, or to folds; and the copies that must stay together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.cores import available_cores
from xraybatch.core.errors import InputError
from xraybatch.core.files import sha256_of
from xraybatch.core.interrupts import in_order
from xraybatch.core.progress import Progress
from xraybatch.training.datasets.films import Row
from xraybatch.training.datasets.options import PrepareOptions
from xraybatch.training.part_names import TRAIN
from xraybatch.training.patients import UNITS, kept_whole
from xraybatch.training.split import AS_DISTRIBUTED, LEFT_OUT, deal_folds, groups_of, make_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNDEALT = "not dealt to parts"


@dataclass(frozen=True)
class Copies:
    """Files that are byte for byte the same.

    Attributes
    ----------
    digests : tuple of bytes
        SHA-256 of each film.
    groups, films : int
        Contents that stand more than once, and the films that have them.
    contradicting_groups, contradicting_films : int
        Of these, those with different labels.
    """

    digests: tuple[bytes, ...]
    groups: int
    films: int
    contradicting_groups: int
    contradicting_films: int


@dataclass(frozen=True)
class Dealt:
    """Where each film stands.

    Attributes
    ----------
    side : tuple of str
        ``train``, ``val`` or ``test``, or the number of a fold; empty: in none, because its patient
        or a copy of it stands in a part that judges.
    how, overlap : str
        How it was made and what was looked for on two sides, a sentence each.
    """

    side: tuple[str, ...]
    how: str
    overlap: str


def find_copies(rows: Sequence[Row], progress: Progress) -> Copies:
    """Read every film's bytes and count those that are the same.

    Raises
    ------
    InputError
        If a film cannot be read to its end.
    """
    digests = []
    with progress.stage("comparing", len(rows)) as stage:
        try:
            for digest in in_order(_digest, rows, available_cores()):
                digests.append(digest)
                stage.advance()
        except OSError as error:
            raise InputError(
                f"'{rows[len(digests)].film.inner}' cannot be read: {error.strerror}.",
                "Ask for its permissions, or take it out.",
            ) from None
    alike: dict[bytes, list[Row]] = defaultdict(list)
    for digest, row in zip(digests, rows, strict=True):
        alike[digest].append(row)
    several = [group for group in alike.values() if len(group) > 1]
    contradicting = [group for group in several if len({row.labels for row in group}) > 1]
    return Copies(
        tuple(digests),
        len(several),
        sum(map(len, several)),
        len(contradicting),
        sum(map(len, contradicting)),
    )


def deal(rows: Sequence[Row], copies: Copies, options: PrepareOptions) -> Dealt:
    """Deal films to parts as they were distributed, what is missing drawn; or to folds.

    Raises
    ------
    InputError
        If there are too few patients for that, or nothing is left to be trained on.
    """
    whole, names = kept_whole([row.patient for row in rows], [row.study for row in rows])
    groups = groups_of(names, copies.digests)
    strata = _numbers([row.labels for row in rows])
    if options.folds is not None:
        folds = deal_folds(strata, groups, folds=options.folds, seed=options.seed)
        how = (
            f"{options.folds} folds dealt by {UNITS[whole]} and stratified by class, seed "
            f"{options.seed}"
        )
        return Dealt(tuple(map(str, folds)), how, _looked_for(whole))
    split = make_split(
        strata,
        groups,
        given=[row.split for row in rows],
        val_split=options.val_split,
        test_split=options.test_split,
        seed=options.seed,
        whole=whole,
    )
    return Dealt(tuple(map(str, split.part)), split.how, _looked_for(whole))


def as_given(rows: Sequence[Row]) -> Dealt:
    """Films where the data have them; nothing is drawn or left out, which is left to training."""
    given = any(row.split for row in rows)
    side = tuple(row.split or TRAIN for row in rows)
    return Dealt(side, AS_DISTRIBUTED if given else UNDEALT, "left to training")


def check_sides(rows: Sequence[Row], copies: Copies, dealt: Dealt) -> None:
    """Look once more at the finished table: an invariant of it.

    Raises
    ------
    AssertionError
        If a path stands twice, or a patient or a file's bytes on two sides.
    """
    kept = [i for i, side in enumerate(dealt.side) if side != LEFT_OUT]
    paths = Counter(rows[i].film.inner for i in kept)
    assert max(paths.values(), default=1) == 1, "a film stands twice"
    seen: dict[object, str] = {}
    for i in kept:
        for key in (rows[i].patient, copies.digests[i]):
            if key and seen.setdefault(key, dealt.side[i]) != dealt.side[i]:
                raise AssertionError("a patient or a file's bytes stand on two sides")


def _looked_for(whole: str) -> str:
    names = "" if whole == "film" else f"no {whole} and "
    looked = f"{names}no two files of the same bytes stand on two sides"
    if whole == "patient":
        return looked
    return f"{looked}; patients are not known, so films of one person may"


def _numbers(labels: Sequence[tuple[str, ...]]) -> NDArray[np.int64]:
    """Each column's values as numbers, ``(n, m)``."""
    columns = [np.unique(column, return_inverse=True)[1] for column in zip(*labels, strict=True)]
    return np.stack(columns, axis=1).astype(np.int64)


def _digest(row: Row) -> bytes:
    return bytes.fromhex(sha256_of(Path(row.film.file)))
