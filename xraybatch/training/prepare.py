"""Films dealt to parts: what one network learns from, and what it is judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.tasks import Task
from xraybatch.training.cache import DecodedFilms
from xraybatch.training.gather import Gathered, columns_of_task
from xraybatch.training.part_names import TRAIN
from xraybatch.training.split import LEFT_OUT, Split

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

OVERLAP = "overlap"  # why a film was left out: what it shares with a later part


@dataclass(frozen=True)
class Prepared:
    """Films to learn from and to be judged by.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a film, as `LabelledFilms.table`, ``split`` being the part it is in; films without
        pixels and those left out by the split are gone.
    films : DecodedFilms
        Of the same rows.
    digests : list of bytes
        Film digests of the same rows.
    tasks : tuple of Task
    codes : mapping of str to ndarray of int64
        Labels as numbers, by task.
    split : Split
        Of the same rows.
    names : tuple of str
        Of what was kept whole, as `kept_whole` returns; empty: the film alone.
    whole : str
        What was kept whole: ``patient``, ``study`` or ``film``.
    left_out : pandas.DataFrame
        ``path``, ``reason``, ``sentence`` of every film that was named and is not used.
    source : str
        Where the labels come from.
    overlapping : Prepared or None
        The same with the films that were left out because their patient or their pixels stand in a
        part that judges, each where the labels or folders have it; None where none was left out.
    """

    table: pd.DataFrame
    films: DecodedFilms
    digests: list[bytes]
    tasks: tuple[Task, ...]
    codes: Mapping[str, NDArray[np.int64]]
    split: Split
    names: tuple[str, ...]
    whole: str
    left_out: pd.DataFrame
    source: str
    overlapping: Prepared | None = None

    def columns(self, task: Task) -> list[str]:
        """Columns of `table` with a task's truth."""
        return columns_of_task(task)


def divide(given: Gathered, split: Split, parts: Sequence[str]) -> Prepared:
    """Deal films to the parts of a split.

    Parameters
    ----------
    given : Gathered
    split : Split
    parts : sequence of str
        Of each film, as `make_split` was given them.
    """
    prepared = _divided(given, split)
    if not (split.left_out and split.distributed):
        return prepared
    told = np.array([name or TRAIN for name in parts])
    everywhere = replace(split, part=np.where(split.part == LEFT_OUT, told, split.part), overlap="")
    return replace(prepared, overlapping=_divided(given, everywhere))


def _divided(given: Gathered, split: Split) -> Prepared:
    import pandas as pd

    used = np.flatnonzero(split.part != LEFT_OUT)
    table = given.table.iloc[used].reset_index(drop=True)
    table["split"] = split.part[used]
    overlap = [
        (given.table["path"].iloc[i], OVERLAP, "Its patient or its pixels stand in a later part.")
        for i in np.flatnonzero(split.part == LEFT_OUT)
    ]
    left_out = pd.DataFrame(
        [*given.unused, *overlap], columns=["path", "reason", "sentence"], dtype=str
    )
    return Prepared(
        table=table,
        films=given.films.kept(used),
        digests=[given.digests[i] for i in used],
        tasks=given.tasks,
        codes={name: values[used] for name, values in given.codes.items()},
        split=replace(split, part=split.part[used]),
        names=tuple(given.names[i] for i in used),
        whole=given.whole,
        left_out=left_out,
        source=given.source,
    )


def is_demonstration(films: DecodedFilms) -> bool:
    """Whether any of these films is one of the synthetic sample films."""
    from xraybatch_samples import films_folder

    samples = {
        hashlib.sha256(entry.read_bytes()).hexdigest()
        for patient in films_folder().iterdir()
        if patient.is_dir()
        for entry in patient.iterdir()
    }
    return not samples.isdisjoint(films.contents)
