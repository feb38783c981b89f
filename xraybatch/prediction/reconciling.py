"""Films found now against those of a job: what is new, changed or gone, and what is done again."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.status import DEPENDS_ON_THE_DAY
from xraybatch.sources.item import Item

_MOST = 2**63 - 1  # the largest number of SQLite; a ZIP may announce any size


@dataclass(frozen=True)
class Reconciled:
    """How the films found now compare with those of the job.

    Attributes
    ----------
    done : int
        Items that have their row already.
    new : int
        Found now, not in the job: left for ``--update``.
    vanished : int
        In the job, not found now; what was read of them stays.
    changed : int
        Another place, size or time than when they were read: read anew.
    again : int
        Were unreadable, crashed or took too long, which depends on the day: tried again.
    """

    done: int
    new: int
    vanished: int
    changed: int
    again: int


def reconcile(db: sqlite3.Connection, path: Path, items: Iterable[Item]) -> Reconciled:
    """Compare the items found now with the job's, and forget the rows that no longer hold.

    To be called within a transaction.

    Parameters
    ----------
    db : sqlite3.Connection
    path : Path
        Of the job, for words.
    items : iterable of Item

    Raises
    ------
    InputError
        If none of the job's films is among those found now.
    """
    new = changed = found = 0
    for item in items:
        was = db.execute(
            "SELECT item, path, size, mtime_ns, member FROM items WHERE key = ?", (item.key,)
        ).fetchone()
        if was is None:
            new += 1
            continue
        found += 1
        now = known(item)
        if was[1:] != now:
            changed += 1
            db.execute("DELETE FROM rows WHERE item = ?", (was[0],))
            db.execute(
                "UPDATE items SET path = ?, size = ?, mtime_ns = ?, member = ? WHERE item = ?",
                (*now, was[0]),
            )
    total = _count(db, "SELECT count(*) FROM items")
    if not found and total:
        raise InputError(
            f"{path.name} holds an unfinished run over other films.",
            f"Give its films again, or delete {path} to start anew.",
        )
    before = _count(db, _DONE)
    marks = ", ".join("?" * len(DEPENDS_ON_THE_DAY))
    db.execute(  # an item with all its frames
        f"DELETE FROM rows WHERE item IN (SELECT item FROM rows WHERE status IN ({marks}))",  # noqa: S608 - question marks
        sorted(DEPENDS_ON_THE_DAY),
    )
    done = _count(db, _DONE)
    return Reconciled(done, new, total - found, changed, before - done)


def known(item: Item) -> tuple[bytes, int, int, str]:
    """What a job keeps of an item beside its key."""
    place = os.fsencode(os.path.abspath(item.path))  # noqa: PTH100 - a million times
    # what SQLite can hold; the year 2400 it cannot
    return place, min(item.size, _MOST), item.mtime_ns & _MOST, item.member


_DONE = "SELECT count(DISTINCT item) FROM rows"


def _count(db: sqlite3.Connection, query: str) -> int:
    return int(db.execute(query).fetchone()[0])
