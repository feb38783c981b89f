"""Films in batches for Keras, read from wherever they lie at the moment they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Source(Protocol):
    """Rows by position: an array, a memory map, decoded films."""

    def __getitem__(self, films: NDArray[np.int64], /) -> NDArray[Any]:
        """Rows at these positions."""


def batches(
    inputs: Mapping[str, Source],
    targets: Mapping[str, NDArray[np.float32]],
    weights: Mapping[str, NDArray[np.float32]],
    films: NDArray[np.int64],
    size: int,
    *,
    seed: int | None = None,
) -> Any:
    """A Keras data set: inputs, targets and weights by name, batch for batch.

    Parameters
    ----------
    inputs, targets, weights : mapping
        By name of input or task; one row a film.
    films : ndarray of int64
        Positions of the films.
    size : int
        Films a batch; the last may have fewer.
    seed : int, optional
        Films are put into another order for each epoch; None: in order.
    """
    from keras.utils import PyDataset

    class Films(PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.order = films
            self.random = None if seed is None else np.random.default_rng(seed)
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(films) // size)

        def __getitem__(self, batch: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
            some = self.order[batch * size : (batch + 1) * size]
            return (
                {name: source[some] for name, source in inputs.items()},
                {name: values[some] for name, values in targets.items()},
                {name: values[some] for name, values in weights.items()},
            )

        def on_epoch_end(self) -> None:
            if self.random is not None:
                self.order = self.random.permutation(films)

    return Films()
