"""What a frozen backbone makes of films, computed once, on the disk: of each film and its views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.progress import Progress
from xraybatch.training.augment import views_of
from xraybatch.training.batches import Source
from xraybatch.training.network import FEATURES, INPUT, Assembly

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Features:
    """Features of films by position, and of their augmented views.

    Parameters
    ----------
    arrays : mapping of str to ndarray, shape (views, n, …)
        ``features``, and ``films`` where the neck wants them; view 0 is the film as it is.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays

    @property
    def as_they_are(self) -> dict[str, Source]:
        """Of the films themselves."""
        return {name: array[0] for name, array in self._arrays.items()}

    def for_training(self, seed: int) -> dict[str, Source]:
        """Of a view of each film, another one each time it is asked for."""
        views = len(next(iter(self._arrays.values())))
        if views == 1:
            return self.as_they_are
        # each input draws from a generator of its own of one seed, so all see the same view
        return {name: _AnyView(array, seed) for name, array in self._arrays.items()}


class _AnyView:
    def __init__(self, array: NDArray[Any], seed: int) -> None:
        self._array = array
        self._random = np.random.default_rng(seed)

    def __getitem__(self, films: NDArray[np.int64], /) -> NDArray[Any]:
        views = self._random.integers(len(self._array), size=len(films))
        return self._array[views, films]


@contextmanager
def stored_features(
    assembly: Assembly,
    films: Source,
    used: NDArray[np.int64],
    *,
    augmentation: Any,
    views: int,
    batch_size: int,
    scratch: Path,
    progress: Progress,
) -> Iterator[Features]:
    """Run a frozen backbone over films, once a view; the features are gone after the block.

    Parameters
    ----------
    assembly : Assembly
    films : Source
        uint8 ``(n, height, width, 1)`` by position.
    used : ndarray of int64
        Positions that will be asked for.
    augmentation : keras layer or None
    views : int
        1: the films as they are; each more is an augmented view.
    batch_size : int
    scratch : Path
        Folder for what may be larger than memory.
    progress : Progress
    """
    count = int(used.max()) + 1
    wants_films = INPUT in assembly.rest.input
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        FEATURES: (tuple(assembly.features.output_shape[1:]), np.float32)
    }
    if wants_films:
        shapes[INPUT] = (tuple(assembly.features.input_shape[1:]), np.uint8)
    paths = {name: scratch / f"{name}.npy" for name in shapes}
    arrays = {
        name: np.lib.format.open_memmap(
            paths[name], mode="w+", dtype=dtype, shape=(views, count, *shape)
        )
        for name, (shape, dtype) in shapes.items()
    }
    try:
        with progress.stage("features, once", views * len(used)) as stage:
            for view in range(views):
                for begin in range(0, len(used), batch_size):
                    some = used[begin : begin + batch_size]
                    given = films[some] if view == 0 else views_of(augmentation, films[some])
                    arrays[FEATURES][view, some] = assembly.features.predict_on_batch(given)
                    if wants_films:
                        arrays[INPUT][view, some] = given
                    stage.advance(len(some))
        yield Features(arrays)
    finally:
        for path in paths.values():
            path.unlink(missing_ok=True)
