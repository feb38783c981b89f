"""Whether merged rows are those of every film, once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xraybatch.core.counting import counted, films
from xraybatch.core.errors import InputError
from xraybatch.prediction.engine import CHUNK
from xraybatch.prediction.sharding.facts import command_line
from xraybatch.prediction.sharding.files import Parts, deleted
from xraybatch.sources.manifest import Manifest


class Tally:
    """Counts rows as they come, in the order of the manifest; both are gone through side by side.

    Parameters
    ----------
    found : Parts
    listed : Manifest or None
        None: films are counted, and not looked for by name.
    out : Path
        Of the whole, for words.
    """

    def __init__(self, found: Parts, listed: Manifest | None, out: Path) -> None:
        self.rows = 0
        self._found = found
        self._out = out
        self._last: tuple[str | None, int] = (None, -1)
        self._seen = [0] * len(found.parts)
        self._is_listed = listed is not None
        self._listed = enumerate(listed if listed is not None else ())
        self._without = [0] * len(found.parts)  # films of the manifest that have no row
        names: Sequence[str] = found.first.shard["columns"]
        self._frame = names.index("frame") if "frame" in names else None

    def add(self, number: int, cells: Sequence[str | None]) -> None:
        """Take the next row, of shard `number`.

        Raises
        ------
        InputError
            If it is not the row that can come next.
        """
        path = cells[0]
        frame = 0 if self._frame is None else int(cells[self._frame] or 0)
        self.rows += 1
        if path == self._last[0]:
            is_next = self._frame is not None and frame == self._last[1] + 1
        else:
            is_next = frame == 0
            self._seen[number] += 1
        if not is_next:
            raise self._wrong(number, "has not each film and frame once")
        if self._is_listed and path != self._last[0]:
            self._look_for(path, number)
        self._last = path, frame

    def check(self, rows: int) -> None:
        """Raise `InputError` unless all films of all shards were there, with so many rows."""
        for index, _ in self._listed:
            self._without[self._owner(index)] += 1
        for part, seen, without in zip(self._found.parts, self._seen, self._without, strict=True):
            wanted = part.items - part.left_out
            if seen != wanted or (self._is_listed and without != part.left_out):
                raise self._wrong(
                    part.shard.index,
                    f"has rows of {films(seen)}, not of {wanted:,} as is told of it",
                )
        if self.rows != rows:
            raise InputError(
                f"The shards have {counted(self.rows, 'row')}, not {rows:,} as is told of them.",
                "Make those again that were changed.",
            )

    def _look_for(self, path: str | None, number: int) -> None:
        """Go on in the manifest to the film of a row."""
        for index, item in self._listed:
            owner = self._owner(index)
            if item.key == path:
                if owner != number:
                    raise self._wrong(number, "has a film that belongs to another shard")
                return
            self._without[owner] += 1
        raise self._wrong(number, "has a film that is not in the manifest")

    def _owner(self, index: int) -> int:
        return index // CHUNK % len(self._found.parts)

    def _wrong(self, number: int, what: str) -> InputError:
        part = self._found.parts[number]
        told = self._found.first.shard
        again = command_line(told["command"], number, out=self._out)
        return InputError(
            f"{part.table.name} {what}.",
            f"Delete {deleted(told, part.shard, part.table)} and its state, and make it again: "
            f"{again}",
        )
