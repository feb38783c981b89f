"""Films found now against those of a job: what is new, changed or gone, and what is done again."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.status import DEPENDS_ON_THE_DAY, FilmStatus
from xraybatch.prediction.jobs.frames import COUNT_DONE, forget_without_rows
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
        Found now, not in the job: taken in by an update, else left.
    vanished : int
        In the job, not found now: an update takes them out, else what was read of them stays.
    changed : int
        Another place, size or time than when they were read: read anew, but for those that had an
        answer where only failed films are done again.
    again : int
        Had no answer for a reason that depends on the day, or for any where failed films are done
        again: tried again.
    """

    done: int
    new: int
    vanished: int
    changed: int
    again: int


@dataclass(frozen=True)
class Wanted:
    """What is done again of a job; nothing of it: an unfinished run goes on.

    Attributes
    ----------
    update : bool
        The job becomes that of the films found now: new ones come in, vanished ones go.
    failed : bool
        Whatever has no answer is done again.
    goes_on : bool
        With `failed`: rows without an answer were deleted by the run that this one goes on with;
        those that are there are of that run.
    """

    update: bool = False
    failed: bool = False
    goes_on: bool = False


GO_ON = Wanted()


def reconcile(
    db: sqlite3.Connection, path: Path, items: Iterable[Item], wanted: Wanted
) -> Reconciled:
    """Compare the items found now with the job's, and forget the rows that no longer hold.

    To be called within a transaction.

    Parameters
    ----------
    db : sqlite3.Connection
    path : Path
        Of the job, for words.
    items : iterable of Item
    wanted : Wanted

    Raises
    ------
    InputError
        If none of the job's films is among those found now.
    """
    # numbers of a million items, which no set of Python's holds as cheaply
    db.execute("CREATE TEMP TABLE IF NOT EXISTS found (item INTEGER PRIMARY KEY)")
    db.execute("DELETE FROM temp.found")
    failed_alone = wanted.failed and not wanted.update
    total = _count(db, "SELECT count(*) FROM items")
    next_item = _count(db, "SELECT coalesce(max(item), -1) + 1 FROM items")
    new = changed = found = 0
    for item in items:
        was = db.execute(
            "SELECT item, path, size, mtime_ns, member, etag FROM items WHERE key = ?", (item.key,)
        ).fetchone()
        now = known(item)
        if was is None:
            if wanted.update:
                values = (next_item + new, item.key, *now)
                db.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", values)
                db.execute("INSERT INTO temp.found VALUES (?)", values[:1])
            new += 1
            continue
        found += 1
        db.execute("INSERT INTO temp.found VALUES (?)", was[:1])
        if was[1:] != now:
            changed += 1
            if failed_alone and _is_answered(db, was[0]):
                continue
            db.execute("DELETE FROM rows WHERE item = ?", was[:1])
            db.execute(
                "UPDATE items SET path = ?, size = ?, mtime_ns = ?, member = ?, etag = ? "
                "WHERE item = ?",
                (*now, was[0]),
            )
    if not found and total:
        raise InputError(
            f"{path.name} holds a run over other films.",
            f"Give its films again, or delete {path} to start anew.",
        )
    if wanted.update:
        for table in ("rows", "items"):
            db.execute(f"DELETE FROM {table} WHERE item NOT IN temp.found")  # noqa: S608
    forget_without_rows(db)
    before = _count(db, COUNT_DONE)
    _forget_failed(db, wanted)
    forget_without_rows(db)
    done = _count(db, COUNT_DONE)
    return Reconciled(done, new, total - found, changed, before - done)


def _forget_failed(db: sqlite3.Connection, wanted: Wanted) -> None:
    """Delete the rows of items that are tried again, each with all its frames."""
    condition = f"status IN ({_marks(DEPENDS_ON_THE_DAY)})"
    values = sorted(DEPENDS_ON_THE_DAY)
    if wanted.failed and not wanted.goes_on:
        condition, values = f"status NOT IN ({_marks(_ANSWERED)})", sorted(_ANSWERED)
    # what is no longer there would only get a worse reason
    there = "AND item IN temp.found" if wanted.failed else ""
    db.execute(
        f"DELETE FROM rows WHERE item IN (SELECT item FROM rows WHERE {condition}) {there}",  # noqa: S608 - question marks
        values,
    )


def _is_answered(db: sqlite3.Connection, item: int) -> bool:
    """Whether an item has all its rows, and each of them an answer."""
    if db.execute("SELECT 1 FROM begun WHERE item = ?", (item,)).fetchone():
        return False  # frames of two files would stand side by side
    count, answered = db.execute(
        f"SELECT count(*), coalesce(sum(status IN ({_marks(_ANSWERED)})), 0) "  # noqa: S608
        "FROM rows WHERE item = ?",
        (*sorted(_ANSWERED), item),
    ).fetchone()
    return bool(count) and count == answered


def known(item: Item) -> tuple[bytes, int, int, str, str]:
    """What a job keeps of an item beside its key."""
    place = item.path if item.is_remote else os.path.abspath(item.path)  # noqa: PTH100
    # what SQLite can hold; the year 2400 it cannot
    size, mtime_ns = min(item.size, _MOST), item.mtime_ns & _MOST
    return os.fsencode(place), size, mtime_ns, item.member, item.etag


_ANSWERED = frozenset({FilmStatus.OK, FilmStatus.LEFT_OUT})


def _marks(values: frozenset[FilmStatus]) -> str:
    return ", ".join("?" * len(values))


def _count(db: sqlite3.Connection, query: str) -> int:
    return int(db.execute(query).fetchone()[0])
