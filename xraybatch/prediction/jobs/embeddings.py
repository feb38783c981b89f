"""Embeddings in a job: a table beside that of the rows, only in a job that was begun with them.

Each belongs to a row: SQLite itself deletes it where its row is deleted or replaced, whoever does
that, so the two cannot fall out of step. Writing happens inside a transaction of the job.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from xraybatch.prediction.rows import Row

FOLLOW_ROWS = "PRAGMA foreign_keys=ON"  # of a connection, and only outside a transaction

_SCHEMA = """
CREATE TABLE embeddings (
    item INTEGER NOT NULL, frame INTEGER NOT NULL, embedding BLOB NOT NULL,
    PRIMARY KEY (item, frame),
    FOREIGN KEY (item, frame) REFERENCES rows (item, frame) ON DELETE CASCADE
)
"""


def make_table(db: sqlite3.Connection) -> None:
    """Make place for embeddings."""
    db.execute(_SCHEMA)


def drop_table(db: sqlite3.Connection) -> None:
    """Forget every embedding, and that there were any."""
    db.execute("DROP TABLE IF EXISTS embeddings")


def keep(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Keep the embeddings of rows that were written; of a row without one nothing."""
    found = [(row.item, row.frame, row.embedding) for row in rows if row.embedding]
    if found:
        db.executemany("INSERT INTO embeddings VALUES (?, ?, ?)", found)


def kept(db: sqlite3.Connection) -> Iterator[tuple[str, int, bytes]]:
    """Key, frame and embedding of each film that has one, in the order of the table."""
    # CROSS JOIN: items first, by the index of their keys; nothing is sorted
    yield from db.execute(
        "SELECT i.key, e.frame, e.embedding FROM items i CROSS JOIN embeddings e "
        "ON e.item = i.item ORDER BY i.key, e.frame"
    )
