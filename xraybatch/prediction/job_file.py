"""The file that a job lies in: whether one begins here, and what to say where it cannot be used."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from xraybatch.core.errors import InputError, XraybatchError

_MAGIC = b"SQLite format 3\0"


def unusable(path: Path, error: sqlite3.Error) -> XraybatchError:
    """What SQLite says of a job's file, for a person."""
    if "locked" in str(error):
        return InputError(
            f"Another run is writing {path}.", "Wait for it, or choose another --out."
        )
    return InputError(
        f"The state of the run in {path} cannot be used: {error}.",
        "See whether the disk is full or read-only; the same command then goes on.",
    )


def is_fresh(path: Path) -> bool:
    """Whether a job begins here; a file that is no job is refused and left as it is."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError:
        return True
    if not head and path.suffix == ".job":  # killed before its first write
        return True
    if head != _MAGIC:
        raise InputError(f"{path} is no state of a run.", "Choose another --job.")
    return False


class Transaction:
    """Everything within the block is in the job's file, or nothing of it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN")

    def __exit__(self, kind: object, *_: object) -> None:
        if self._db.in_transaction:  # a full disk has ended it already
            self._db.execute("COMMIT" if kind is None else "ROLLBACK")
