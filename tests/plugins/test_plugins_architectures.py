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
    assert network.backbone.count_params() < 1_000_000
    assert network.neck.output_shape == (None, 192)
    assert build("narrow", 128, width=8).neck.output_shape == (None, 64)
    with pytest.raises(ValueError, match="1 or more"):
        build("narrow", blocks=0)


@pytest.mark.train
@pytest.mark.parametrize("name", ["cnn", "cnn-norm", "narrow", "fracture-cnn"])
def test_a_weights_file_is_refused_where_nothing_could_take_it(keras: Any, name: str) -> None:
    with pytest.raises(ValueError, match="no pretrained part"):
        build(name, weights="some.weights.h5")


@pytest.mark.train
def test_backbones_see_what_their_weights_were_trained_on(keras: Any) -> None:
    """The normalisation in the graph is that of Keras, to the last bit that matters."""
    from xraybatch_plugins.backbones import _scaled
    from xraybatch_plugins.backbones.family import BACKBONES, INSIDE

    films = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype("float32")
    modules = {
        "ResNet50V2": "resnet_v2",
        "ResNet101V2": "resnet_v2",
        "ResNet152V2": "resnet_v2",
        "InceptionResNetV2": "inception_resnet_v2",
        "InceptionV3": "inception_v3",
        "MobileNetV2": "mobilenet_v2",
        "MobileNet": "mobilenet",
        "Xception": "xception",
        "NASNet": "nasnet",
        "DenseNet": "densenet",
        "VGG": "vgg16",
        "ResNet": "resnet",
    }
    for backbone in BACKBONES:
        if backbone.scaling == INSIDE:
            continue
        module = next(modules[name] for name in modules if backbone.builder.startswith(name))
        entry = keras.layers.Input((8, 8, 3))
        inside = keras.Model(entry, _scaled(entry, backbone.scaling)).predict_on_batch(films)
        expected = getattr(keras.applications, module).preprocess_input(films.copy())
        assert np.abs(inside - expected).max() < 1e-4, backbone.name


def test_every_backbone_of_keras_is_there(keras: Any) -> None:
    from xraybatch_plugins.backbones.family import BACKBONES

    builders = {name for name in dir(keras.applications) if name[0].isupper()}
    assert {backbone.builder for backbone in BACKBONES} == builders


@pytest.mark.train
@pytest.mark.parametrize("attention", ["none", "se", "cbam", "se,cbam"])
def test_attention_weighs_and_keeps_the_shape(keras: Any, attention: str) -> None:
    from xraybatch_plugins.backbones.attention import attend

    maps = keras.layers.Input((5, 4, 32))
    model = keras.Model(maps, attend(maps, attention))
    given = np.random.default_rng(0).normal(1, 1, (3, 5, 4, 32)).astype("float32")
    seen = model.predict_on_batch(given)
    assert seen.shape == given.shape
    ratio = seen / given
    assert (ratio > 0).all()
    assert (ratio <= 1 + 1e-6).all()
    if attention == "se":  # one weight a channel
        assert np.allclose(ratio, ratio[:, :1, :1, :], rtol=1e-3)
    names = {layer.name for layer in model.layers}
    assert ("se" in names, "cbam" in names) == ("se" in attention, "cbam" in attention)
    assert np.isfinite(seen).all()


@pytest.mark.train
def test_the_published_networks_have_their_layers(keras: Any) -> None:
    def kinds(model: Any, kind: str) -> list[Any]:
        return [layer for layer in model.layers if type(layer).__name__ == kind]

    fracture = build("fracture-cnn", 224).neck
    assert [layer.filters for layer in kinds(fracture, "Conv2D")] == [32, 32, 32]
    assert len(kinds(fracture, "BatchNormalization")) == 3
    assert [layer.units for layer in kinds(fracture, "Dense")] == [256, 128]
    assert [layer.rate for layer in kinds(fracture, "Dropout")] == [0.3]
    knee = build("cnn-norm", 224).neck
    assert len(kinds(knee, "Conv2D")) == len(kinds(knee, "BatchNormalization")) == 4
    assert len(kinds(knee, "MaxPooling2D")) == 4
    hybrid = build("fracture-hybrid", 64)
    assert {tensor.name for tensor in hybrid.neck.inputs} == {"films", "maps"}
    assert hybrid.backbone.count_params() == 14_714_688  # VGG16 without its top
    assert build("vgg16", 64, dense=256).neck.output_shape == (None, 256)


def test_every_preset_is_made_of_options_that_exist() -> None:
    from dataclasses import fields

    from xraybatch.extension.records import Preset
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.presets import preset_options, preset_values
    from xraybatch.training.settings import settle

    names = {owned.record.name for owned in registry().records(Preset)}
    assert names == {
        *("knee-cnn", "knee-resnet50", "osteoporosis-simple", "oa-xception", "oa-mobilenet"),
        *("fracture-cnn", "fracture-vgg16", "fracture-hybrid", "mura-resnet50"),
    }
    for name in names:
        values = preset_values(name)
        chosen, left_out = preset_options(name, values["plugin"], ())
        assert not left_out
        options = TrainOptions(**values, option=chosen)
        settled = settle(options, record(options.plugin))
        assert settled.epochs == values["epochs"]
        assert set(values) <= {entry.name for entry in fields(TrainOptions)}


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
