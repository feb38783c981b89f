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


class Drawn(Protocol):
    """Rows of which there are several versions, one of them drawn by a key."""

    def drawn(self, films: NDArray[np.int64], key: tuple[int, ...], /) -> NDArray[Any]:
        """Rows at these positions, the same for the same key."""


def batches(
    inputs: Mapping[str, Source | Drawn],
    targets: Mapping[str, NDArray[np.float32]],
    weights: Mapping[str, NDArray[np.float32]],
    films: NDArray[np.int64],
    size: int,
    *,
    seed: int | None = None,
    epoch: int = 0,
    shares: int = 1,
) -> Any:
    """A Keras data set: inputs, targets and weights by name, batch for batch.

    All batches of an epoch are of one size, or a few smaller by one film a device: statistics of a
    batch of the two films that are left over would say nothing.

    Parameters
    ----------
    inputs, targets, weights : mapping
        By name of input or task; one row a film.
    films : ndarray of int64
        Positions of the films.
    size : int
        Films a batch, at most, or `shares` if that is more.
    seed : int, optional
        Films are put into another order for each epoch, which depends on seed and number of the
        epoch alone, so that training that goes on sees what it would have seen; None: in order.
    epoch : int
        The one to begin with.
    shares : int
        Devices that share each batch, in equal parts, as Keras needs it: where films do not
        suffice, the first ones stand once more at the end, weighing nothing, and the others weigh
        that much more, so that means over all films stay what they are.
    """
    from keras.utils import PyDataset

    lacking = -len(films) % shares
    shown = np.resize(films, len(films) + lacking)
    weight = np.ones(len(shown), np.float32)
    if lacking:
        weight *= len(shown) / len(films)
        weight[len(films) :] = 0
    units = len(shown) // shares
    count = -(-units // max(size // shares, 1))

    class Films(PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.epoch = epoch - 1
            self.on_epoch_end()

        def __len__(self) -> int:
            return count

        def __getitem__(self, batch: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
            begin, end = (units * k // count * shares for k in (batch, batch + 1))
            places = self.order[begin:end]
            some, weigh = shown[places], weight[places]
            return (
                {name: self._rows(source, some, batch) for name, source in inputs.items()},
                {name: values[some] for name, values in targets.items()},
                {name: (values[some].T * weigh).T for name, values in weights.items()},
            )

        def on_epoch_end(self) -> None:
            self.epoch += 1
            self.order = np.arange(len(shown))
            if seed is not None:
                self.order = np.random.default_rng([seed, self.epoch]).permutation(self.order)

        def _rows(self, source: Any, some: NDArray[np.int64], batch: int) -> NDArray[Any]:
            if hasattr(source, "drawn"):
                found: NDArray[Any] = source.drawn(some, (seed or 0, self.epoch, batch))
                return found
            rows: NDArray[Any] = source[some]
            return rows

    return Films()
