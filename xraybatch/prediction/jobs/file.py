"""The file that a job lies in: whether one begins here, its tables, and its transactions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from xraybatch.core.errors import InputError, XraybatchError
from xraybatch.sources.item import Item

FORMAT = "5"
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE items (
    item INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, path BLOB NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, member TEXT NOT NULL, etag TEXT NOT NULL
);
CREATE TABLE rows (
    item INTEGER NOT NULL, frame INTEGER NOT NULL, status TEXT NOT NULL, error TEXT NOT NULL,
    "values" BLOB NOT NULL, seen INTEGER, notes TEXT NOT NULL, told TEXT NOT NULL,
    apart REAL,
    PRIMARY KEY (item, frame)
) WITHOUT ROWID;
CREATE TABLE begun (item INTEGER PRIMARY KEY, frames INTEGER NOT NULL);
"""
MEND = (
    "See whether the disk is full or read-only, or the folder is gone; the same command then goes "
    "on."
)
_MAGIC = b"SQLite format 3\0"


class Transaction:
    """All of what is done within the block, or nothing of it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN")

    def __exit__(self, kind: object, *_: object) -> None:
        if self._db.in_transaction:  # a full disk has ended it already
            self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def items_of_job(path: Path, keys: Iterable[str]) -> dict[str, Item]:
    """What a job knows of some of its films, by key; the job is only read.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    found = {}
    try:
        db = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, timeout=0.5)
        with closing(db):
            for key in keys:
                row = db.execute(
                    "SELECT path, size, mtime_ns, member, etag FROM items WHERE key = ?", (key,)
                ).fetchone()
                if row is not None:
                    found[key] = Item(key, os.fsdecode(row[0]), *row[1:])
    except sqlite3.Error as error:
        raise unusable(path, error) from None
    return found


def unusable(path: Path, error: sqlite3.Error) -> XraybatchError:
    """What SQLite says of a job's file, for a person."""
    if "locked" in str(error):
        return InputError(
            f"Another run is writing {path}.", "Wait for it, or choose another --out."
        )
    return InputError(
        f"The state of the run in {path} cannot be used: {error}.",
        MEND,
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
