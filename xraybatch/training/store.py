"""Where decoded films lie: entries that are written once and never change, shared between runs.

A folder for each decoding rule and decoder; in it entries, each an array ``<name>.npy`` and
``<name>.json``, which says what content stands in which row. Nothing that is there is ever written
to, so no lock is needed; nothing is pickled.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.files import write_text
from xraybatch.images.fingerprint import fingerprint_digest
from xraybatch.images.rule import DecodingRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

VARIABLE = "XRAYBATCH_CACHE"
LIMIT = 10 << 30  # bytes; the entries that were not used for longest go when there is more


def cache_folder() -> Path:
    """``XRAYBATCH_CACHE``, else ``xraybatch`` in the user's cache folder."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "xraybatch"


@dataclass(frozen=True)
class Entry:
    """Decoded films in one file.

    Attributes
    ----------
    path : Path
        Of the array.
    rows : mapping of str to int
        SHA-256 of a file's bytes → row of `array`.
    array : ndarray of uint8, shape (m, height, width)
        Memory-mapped, read only.
    notes : mapping of str to list of str
        By the same SHA-256, what was said of the films that were not simply read.
    """

    path: Path
    rows: Mapping[str, int]
    array: NDArray[np.uint8]
    notes: Mapping[str, list[str]]


class Store:
    """The entries of one decoding rule and this installation's decoder.

    Parameters
    ----------
    folder : Path
        Of the whole cache; made where it is missing, for its owner alone: these are films.
    rule : DecodingRule
    """

    def __init__(self, folder: Path, rule: DecodingRule) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = f"{rule.height}x{rule.width}"
        name = f"{size}-{rule.resize}-v{rule.version}-{fingerprint_digest()}"
        self.rule = rule
        self.folder = folder / name
        self._whole = folder
        self.folder.mkdir(exist_ok=True)

    def entries(self) -> list[Entry]:
        """All that can be read, the one used last first; what is damaged is left aside."""
        found = []
        for path in sorted(self.folder.glob("*.npy"), key=_used, reverse=True):
            with suppress(OSError, ValueError, KeyError, TypeError):
                found.append(self._read(path))
        return found

    @contextmanager
    def write(self, films: int) -> Iterator[EntryWriter]:
        """Write an entry of at most so many films; it is there when the block ends well."""
        path = self.folder / f".{secrets.token_hex(8)}.tmp"
        shape = (films, self.rule.height, self.rule.width)
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        writer = EntryWriter(array)
        try:
            yield writer
            array.flush()
            final = self.folder / f"{secrets.token_hex(8)}.npy"
            about = {"rows": writer.rows, "notes": writer.notes}
            write_text(final.with_suffix(".json"), json.dumps(about))
            path.replace(final)
            writer.entry = self._read(final)
        finally:
            path.unlink(missing_ok=True)

    def used(self, entry: Entry) -> None:
        """Note that an entry was used now."""
        with suppress(OSError):
            os.utime(entry.path)

    def trim(self, limit: int, keep: Entry | None) -> int:
        """Remove entries of any rule, those unused for longest first, until `limit` bytes are left.

        A run that still reads one keeps it until it ends: the system removes a file when it is
        closed. Returns how many were removed.
        """
        files = sorted(self._whole.glob("*/*.npy"), key=_used)
        total = sum(_size(path) for path in files)
        removed = 0
        for path in files:
            if total <= limit:
                break
            if keep is not None and path == keep.path:
                continue
            total -= _size(path)
            with suppress(OSError):  # another run was faster, or the system does not let us
                path.unlink()
                path.with_suffix(".json").unlink()
                removed += 1
        return removed

    def _read(self, path: Path) -> Entry:
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        rows, notes = about["rows"], about["notes"]
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        fits = array.dtype == np.uint8 and array.shape[1:] == (self.rule.height, self.rule.width)
        if not fits or not all(0 <= row < len(array) for row in rows.values()):
            raise ValueError(f"{path} is no entry of this rule")
        return Entry(path, rows, array, notes)


class EntryWriter:
    """Takes films one by one; `entry` is set when the file is finished."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self.rows: dict[str, int] = {}
        self.notes: dict[str, list[str]] = {}
        self.entry: Entry | None = None
        self._array = array

    def add(self, content: str, film: NDArray[np.uint8], notes: Sequence[str] = ()) -> None:
        """Put a decoded film into the next row."""
        if notes:
            self.notes[content] = list(notes)
        self._array[len(self.rows)] = film
        self.rows[content] = len(self.rows)


def _used(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
