"""What is particular to each of our networks; what all promise is in the contract suites."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch import BuildOptions
from xraybatch.extension.records import Architecture
from xraybatch.extension.registry import registry


def record(name: str) -> Architecture:
    return registry().get(Architecture, name).record


def build(name: str, size: int = 64, weights: str | None = None, **values: Any) -> Any:
    architecture = record(name)
    given = {option.name: option.default for option in architecture.options} | values
    return architecture.build(BuildOptions(size, size, weights, given))


def test_the_defaults_are_what_was_published() -> None:
    cnn, resnet = record("cnn").defaults, record("resnet50").defaults
    assert (cnn.height, cnn.width, cnn.epochs, cnn.learning_rate) == (150, 150, 10, 1e-3)
    assert (cnn.val_split, cnn.optimizer) == (0.1, "adam")
    assert (resnet.height, resnet.epochs, resnet.learning_rate) == (224, 15, 1e-4)
    assert (resnet.batch_size, record("resnet50").pretrained_on) == (32, "imagenet")


@pytest.fixture(scope="module")
def keras() -> Any:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from xraybatch.training.backend import load_keras, set_seed

    set_seed(0)
    return load_keras()


@pytest.mark.train
def test_cnn_is_three_convolutions_and_512(keras: Any) -> None:
    network = build("cnn", 150)
    assert network.backbone is None
    convolutions = [layer for layer in network.neck.layers if "conv" in layer.name]
    assert [layer.filters for layer in convolutions] == [32, 64, 128]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert network.neck.output_shape == (None, 512)
    assert [tensor.name for tensor in network.neck.inputs] == ["films"]


@pytest.mark.train
def test_narrow_is_small_and_takes_its_width(keras: Any) -> None:
    network = build("narrow", 128)
    assert network.backbone.count_params() < 250_000
    assert network.neck.output_shape == (None, 64)
    assert build("narrow", 128, width=8).neck.output_shape == (None, 32)
    with pytest.raises(ValueError, match="1 or more"):
        build("narrow", blocks=0)


@pytest.mark.train
@pytest.mark.parametrize("name", ["cnn", "narrow"])
def test_a_weights_file_is_refused_where_nothing_could_take_it(keras: Any, name: str) -> None:
    with pytest.raises(ValueError, match="no pretrained part"):
        build(name, weights="some.weights.h5")


@pytest.mark.train
def test_resnet50_sees_what_imagenet_weights_were_trained_on(keras: Any) -> None:
    """The normalisation in the graph is that of Keras, to the last bit that matters."""
    network = build("resnet50", 32)
    films = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    inside = keras.Model(
        network.backbone.inputs, network.backbone.get_layer("conv1_pad").input
    ).predict_on_batch(films)
    expected = keras.applications.resnet.preprocess_input(films.copy())
    assert np.abs(inside - expected).max() < 1e-4


@pytest.mark.train
def test_resnet50_loads_a_local_weights_file_of_keras(keras: Any, tmp_path: Path) -> None:
    path = tmp_path / "resnet50_notop.weights.h5"
    plain = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))
    plain.save_weights(path)
    network = build("resnet50", 32, str(path))
    assert network.pretrained
    films = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    expected = plain.predict_on_batch(keras.applications.resnet.preprocess_input(films.copy()))
    assert np.abs(network.backbone.predict_on_batch(films) - expected).max() < 1e-3
