"""What a frozen backbone makes of films, computed once, on the disk: of each film and its views.

One bank serves every network that is trained in a run: folds, tries and the leak check all read
what the first of them that needed a film has computed. A view does not depend on which network that
was, so a run that goes on sees the same ones.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.progress import Progress
from xraybatch.training.augment import drawn_by, views_of
from xraybatch.training.backend import predictor
from xraybatch.training.batches import Drawn, Source
from xraybatch.training.network import FEATURES, INPUT, Assembly

if TYPE_CHECKING:
    from numpy.typing import NDArray


_TOGETHER = 16  # films that are augmented at a time, whichever of them are wanted


class Features:
    """Features of films by position, and of their augmented views.

    Parameters
    ----------
    arrays : mapping of str to ndarray, shape (views, m, …)
        ``features``, and ``films`` where the neck wants them; view 0 is the film as it is.
    slots : ndarray of int64, shape (n,)
        Where in `arrays` each film is.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], slots: NDArray[np.int64]) -> None:
        self._arrays = arrays
        self._slots = slots

    @property
    def as_they_are(self) -> dict[str, Source]:
        """Of the films themselves."""
        return {name: _AsItIs(array, self._slots) for name, array in self._arrays.items()}

    @property
    def for_training(self) -> dict[str, Source | Drawn]:
        """Of a view of each film, drawn anew for every batch."""
        if len(next(iter(self._arrays.values()))) == 1:
            return dict(self.as_they_are)
        # each input draws by the same key, so all see the same view
        return {name: _AnyView(array, self._slots) for name, array in self._arrays.items()}


@dataclass(frozen=True)
class _AsItIs:
    array: NDArray[Any]
    slots: NDArray[np.int64]

    def __getitem__(self, films: NDArray[np.int64], /) -> NDArray[Any]:
        rows: NDArray[Any] = self.array[0, self.slots[films]]
        return rows


@dataclass(frozen=True)
class _AnyView:
    array: NDArray[Any]
    slots: NDArray[np.int64]

    def drawn(self, films: NDArray[np.int64], key: tuple[int, ...], /) -> NDArray[Any]:
        views = np.random.default_rng([*key, 1]).integers(len(self.array), size=len(films))
        rows: NDArray[Any] = self.array[views, self.slots[films]]
        return rows


@dataclass(frozen=True)
class _Kept:
    arrays: Mapping[str, NDArray[Any]]
    done: NDArray[np.bool_]


class Bank:
    """Features on the disk, by decoded film.

    Parameters
    ----------
    scratch : Path
        Folder for what may be larger than memory; whoever owns it removes it.
    rows : ndarray of int64
        What tells decoded films apart, of every film that will be asked for.
    """

    def __init__(self, scratch: Path, rows: NDArray[np.int64]) -> None:
        self._scratch = scratch
        self._rows, first = np.unique(rows, return_index=True)
        # in the order of the films: the rows are others where the cache was made anew
        self._place = np.argsort(np.argsort(first))
        self._kept: dict[Hashable, _Kept] = {}

    def features(
        self,
        assembly: Assembly,
        films: Source,
        rows: NDArray[np.int64],
        used: NDArray[np.int64],
        *,
        key: Hashable,
        augmentation: Any,
        views: int,
        batch_size: int,
        progress: Progress,
    ) -> Features:
        """Run a frozen backbone over films, once a view, where that was not done before.

        Parameters
        ----------
        assembly : Assembly
        films : Source
            uint8 ``(n, height, width, 1)`` by position.
        rows : ndarray of int64, shape (n,)
            What tells decoded films apart, by position.
        used : ndarray of int64
            Positions that will be asked for.
        key : hashable
            Everything that features depend on beside the films.
        augmentation : keras layer or None
        views : int
            1: the films as they are; each more is an augmented view.
        batch_size : int
        progress : Progress
        """
        if key not in self._kept:
            self._kept[key] = self._begin(assembly, views)
        kept = self._kept[key]
        slots = self._place[np.searchsorted(self._rows, rows)]
        _, first = np.unique(slots[used], return_index=True)
        wanted = used[first]  # in the order of their places
        wanted = wanted[~kept.done[slots[wanted]]]
        if len(wanted):
            predict = predictor(assembly.features)
            with progress.stage("features, once", views * len(wanted)) as stage:
                for view in range(views):
                    for begin in range(0, len(wanted), batch_size):
                        some = wanted[begin : begin + batch_size]
                        given = films[some]
                        if view:
                            given = self._changed(augmentation, given, slots[some], view)
                        place = (view, slots[some])
                        kept.arrays[FEATURES][place] = predict(given)
                        if INPUT in kept.arrays:
                            kept.arrays[INPUT][place] = given
                        stage.advance(len(some))
            kept.done[slots[wanted]] = True
        return Features(kept.arrays, slots)

    def _changed(
        self, augmentation: Any, films: NDArray[np.uint8], slots: NDArray[np.int64], view: int
    ) -> NDArray[np.uint8]:
        """A view of films at `slots`, the same whatever other films are asked for with them."""
        found = np.empty_like(films)
        for group in np.unique(slots // _TOGETHER):
            these = np.flatnonzero(slots // _TOGETHER == group)
            # as many as ever, because what is drawn depends on how many there are
            whole = np.zeros((_TOGETHER, *films.shape[1:]), films.dtype)
            places = slots[these] % _TOGETHER
            whole[places] = films[these]
            with drawn_by(augmentation, view, int(group)):
                found[these] = views_of(augmentation, whole)[places]
        return found

    def _begin(self, assembly: Assembly, views: int) -> _Kept:
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {
            FEATURES: (tuple(assembly.features.output_shape[1:]), np.float32)
        }
        if INPUT in assembly.rest.input:
            shapes[INPUT] = (tuple(assembly.features.input_shape[1:]), np.uint8)
        number, count = len(self._kept), len(self._rows)
        arrays = {
            name: np.lib.format.open_memmap(
                self._scratch / f"{name}-{number}.npy",
                mode="w+",
                dtype=dtype,
                shape=(views, count, *shape),
            )
            for name, (shape, dtype) in shapes.items()
        }
        return _Kept(arrays, np.zeros(count, bool))
