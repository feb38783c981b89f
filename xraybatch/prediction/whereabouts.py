"""Where the films of a results table lie: what the run knew of them, and where they are said to be.

By default the state of the run beside the table tells; a person may name the films again, or a
manifest.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.progress import SILENT, Progress
from xraybatch.prediction.jobs.file import items_of_job
from xraybatch.prediction.record import PredictionRecord
from xraybatch.sources.fetch import IoOptions
from xraybatch.sources.films import find_films
from xraybatch.sources.item import Item
from xraybatch.sources.keys import order_key
from xraybatch.sources.manifest import open_manifest


class Whereabouts:
    """The films of a table, found by their keys.

    Parameters
    ----------
    table : Path
    record : PredictionRecord
        Of the table.
    films : sequence of str or Path
        Where they lie now, as they were given to `predict`.
    manifest : Path, optional
        That lists them.
    takes_manifest : bool
        Whether a person could have named a manifest, so that the hint says so.
    io : IoOptions, optional
        How films at addresses are asked for; None: addresses in `films` are refused.
    progress : Progress

    Attributes
    ----------
    signed : mapping of str to str
        What is to be asked for a path that was shortened by its signature.

    Raises
    ------
    InputError
        If nobody says where they lie, or what says so cannot be read.
    """

    def __init__(
        self,
        table: Path,
        record: PredictionRecord,
        films: Sequence[str | Path] = (),
        manifest: Path | None = None,
        *,
        takes_manifest: bool = False,
        io: IoOptions | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._table = table
        self._job = table.with_name(record.options.get("job") or table.name + ".job")
        self._has_job = self._job.exists()
        self.signed: Mapping[str, str] = {}
        self._named: _Rising | None = None
        self._takes_manifest = takes_manifest
        self._is_manifest = manifest is not None
        if manifest is not None:
            listed = open_manifest(manifest)
            if record.manifest.get("sha256", listed.digest) != listed.digest:
                raise InputError(
                    f"{table} is of another manifest than {manifest}.",
                    "Give the one that was given to predict.",
                )
            self._named = _Rising(listed)
        elif films:
            found = find_films(films, archives=True, progress=progress, io=io)
            self._named, self.signed = _Rising(found.items), found.signed
        if self._named is None and not self._has_job:
            raise self.none_found()

    def none_found(self) -> InputError:
        """What is said where not one film of the table can be found."""
        if self._named is None:
            return InputError(
                f"Where the films of {self._table} lie is not known: there is no {self._job.name} "
                "beside it.",
                "Name the folder that was given to predict: --films FOLDER"
                + (", or its manifest: --manifest FILE." if self._takes_manifest else "."),
            )
        option = "--manifest" if self._is_manifest else "--films"
        return InputError(
            f"None of the rows' films is among those named with {option}.",
            "Name the same folder or files that were given to predict.",
        )

    @property
    def moved(self) -> bool:
        """Whether a person named where they lie now, so that times of files may be others."""
        return self._named is not None and not self._is_manifest

    def then(self, keys: Iterable[str]) -> dict[str, Item]:
        """What the run knew of films, by key; nothing where its state is not there."""
        return items_of_job(self._job, keys) if self._has_job else {}

    def now(self, keys: Iterable[str]) -> dict[str, Item]:
        """Where films lie, by key; those that nobody lists are not in it.

        Keys rise from one call to the next, as in a table.
        """
        return self.then(keys) if self._named is None else self._named.find(keys)


def may_be_there(item: Item) -> bool:
    """Whether it is worth a try: of a film elsewhere only asking for it tells."""
    return item.is_remote or os.path.lexists(item.path)


def as_it_is(item: Item) -> Item:
    """The item with the size and time that its file has now."""
    if item.is_remote:
        return item
    try:
        status = os.stat(item.path)  # noqa: PTH116 - a path of any kind
    except OSError:
        return item
    size = item.size if item.member else status.st_size
    return Item(item.key, item.path, size, status.st_mtime_ns, item.member)


class _Rising:
    """Items in the order of their keys, read once from begin to end."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items: Iterator[Item] = iter(items)
        self._next: Item | None = next(self._items, None)

    def find(self, keys: Iterable[str]) -> dict[str, Item]:
        found = {}
        for key in sorted(keys, key=order_key):
            wanted = order_key(key)
            while self._next is not None and order_key(self._next.key) < wanted:
                self._next = next(self._items, None)
            if self._next is not None and self._next.key == key:
                found[key] = self._next
        return found
