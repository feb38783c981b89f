"""A manifest: the films of a run, listed once, in a Parquet file that many machines read.

Whoever reads it has the same films in the same order, and reads no more of it than they need. The
columns are those of an item: `path` (its key, as in every table), `place` (what to open), `size`,
`mtime_ns`, `member` and `etag`.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate, islice
from pathlib import Path
from typing import overload

from xraybatch.core.errors import InputError
from xraybatch.core.files import atomic_path
from xraybatch.sources.item import Item
from xraybatch.sources.manifest_rows import Whole, columns, items_of, schema

ROW_GROUP = 4096  # items; what is read at once
_FORMAT = 1
_FACTS = "xraybatch.manifest"  # key of the file's own metadata


@dataclass(frozen=True)
class ManifestFacts:
    """What a manifest says of itself.

    Attributes
    ----------
    films : int
        How many items it lists.
    digest : str
        SHA-256 of all of them in their order, 64 hexadecimal digits.
    skipped : dict of str to int
        Files that were found and are no films, by reason.
    """

    films: int
    digest: str
    skipped: dict[str, int] = field(default_factory=dict)


def write_manifest(
    items: Iterable[Item], out: Path, *, skipped: Mapping[str, int] | None = None
) -> ManifestFacts:
    """Write items to a manifest, a row group at a time.

    Parameters
    ----------
    items : iterable of Item
        In the order of their keys' UTF-8 bytes, no key twice.
    out : Path
        Replaced in one step if it is there.
    skipped : mapping of str to int, optional

    Raises
    ------
    ValueError
        If keys do not rise.
    OSError
        If the file cannot be written; nothing is left behind.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = Whole()
    waiting = iter(items)
    with (
        atomic_path(out) as temporary,
        pq.ParquetWriter(temporary, schema(), compression="zstd") as writer,
    ):
        while some := list(islice(waiting, ROW_GROUP)):
            whole.add(some)
            writer.write_table(pa.table(columns(some), schema=schema()))
        facts = ManifestFacts(whole.films, whole.digest(), dict(skipped or {}))
        told = json.dumps({"format": _FORMAT, **asdict(facts)}, sort_keys=True)
        writer.add_key_value_metadata({_FACTS: told})
    return facts


def open_manifest(path: Path) -> Manifest:
    """Open a manifest; only what it says of itself is read.

    Raises
    ------
    InputError
        If it cannot be read, or is not a manifest of this version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            found = file.metadata
            groups = [found.row_group(i).num_rows for i in range(found.num_row_groups)]
            said = json.loads((found.metadata or {}).get(_FACTS.encode(), b"{}"))
            is_ours = file.schema_arrow.equals(schema())
    except OSError as error:
        raise InputError(
            f"The manifest {path} cannot be read: {error.strerror or error}."
        ) from None
    except (pa.ArrowException, ValueError):
        said, is_ours, groups = {}, False, []
    if said.pop("format", None) != _FORMAT or not is_ours or sum(groups) != said.get("films"):
        raise InputError(
            f"{path} is no manifest of this version.",
            "Make one: xraybatch list FOLDER --manifest films.parquet.",
        )
    return Manifest(path, ManifestFacts(**said), groups)


class Manifest(Sequence[Item]):
    """The items of a manifest; a row group is read when one of its items is asked for.

    Reading all of them in order compares them with the digest.

    Parameters
    ----------
    path : Path
    facts : ManifestFacts
    groups : sequence of int
        How many items each row group has.

    Attributes
    ----------
    read : int
        How many times a row group was read.
    """

    def __init__(self, path: Path, facts: ManifestFacts, groups: Sequence[int]) -> None:
        self.path = path
        self.facts = facts
        self.read = 0
        self._starts = [0, *accumulate(groups)]
        self._kept: tuple[int, list[Item]] = (-1, [])

    @property
    def digest(self) -> str:
        """SHA-256 of all items."""
        return self.facts.digest

    @property
    def skipped(self) -> dict[str, int]:
        """Files that were found and are no films, by reason."""
        return self.facts.skipped

    def shard(self, index: int, count: int, *, chunk: int) -> Sequence[Item]:
        """The items of every `count`-th chunk of `chunk` items, from chunk number `index` on."""
        return _Shard(self, index, count, chunk)

    def __len__(self) -> int:
        return self.facts.films

    def __iter__(self) -> Iterator[Item]:
        whole = Whole()
        for number in range(len(self._starts) - 1):
            items = self._group(number)
            try:
                whole.add(items)
            except ValueError:
                raise self._changed() from None
            yield from items
        if whole.digest() != self.digest:
            raise self._changed()

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        number = bisect_right(self._starts, at) - 1
        return self._group(number)[at - self._starts[number]]

    def _group(self, number: int) -> list[Item]:
        if self._kept[0] != number:
            self._kept = number, self._read(number)
        return self._kept[1]

    def _read(self, number: int) -> list[Item]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.read += 1
        try:
            with pq.ParquetFile(self.path) as file:
                return items_of(file.read_row_group(number))
        except (OSError, pa.ArrowException, ValueError) as error:
            raise self._changed() from error

    def _changed(self) -> InputError:
        return InputError(
            f"The manifest {self.path} is not as it was written.",
            "Copy it again, or list the films anew.",
        )


class _Shard(Sequence[Item]):
    """Every so manieth chunk of a manifest."""

    def __init__(self, manifest: Manifest, index: int, count: int, chunk: int) -> None:
        self._manifest = manifest
        self._chunk = chunk
        films = len(manifest)
        self._chunks = range(index, -(-films // chunk), count)
        # only the last chunk of a manifest may be shorter
        last_end = (self._chunks[-1] + 1) * chunk if self._chunks else 0
        self._length = len(self._chunks) * chunk - max(0, last_end - films)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Item]:
        for number in self._chunks:
            yield from self._manifest[number * self._chunk : (number + 1) * self._chunk]

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number, inside = divmod(range(len(self))[index], self._chunk)
        return self._manifest[self._chunks[number] * self._chunk + inside]
