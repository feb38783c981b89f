"""Batch normalisation that knows the films, as after hundreds of steps of training.

A network of random weights whose batch statistics still are 0 and 1, or have gone part of the way,
loses the film: each layer passes on less of it than the last, and what is left at the end are the
half-known means of the layers, the same for all films. Of the architecture that says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xraybatch.training.network import INPUT, Assembly, flat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def take_statistics(assembly: Assembly, films: NDArray[np.uint8]) -> None:
    """Make the running statistics of batch normalisation those of these films, as one batch.

    No other weight changes; a network without batch normalisation stays as it is.

    Parameters
    ----------
    assembly : Assembly
    films : ndarray of uint8, shape (n, height, width, 1)
    """
    from keras import layers, ops

    every = flat(assembly.whole)
    norms = [layer for layer in every if isinstance(layer, layers.BatchNormalization)]
    drops = [layer for layer in every if isinstance(layer, layers.Dropout)]
    were = [(norm.momentum, norm.trainable) for norm in norms]
    rates = [drop.rate for drop in drops]
    try:
        for norm in norms:
            norm.momentum, norm.trainable = 0.0, True  # frozen ones look at no film
        for drop in drops:
            drop.rate = 0.0
        if norms:
            assembly.whole({INPUT: ops.convert_to_tensor(films)}, training=True)
    finally:
        for norm, (momentum, trainable) in zip(norms, were, strict=True):
            norm.momentum, norm.trainable = momentum, trainable
        for drop, rate in zip(drops, rates, strict=True):
            drop.rate = rate
