"""Films of results and labels that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SEEN = "seen_in_training"
_YES = ("1", "True", "true", "1.0")


@dataclass(frozen=True)
class Joined:
    """Films that are in both tables, in the order of their paths.

    Attributes
    ----------
    results, labels : pandas.DataFrame
        Rows that belong together, both indexed 0 … n − 1; all cells `str`.
    patients : ndarray of int64, shape (n,)
        Numbers of patients, 0 and up; each film its own where patients are not known.
    patients_known : bool
    names : frozenset of str
        Of these patients, as the tables have them; empty where they are not known.
    only_in_results, only_in_labels : tuple of int
        A few rows as a spreadsheet counts them, the header being 1: a path may be a person's name.
    aggregated : pandas.DataFrame or None
        Where the rows are studies: these, to be written out.
    """

    results: pd.DataFrame
    labels: pd.DataFrame
    patients: NDArray[np.int64]
    patients_known: bool
    names: frozenset[str] = frozenset()
    only_in_results: tuple[int, ...] = ()
    only_in_labels: tuple[int, ...] = ()
    aggregated: pd.DataFrame | None = None


def checked_films(results: pd.DataFrame) -> NDArray[np.bool_]:
    """Of which films ``(n,)`` the results say whether the model was trained on them."""
    if SEEN not in results:
        return np.zeros(len(results), bool)
    known: NDArray[np.bool_] = results[SEEN].fillna("").ne("").to_numpy(dtype=bool)
    return known


def seen_films(results: pd.DataFrame) -> NDArray[np.bool_]:
    """Which films ``(n,)`` the model was trained on, as far as the results say."""
    if SEEN not in results:
        return np.zeros(len(results), bool)
    found: NDArray[np.bool_] = results[SEEN].isin(_YES).to_numpy(dtype=bool)
    return found
