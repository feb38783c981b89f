"""Rows of a results table as a `pandas.DataFrame`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xraybatch.core.tables import as_text
from xraybatch.prediction.rows import Columns

if TYPE_CHECKING:
    import pandas as pd

RECORD = "xraybatch"  # where a DataFrame keeps its run record


def results_frame(
    rows: Sequence[Sequence[str | None]], columns: Columns, record: Mapping[str, Any]
) -> pd.DataFrame:
    """A table with the columns of `docs/results.md`.

    Parameters
    ----------
    rows : sequence of cells
        Text, as `Columns.cells` gives it; None or empty: no value.
    columns : Columns
    record : mapping
        Plain JSON; kept in ``DataFrame.attrs``, where `xraybatch.score` finds the tasks.

    Returns
    -------
    pandas.DataFrame
        Probabilities are float32 (NaN: none), findings Int8, ``frame`` Int64, ``abstain`` and
        ``seen_in_training`` boolean, all else text; a missing cell is None.
    """
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame(
        {
            name: pd.Series([row[i] or None for row in rows], dtype=object)
            for i, name in enumerate(columns.names)
        }
    )
    for name in columns.floats:
        frame[name] = frame[name].astype(np.float32)
    if columns.frames:
        frame["frame"] = frame["frame"].map(int, na_action="ignore").astype("Int64")
    for name in columns.findings:
        frame[name] = frame[name].map({"0": 0, "1": 1}).astype("Int8")
    for name in columns.flags:
        frame[name] = frame[name].map({"0": False, "1": True}).astype("boolean")
    frame.attrs[RECORD] = {**record, "frame_sha256": frame_digest(frame)}
    return frame


def frame_digest(frame: pd.DataFrame) -> str:
    """SHA-256 of a table's content as text; the same whatever its index and attributes."""
    text = as_text(frame).to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
