"""The settings that a run tried, read from its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.tables import read_table
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.tries import Grid, TriedSetting, Tries
from xraybatch.models.runs import FOLDS, MODEL_FILE

if TYPE_CHECKING:
    import pandas as pd

TRIES = "tries.csv"
# around settings and monitor
_BEFORE, _AFTER = "try", ("epochs_trained", "seconds", "chosen", "reason")


def read_tries(path: Path) -> Tries:
    """What was tried in a run, or in the folds of one.

    Parameters
    ----------
    path : Path
        Of the run folder, or of the model file in it.

    Raises
    ------
    UsageError
        If nothing was tried in it.
    InputError
        If a table is not what training writes.
    """
    folder = path.parent if path.name == MODEL_FILE else path
    grids = []
    numbered = [place for place in (folder / FOLDS).glob("[0-9]*") if (place / TRIES).is_file()]
    if numbered:
        in_order = sorted(numbered, key=lambda place: int(place.name))
        grids.append(_grid([place / TRIES for place in in_order], folds=True))
    if (folder / TRIES).is_file():
        grids.append(_grid([folder / TRIES], folds=False))
    if not grids:
        raise UsageError(
            f"One model cannot be compared, and no settings were tried in {folder}.",
            "Name two or more runs or results, or one run of `xraybatch train --try`.",
        )
    return Tries(folder.resolve().name, tuple(grids))


def tries_alone(path: Path, options: Mapping[str, object]) -> Tries:
    """What was tried in a run that is compared with no other.

    Parameters
    ----------
    path : Path
        As for `read_tries`.
    options : mapping of str to value
        Of a comparison, by name: of `ScoreOptions`, and others that are None unless given.

    Raises
    ------
    UsageError
        If nothing was tried in it, or an option is not left as it is: scores are not shown.
    InputError
        As `read_tries`.
    """
    found = read_tries(path)
    unless = ScoreOptions()
    given = [
        f"--{name.replace('_', '-')}"
        for name, value in options.items()
        if (value or None) != (getattr(unless, name, None) or None)
    ]
    if given:
        raise UsageError(
            f"{', '.join(given)} changes nothing of what {found.run} tried.",
            "It is for scores: name two or more runs, or leave it out.",
        )
    return found


def _grid(paths: Sequence[Path], *, folds: bool) -> Grid:
    tables = [read_table(path) for path in paths]
    first = tables[0]
    columns = [str(name) for name in first.columns]
    of_settings = columns[1 : -len(_AFTER) - 1]
    for path, table in zip(paths, tables, strict=True):
        if (
            columns[:1] != [_BEFORE]
            or tuple(columns[-len(_AFTER) :]) != _AFTER
            or not of_settings
            or list(table.columns) != columns
            or not len(table)
            or not table[[_BEFORE, *of_settings]].equals(first[[_BEFORE, *of_settings]])
        ):
            raise InputError(f"{path} is not what a training run writes.")
    monitor = columns[-len(_AFTER) - 1]
    try:
        settings = tuple(_setting(tables, i, of_settings, monitor) for i in range(len(first)))
    except ValueError:
        raise InputError(f"{paths[0]} is not what a training run writes.") from None
    return Grid(len(tables) if folds else 0, monitor, settings)


def _setting(
    tables: Sequence[pd.DataFrame], i: int, of_settings: Sequence[str], monitor: str
) -> TriedSetting:
    rows = [table.iloc[i] for table in tables]
    return TriedSetting(
        values={name: str(rows[0][name]) for name in of_settings},
        best=tuple(float(row[monitor]) if row[monitor] else None for row in rows),
        epochs=sum(int(row["epochs_trained"]) for row in rows),
        seconds=round(sum(float(row["seconds"]) for row in rows), 3),
        chosen=tuple(k for k, row in enumerate(rows) if row["chosen"] == "1"),
        reasons=tuple(str(row["reason"]) for row in rows),
    )
