"""Tables to score, as files give them: results with their run record, and labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import InputError
from xraybatch.core.files import sha256_of
from xraybatch.core.tables import read_table
from xraybatch.prediction.record import record_path

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Given:
    """A table to score, or to score by.

    Attributes
    ----------
    table : pandas.DataFrame
        All cells `str`, the empty one missing.
    name : str
        What messages call it.
    digest : str
        SHA-256 of its file; empty for a table from memory.
    record : mapping
        The run record of a results table; empty where there is none.
    record_name : str
        What messages call that.
    is_file : bool
        Whether the report names it as a source.
    """

    table: pd.DataFrame
    name: str
    digest: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    record_name: str = "The table's run record"
    is_file: bool = False


def read_results(path: Path | str) -> Given:
    """A results file, and ``<path>.run.json`` where it lies beside.

    Raises
    ------
    InputError
        If one of them cannot be read.
    """
    path = Path(path)
    job = path.with_name(path.name + ".job")
    if not path.exists() and job.exists():
        raise InputError(
            f"{path} is not there yet: its prediction was stopped before it was finished.",
            "Give the predict command again; it goes on.",
        )
    return Given(
        read_table(path),
        path.name,
        sha256_of(path),
        _read_record(path),
        str(record_path(path)),
        is_file=True,
    )


def read_labels(path: Path | str) -> Given:
    """A labels file: CSV, Parquet or JSON Lines.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    path = Path(path)
    return Given(read_table(path), path.name, sha256_of(path), is_file=True)


def _read_record(results: Path) -> Mapping[str, Any]:
    path = record_path(results)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        record = error
    if not isinstance(record, dict):
        raise InputError(
            f"{path} cannot be read as a run record.",
            "Remove it and name the tasks with --task, or predict again.",
        )
    return record
