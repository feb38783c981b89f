"""What the places of MURA's films say where no column does: patients, studies, regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xraybatch.sources.mura import mura_place

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

PATIENT, STUDY, REGION = "patient", "study", "region"


def with_places(
    results: pd.DataFrame, wanted: Iterable[str], known: Iterable[str] = ()
) -> pd.DataFrame:
    """The results with columns that the places of their films say.

    Parameters
    ----------
    results : DataFrame
        With a column ``path``.
    wanted : iterable of str
        Some of `PATIENT`, `STUDY` and `REGION`; other names are passed over.
    known : iterable of str
        Columns that another table has; like those of the results they are left as they are.

    Returns
    -------
    DataFrame
        The same one where nothing is wanted, or where any film lies elsewhere than MURA's do.
    """
    missing = {PATIENT, STUDY, REGION}.intersection(wanted) - {*results.columns, *known}
    if not missing or not len(results) or mura_place(results["path"].iloc[0]) is None:
        return results
    places = [mura_place(path) for path in results["path"]]
    if not all(places):
        return results
    said = {name: [getattr(place, name) for place in places] for name in sorted(missing)}
    return results.assign(**said)
