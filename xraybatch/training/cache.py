"""Every film decoded once: from the store where some run decoded it before, else now.

A film is known by what its file contains, so moving, renaming or copying it changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.cores import available_cores
from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError
from xraybatch.core.files import sha256_of
from xraybatch.core.interrupts import in_order
from xraybatch.core.progress import Progress
from xraybatch.core.status import FilmStatus
from xraybatch.images.film import film_digest
from xraybatch.images.pool import Decoded, DecodingPool, FilmSource
from xraybatch.images.rule import DecodingRule
from xraybatch.training.store import LIMIT, VARIABLE, Entry, Store, cache_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NO_ROW = -1


@dataclass(frozen=True)
class DecodedFilms:
    """The films of a run, decoded.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Row of `array` of each film; −1 where it has no pixels.
    array : ndarray of uint8, shape (m, height, width)
        Memory-mapped; may hold further films.
    contents : tuple of str
        SHA-256 of each film's file, hexadecimal; empty where it cannot be read.
    failed : mapping of int to (FilmStatus, str)
        Why a film has no pixels, by its position.
    """

    rows: NDArray[np.int64]
    array: NDArray[np.uint8]
    contents: tuple[str, ...] = ()
    failed: dict[int, tuple[FilmStatus, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, films: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Films by position, ``(k, height, width, 1)``, read from the disk at this moment."""
        return np.ascontiguousarray(self.array[self.rows[films]])[..., None]

    def kept(self, films: NDArray[np.int64]) -> DecodedFilms:
        """Only these films, in this order."""
        contents = tuple(self.contents[i] for i in films)
        return DecodedFilms(self.rows[films], self.array, contents)

    def digests(self) -> list[bytes]:
        """The film digest of each; all must have pixels."""
        known = {row: film_digest(self.array[row]) for row in set(self.rows.tolist())}
        return [known[row] for row in self.rows.tolist()]


def decode_films(
    files: Sequence[str],
    rule: DecodingRule,
    *,
    progress: Progress,
    folder: Path | None = None,
    workers: int | None = None,
    limit: int = LIMIT,
) -> DecodedFilms:
    """Decode films, or take them from the cache.

    Parameters
    ----------
    files : sequence of str
    rule : DecodingRule
    progress : Progress
        Is told what there is to say of films, also of those that were decoded before.
    folder : Path, optional
        Of the cache; `cache_folder` if None.
    workers : int, optional
        Processes that decode.
    limit : int
        Bytes that the cache may take.

    Raises
    ------
    InputError
        If no film can be decoded, or the cache cannot be written.
    """
    contents = _contents(files, progress)
    first = {content: i for i, content in reversed(list(enumerate(contents))) if content}
    try:
        store = Store(folder or cache_folder(), rule)
        entry, failed = _fill(store, files, first, workers, progress)
        store.used(entry)
        store.trim(limit, keep=entry)
    except OSError as error:
        raise InputError(
            f"The cache of decoded films cannot be written: {error}.",
            f"Give --no-cache, or set {VARIABLE} to a folder with room.",
        ) from error
    notes = Counter(note for content in contents for note in entry.notes.get(content, ()))
    for sentence, count in notes.most_common():
        progress.note(f"{counted(count, 'film')}: {sentence}")
    rows = np.array([entry.rows.get(content, _NO_ROW) for content in contents], np.int64)
    why = {
        i: failed[first[content]]
        if content
        else (FilmStatus.UNREADABLE, "The file cannot be opened.")
        for i, content in enumerate(contents)
        if rows[i] == _NO_ROW
    }
    return DecodedFilms(rows, entry.array, tuple(contents), why)


def by_reason(failed: dict[int, tuple[FilmStatus, str]]) -> str:
    """``corrupt 2, empty 1``: how many films have no pixels, by status."""
    counts = Counter(status.value for status, _ in failed.values())
    return ", ".join(f"{status} {count:,}" for status, count in sorted(counts.items()))


def _contents(files: Sequence[str], progress: Progress) -> list[str]:
    """SHA-256 of each file; empty where it cannot be read."""
    found = []
    with progress.stage("reading films", len(files)) as stage:
        for content in in_order(_content, files, available_cores()):
            found.append(content)
            stage.advance()
    return found


def _content(file: str) -> str:
    try:
        return sha256_of(Path(file))
    except OSError:
        return ""


def _fill(
    store: Store,
    files: Sequence[str],
    first: dict[str, int],
    workers: int | None,
    progress: Progress,
) -> tuple[Entry, dict[int, tuple[FilmStatus, str]]]:
    """An entry with every film that can be decoded, and why the others cannot."""
    entries = store.entries()
    known = {
        content: entry for entry in reversed(entries) for content in first if content in entry.rows
    }
    unknown = [content for content in first if content not in known]
    failed: dict[int, tuple[FilmStatus, str]] = {}
    fresh = _decoded([files[first[content]] for content in unknown], store.rule, workers, progress)
    done = ((unknown[one.index], one) for one in fresh)
    begun = None
    for content, one in done:
        if one.film is not None:
            begun = (content, one.film, one.notes)
            break
        failed[first[content]] = (one.status, one.sentence)
    whole = next((entry for entry in entries if all(c in entry.rows for c in known)), None)
    if begun is None and known and whole is not None:
        return whole, failed
    if begun is None and not known:
        raise InputError(
            f"None of {counted(len(files), 'film')} can be decoded: "
            f"{by_reason(failed) or 'unreadable'}.",
            "Look at one of them with another program.",
        )
    with store.write(len(first)) as writer:
        for content, entry in known.items():
            notes = entry.notes.get(content, ())
            writer.add(content, entry.array[entry.rows[content]], notes)
        if begun is not None:
            writer.add(*begun)
        for content, one in done:
            if one.film is not None:
                writer.add(content, one.film, one.notes)
            else:
                failed[first[content]] = (one.status, one.sentence)
    assert writer.entry is not None
    return writer.entry, failed


def _decoded(
    files: Sequence[str], rule: DecodingRule, workers: int | None, progress: Progress
) -> Iterator[Decoded]:
    if not files:
        return
    with (
        progress.stage("decoding", len(files)) as stage,
        DecodingPool(rule, workers=workers) as pool,
    ):
        for one in pool.decode(FilmSource(file, Path(file).name) for file in files):
            yield one
            stage.advance()
