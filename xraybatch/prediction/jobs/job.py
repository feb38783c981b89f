"""The job: the state of a prediction run, in one SQLite file beside the output.

Rows are committed about once a second, so a run that was killed goes on where it was. One writer,
the parent process; the file is locked while it runs. Memory does not grow with the number of films.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmStatus
from xraybatch.prediction.jobs.embeddings import FOLLOW_ROWS, drop_table, keep, kept, make_table
from xraybatch.prediction.jobs.file import FORMAT, SCHEMA, Transaction, is_fresh, unusable
from xraybatch.prediction.jobs.frames import COUNT_DONE, begun_items, make_way, settle
from xraybatch.prediction.jobs.reconciling import GO_ON, Reconciled, Wanted, known, reconcile
from xraybatch.prediction.rows import Begun, Row
from xraybatch.sources.item import Item

_STATUSES = {status.value: status for status in FilmStatus}


class Job:
    """An open job; a context manager. Its file is locked until it is closed.

    Raises
    ------
    InputError
        If another process has it open, or it is no job of ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        fresh = is_fresh(path)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0.5)
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=DELETE")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(FOLLOW_ROWS)
            self._db.execute("BEGIN EXCLUSIVE")
            if fresh:
                for statement in SCHEMA.split(";"):
                    self._db.execute(statement)
                self._set("format", FORMAT)
            known = self._get("format")
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise unusable(path, error) from None
        if known != FORMAT:
            raise InputError(
                f"{path} was written by another version of xraybatch.", f"Delete {path}."
            )

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the lock."""
        self._db.close()

    @property
    def begun(self) -> bool:
        """Whether the items and the identity of the run are already in it."""
        return bool(self._get("identity"))

    @property
    def published(self) -> bool:
        """Whether its results were written out whole."""
        return self._get("published") == "1"

    @property
    def identity(self) -> dict[str, Any]:
        """What the run is: model seal, rule, every option that changes results, versions."""
        stored: dict[str, Any] = json.loads(self._get("identity") or "{}")
        return stored

    def begin(self, items: Iterable[Item], identity: Mapping[str, Any]) -> None:
        """Put items and identity in, and a table where the run is one with embeddings."""
        with self._transaction():
            if identity.get("embeddings"):
                make_table(self._db)
            self._db.executemany(
                "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((i, item.key, *known(item)) for i, item in enumerate(items)),
            )
            self._set("identity", json.dumps(dict(identity), sort_keys=True))

    def forget(self) -> None:
        """Drop items, rows and identity, to begin anew."""
        with self._transaction():
            drop_table(self._db)
            for table in ("items", "rows", "begun"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - fixed names
            self._db.execute("DELETE FROM meta WHERE key != 'format'")

    def reconcile(
        self,
        items: Iterable[Item],
        wanted: Wanted = GO_ON,
        *,
        identity: Mapping[str, Any] | None = None,
        redoing: str = "",
    ) -> Reconciled:
        """Compare the items found now with the job's, and forget the rows that no longer hold.

        Parameters
        ----------
        items : iterable of Item
        wanted : Wanted
        identity : mapping, optional
            What the run is from now on.
        redoing : str
            What is kept until the next publishing, to know whether a run goes on.

        Raises
        ------
        InputError
            If none of the job's films is among those found now; the job is left as it was.
        """
        with self._transaction():
            state = reconcile(self._db, self.path, items, wanted)
            self._set("published", "0")
            self._set("redoing", redoing)
            if identity is not None:
                self._set("identity", json.dumps(dict(identity), sort_keys=True))
        return state

    def note_mixed(self) -> None:
        """Note that rows come in from another processor, or of other versions."""
        with self._transaction():
            self._set("mixed", "1")

    @property
    def mixed(self) -> bool:
        """Whether rows of more than one processor or set of versions may stand in it."""
        return self._get("mixed") == "1"

    def count(self) -> int:
        """How many items the job has."""
        return int(self._db.execute("SELECT count(*) FROM items").fetchone()[0])

    def end(self) -> int:
        """One more than the largest index of an item: an update leaves gaps."""
        return int(self._db.execute("SELECT coalesce(max(item), -1) + 1 FROM items").fetchone()[0])

    def count_done(self) -> int:
        """How many items have all their rows."""
        return int(self._db.execute(COUNT_DONE).fetchone()[0])

    def count_rows(self) -> int:
        """How many films were looked at: those that have their row, and those left out."""
        return int(self._db.execute("SELECT count(*) FROM rows").fetchone()[0])

    def pending(self, begin: int, end: int) -> list[tuple[int, Item]]:
        """The items of index `begin` to `end` (exclusive) that lack rows, in order."""
        found = self._db.execute(
            "SELECT item, key, path, size, mtime_ns, member, etag FROM items "
            "WHERE item >= ? AND item < ? AND (item IN (SELECT item FROM begun) OR item NOT IN "
            "(SELECT item FROM rows WHERE item >= ? AND item < ?)) ORDER BY item",
            (begin, end, begin, end),
        )
        return [(i, Item(key, os.fsdecode(path), *more)) for i, key, path, *more in found]

    def begun_items(self, begin: int, end: int) -> dict[int, Begun]:
        """Those of `pending` of which some frames have their rows."""
        return begun_items(self._db, begin, end)

    def note_frames(self, opened: Mapping[int, int]) -> None:
        """Note how many frames items have: those are done when each has its row."""
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO begun VALUES (?, ?)", opened.items())

    def write(self, rows: Sequence[Row]) -> None:
        """Commit rows; a row that was there already is replaced."""
        with self._transaction():
            make_way(self._db, rows)
            self._db.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(r.item, r.frame, r.status.value, r.error, r.values, _as_int(r.seen)),
                        "\n".join(note.replace("\n", " ") for note in r.notes),
                        json.dumps(dict(r.told)) if r.told else "",
                        r.apart,
                    )
                    for r in rows
                ],
            )
            keep(self._db, rows)
            settle(self._db)

    def results(self) -> Iterator[tuple[str, Row]]:
        """Every row with its item's path, ordered by the path's UTF-8 bytes, then frame.

        But for those that were left out.
        """
        found = self._db.execute(
            'SELECT i.key, r.item, r.frame, r.status, r.error, r."values", r.seen, r.notes, '
            "r.told, r.apart FROM items i JOIN rows r ON r.item = i.item WHERE r.status != ? "
            "ORDER BY i.key, r.frame",
            (FilmStatus.LEFT_OUT,),
        )
        for key, item, frame, status, error, values, seen, notes, told, apart in found:
            known = None if seen is None else bool(seen)
            said = tuple(filter(None, notes.split("\n"))) if notes else ()
            facts = json.loads(told) if told else {}
            row = (item, frame, _STATUSES[status], error, values, known, said, facts, apart)
            yield key, Row(*row)

    def embeddings(self) -> Iterator[tuple[str, int, bytes]]:
        """Path, frame and embedding of each film that has one, in the order of `results`."""
        return kept(self._db)

    def counts_by_status(self) -> dict[str, int]:
        """Rows by status, but for those that were left out."""
        found = self._db.execute(
            "SELECT status, count(*) FROM rows WHERE status != ? GROUP BY status ORDER BY 1",
            (FilmStatus.LEFT_OUT,),
        )
        return {status: int(count) for status, count in found}

    def left_out(self) -> dict[str, int]:
        """Items that were left out because of what their header says, by reason."""
        found = self._db.execute(
            "SELECT error, count(*) FROM rows WHERE status = ? GROUP BY error ORDER BY 1",
            (FilmStatus.LEFT_OUT,),
        )
        return {reason: int(count) for reason, count in found}

    def mark_published(self, sha256: str, embeddings_sha256: str = "") -> None:
        """Note that the results were written out whole, and the SHA-256 of their files."""
        with self._transaction():
            self._set("published", "1")
            self._set("publishing", "0")
            self._set("redoing", "")
            self._set("results_sha256", sha256)
            self._set("embeddings_sha256", embeddings_sha256)

    def mark_publishing(self, embeddings: Path | None = None) -> None:
        """Note that what lies at the output, and at `embeddings`, is this job's from now on."""
        with self._transaction():
            self._set("publishing", "1")
            if embeddings is not None:
                self._set("publishing_embeddings", _place(embeddings))

    @property
    def publishing(self) -> bool:
        """Whether it was stopped between writing its results and noting that they are whole."""
        return self._get("publishing") == "1"

    def is_publishing(self, embeddings: Path) -> bool:
        """Whether `publishing`, and the embeddings were to lie there."""
        return self.publishing and self._get("publishing_embeddings") == _place(embeddings)

    @property
    def results_sha256(self) -> str:
        """Of the results that were written last; empty before that."""
        return self._get("results_sha256")

    @property
    def embeddings_sha256(self) -> str:
        """Of the embeddings that were written last; empty without them, and before that."""
        return self._get("embeddings_sha256")

    @property
    def redoing(self) -> str:
        """What `reconcile` was told to keep until the next publishing."""
        return self._get("redoing")

    def _get(self, key: str) -> str:
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else ""

    def _set(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _transaction(self) -> Transaction:
        return Transaction(self._db)


def _place(path: Path) -> str:
    return os.fsencode(path.absolute()).hex()  # a name need not be text


def _as_int(value: bool | None) -> int | None:
    return None if value is None else int(value)
