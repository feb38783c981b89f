"""Items of several frames in a job: begun with their first frame, done when each has its row.

A table names those that are begun and not done, which are few at any time. What is finished of them
stays when a run is stopped. Everything here happens inside a transaction of the job.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from xraybatch.prediction.rows import NO_FRAME, Begun, Row

COUNT_DONE = (
    "SELECT (SELECT count(DISTINCT item) FROM rows) - "
    "(SELECT count(*) FROM begun WHERE item IN (SELECT item FROM rows))"
)


def begun_items(db: sqlite3.Connection, begin: int, end: int) -> dict[int, Begun]:
    """Items of index `begin` to `end` (exclusive) that are begun and not done."""
    found = db.execute(
        "SELECT item, frames FROM begun WHERE item >= ? AND item < ?", (begin, end)
    ).fetchall()
    return {item: Begun(frames, _frames_done(db, item)) for item, frames in found}


def make_way(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Before rows are written: one for an item as a whole stands in place of its frames."""
    begun = {item for (item,) in db.execute("SELECT item FROM begun")}
    for row in rows:
        if row.frame == NO_FRAME and row.item in begun:
            db.execute("DELETE FROM rows WHERE item = ?", (row.item,))
            db.execute("DELETE FROM begun WHERE item = ?", (row.item,))


def settle(db: sqlite3.Connection) -> None:
    """Take those from the list of which every frame has its row."""
    db.execute(
        "DELETE FROM begun WHERE frames <= (SELECT count(*) FROM rows WHERE rows.item = begun.item)"
    )


def forget_without_rows(db: sqlite3.Connection) -> None:
    """Take those from the list whose rows no longer hold: how many frames they have is open."""
    db.execute("DELETE FROM begun WHERE item NOT IN (SELECT item FROM rows)")


def _frames_done(db: sqlite3.Connection, item: int) -> frozenset[int]:
    return frozenset(
        frame for (frame,) in db.execute("SELECT frame FROM rows WHERE item = ?", (item,))
    )
