"""Whose film is whose: what a split keeps whole, and what scores are clustered by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

UNITS = {"patient": "whole patients", "study": "whole studies", "film": "single films"}


def kept_whole(
    patients: Sequence[str], studies: Sequence[str], group_by: str = "patient"
) -> tuple[str, tuple[str, ...]]:
    """What a split can keep whole, and its name for each film.

    Parameters
    ----------
    patients, studies : sequence of str
        Of each film; empty: not known.
    group_by : str
        What should be kept whole: ``patient``, ``study`` or ``film``.

    Returns
    -------
    str
        The same; where no film has a patient, ``study``, and the other way round; where no film
        has either, ``film``.
    tuple of str
        A film that has no such name of its own takes that of its study's (or patient's) other
        films where they have one, and else stays with the films of its study (or patient) that
        have none either. Empty for films that stand alone.
    """
    known = {"patient": patients, "study": studies}
    order = {"patient": ("patient", "study"), "study": ("study", "patient"), "film": ()}[group_by]
    whole = next((word for word in order if any(known[word])), "film")
    if whole == "film":
        return whole, ("",) * len(patients)
    own, aside = order if whole == order[0] else order[::-1]
    beside = defaultdict(set)
    for name, other in zip(known[own], known[aside], strict=True):
        if name:
            beside[other].add(name)
    return whole, tuple(
        name or (_only(beside[other]) or f"{aside} {other}" if other else "")
        for name, other in zip(known[own], known[aside], strict=True)
    )


def patients_known(table: pd.DataFrame) -> bool:
    """Whether any film of a table has a patient."""
    return any(table["patient"])


def clusters_of(table: pd.DataFrame) -> tuple[str, ...]:
    """What scores are clustered by, whatever the split keeps whole.

    Returns
    -------
    tuple of str
        Patients; where no film has one, studies, for a study is of one patient; empty: not known.
    """
    return tuple(table["patient"] if patients_known(table) else table["study"])


def cluster_column(table: pd.DataFrame) -> str:
    """What `clusters_of` is called in tables of a run: ``patient``, or else ``study``."""
    return "patient" if patients_known(table) else "study"


def numbered(names: Sequence[str]) -> NDArray[np.int64]:
    """The same number for the same name; one of its own for each film without a name."""
    import numpy as np

    own = [name or f"\0{i}" for i, name in enumerate(names)]
    return np.unique(own, return_inverse=True)[1].astype(np.int64)


def said_of_clusters(table: pd.DataFrame, whole: str) -> list[str]:
    """What a reader of scores must know of patients, in sentences, of a split that kept `whole`."""
    if not patients_known(table):
        studies = any(table["study"])
        said = "Patients are not known: the films of one study count as those of one patient."
        return [said] if studies else []
    if whole == "patient":
        return []
    return [
        f"Split by {UNITS[whole]} although patients are known, so films of one patient may stand "
        "on both sides and the numbers may be too good."
    ]


def _only(names: set[str]) -> str:
    return next(iter(names)) if len(names) == 1 else ""
