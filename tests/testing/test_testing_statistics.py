"""Batch statistics are made those of the films; nothing else of the network changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xraybatch import Network
from xraybatch.testing.films import TASKS, many_films
from xraybatch.testing.statistics import take_statistics

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

FILMS = many_films(32, 32)


def assembled(**more: Any) -> Any:
    """Depthwise and 1 × 1 convolutions with batch normalisation, as in MobileNet, not trained."""
    from keras import Model, layers

    from xraybatch.training.backend import set_seed
    from xraybatch.training.heads import head_for
    from xraybatch.training.network import assemble

    set_seed(1)
    films = layers.Input((32, 32, 1), name="films")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(films)
    for number in range(8):
        x = layers.DepthwiseConv2D(3, strides=2 if number in (0, 4) else 1, padding="same")(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Dropout(0.5)(layers.Conv2D(32, 1, activation="relu")(x))
        x = layers.BatchNormalization(momentum=0.9)(x)
    maps = layers.Input(x.shape[1:], name="maps")
    neck = Model(maps, layers.GlobalAveragePooling2D()(maps))
    heads = [head_for(task) for task in TASKS]
    return assemble(Network(neck=neck, backbone=Model(films, x)), heads, height=32, width=32)


def deviation(assembly: Any) -> float:
    """Of the embeddings of films, relative to their size."""
    found = np.asarray(assembly.inference.predict_on_batch(FILMS)["embedding"], dtype=float)
    size = np.sqrt((found**2).sum(axis=1).mean())
    return float(np.sqrt(((found - found.mean(axis=0)) ** 2).sum(axis=1).mean()) / size)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_film_comes_through_once_statistics_are_known(frozen: bool) -> None:
    from keras import layers

    from xraybatch.training.network import flat

    assembly = assembled()
    every = flat(assembly.whole)
    norms = [layer for layer in every if isinstance(layer, layers.BatchNormalization)]
    # as two steps of training leave them: means of a signal that is no longer there
    assembly.whole({"films": FILMS}, training=True)
    assert deviation(assembly) < 0.02
    assembly.backbone.trainable = not frozen
    fixed = [v.numpy() for layer in every if layer not in norms for v in layer.variables]
    flags = [(layer.trainable, getattr(layer, "rate", 0)) for layer in every]
    take_statistics(assembly, FILMS)
    assert deviation(assembly) > 0.2
    after = [v.numpy() for layer in every if layer not in norms for v in layer.variables]
    assert all(np.array_equal(a, b) for a, b in zip(fixed, after, strict=True))
    assert flags == [(layer.trainable, getattr(layer, "rate", 0)) for layer in every]
    assert {norm.momentum for norm in norms} == {0.9}


def test_statistics_are_those_of_the_films() -> None:
    """Normalised with them, the films have mean 0 and deviation 1 in every channel."""
    from keras import Model, layers

    from xraybatch.training.network import flat

    assembly = assembled()
    take_statistics(assembly, FILMS)
    norms = [n for n in flat(assembly.whole) if isinstance(n, layers.BatchNormalization)]
    last = Model(assembly.backbone.inputs, norms[-1].output)
    values = np.asarray(last.predict_on_batch(FILMS.astype("float32")), dtype=float)
    spread = np.sqrt(np.asarray(norms[-1].moving_variance))
    assert np.abs(values.mean(axis=(0, 1, 2))).max() < 1e-3
    expected = spread / np.sqrt(spread**2 + norms[-1].epsilon)
    assert np.abs(values.std(axis=(0, 1, 2)) - expected).max() < 1e-3
