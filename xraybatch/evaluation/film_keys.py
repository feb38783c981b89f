"""What films of a table are found by, as columns: a million keys are compared at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from xraybatch.sources.matching import Film

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


class FilmKeys(Sequence[Film]):
    """The keys of a table's films; each is made only where it is looked at.

    Parameters
    ----------
    table : pandas.DataFrame
        All cells `str`.
    path_column : str
    framed : bool
        Whether the column ``frame`` is part of the key.
    """

    def __init__(self, table: pd.DataFrame, path_column: str, framed: bool) -> None:
        paths = table[path_column]
        prefixed = bool(paths.str.startswith("./").any())
        self.paths = paths.str.removeprefix("./") if prefixed else paths
        self.frames = table["frame"] if framed else None

    def repeated(self) -> NDArray[np.bool_]:
        """Which films ``(n,)`` stand further up already."""
        if self.frames is None:
            return self.paths.duplicated().to_numpy()
        return self.paths.to_frame("path").assign(frame=self.frames).duplicated().to_numpy()

    def rows_in(self, other: FilmKeys) -> NDArray[np.int64]:
        """Row of `other` that has the same key ``(n,)``, −1 for none; `other` has each once."""
        numbers = _numbers(self.paths, other.paths)
        if self.frames is not None and other.frames is not None:
            frames = _numbers(self.frames, other.frames)
            # two numbers become one again, so that they stay below the number of films
            numbers = np.unique(
                numbers * (frames.max(initial=0) + 1) + frames, return_inverse=True
            )[1]
        rows = np.full(numbers.max(initial=-1) + 1, -1)
        rows[numbers[len(self) :]] = np.arange(len(other))
        return rows[numbers[: len(self)]]

    def in_order(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """`rows` by the bytes of their paths, then by frame."""
        chosen = self.paths.iloc[rows].reset_index(drop=True)
        if self.frames is not None:
            frames = self.frames.iloc[rows].tolist()
            # code points sort as the bytes of UTF-8 do
            keys = list(zip(chosen.tolist(), map(len, frames), frames, strict=True))
            return rows[np.array(sorted(range(len(rows)), key=keys.__getitem__), np.int64)]
        after = chosen.iloc[1:].reset_index(drop=True)
        if bool((chosen.iloc[:-1] <= after).all()):  # as `predict` writes them
            return rows
        return rows[chosen.argsort(kind="stable").to_numpy()]

    @cached_property
    def _films(self) -> list[Film]:
        paths = self.paths.tolist()
        frames = [""] * len(paths) if self.frames is None else self.frames.tolist()
        return [Film(*key) for key in zip(paths, frames, strict=True)]

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Film]:
        return iter(self._films)

    @overload
    def __getitem__(self, row: int) -> Film: ...
    @overload
    def __getitem__(self, row: slice) -> list[Film]: ...
    def __getitem__(self, row: int | slice) -> Film | list[Film]:
        return self._films[row]


def distinct_cells(column: pd.Series[str]) -> tuple[NDArray[np.int64], list[str]]:
    """The different cells of a column, and which of them each row has, shape (n,)."""
    codes, distinct = column.factorize()
    # by way of numpy: an Arrow column is slow to walk through
    return codes, np.asarray(distinct, dtype=object).tolist()


def each_distinct(column: pd.Series[str], change: Callable[[str], str]) -> pd.Series[str]:
    """A column of text with every cell changed; `change` sees equal cells once."""
    import pandas as pd

    codes, before = distinct_cells(column)
    after = [change(cell) for cell in before]
    if after == before:
        return column
    cells = np.array(after, dtype=object)[codes]
    return pd.Series(cells, index=column.index, name=column.name, dtype=column.dtype)


def _numbers(mine: pd.Series[str], theirs: pd.Series[str]) -> NDArray[np.int64]:
    """Equal cells of two columns as equal numbers, the first column's before the second's."""
    import pandas as pd

    found: NDArray[np.int64] = pd.concat([mine, theirs], ignore_index=True).factorize()[0]
    return found.astype(np.int64, copy=False)
