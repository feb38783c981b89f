"""Keras networks through tf2onnx, adopted, answer films as Keras does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xraybatch
from xraybatch.models.model import load_model
from xraybatch.models.session import Session

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

SIDE = 32
FILMS = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 1), np.uint8)
FILMS = FILMS.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)


@pytest.fixture(scope="module")
def keras() -> Any:
    from xraybatch.training.backend import load_keras, set_seed

    set_seed(0)
    return load_keras()


def network(keras: Any, channels: int, end: Any) -> Any:
    picture = keras.Input((SIDE, SIDE, channels))
    x = keras.layers.Conv2D(8, 3, activation="relu")(picture)
    x = keras.layers.DepthwiseConv2D(3)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(picture, end(x))


def spread(keras: Any, model: Any, pictures: np.ndarray) -> np.ndarray:
    """Scale the last layer so that answers differ between films; the answers."""
    last = model.layers[-1]
    features = keras.Model(model.input, model.layers[-2].output).predict_on_batch(pictures)
    kernel = last.get_weights()[0]
    kernel = kernel * 2 / (features @ kernel).std(axis=0)
    last.set_weights([kernel, -(features @ kernel).mean(axis=0)])
    found = np.asarray(model.predict_on_batch(pictures))
    assert np.ptp(found, axis=0).max() > 0.3, "a comparison without spread says nothing"
    return found


def export(model: Any, target: Path, batch: int | None = None) -> Path:
    import tensorflow as tf
    import tf2onnx

    spec = [tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32, name="input_1")]
    function = tf.function(lambda x: model(x, training=False), input_signature=spec)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=spec, opset=17)
    target.write_bytes(proto.SerializeToString())
    return target


def adopted(path: Path) -> np.ndarray:
    model = load_model(path)
    return Session(model, device="cpu").predict(FILMS)[model.card.tasks[0].task.name]


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("tf", {"preset": "none", "range": "-1-1"}),
        ("torch", {"preset": "imagenet"}),
        ("caffe", {"preset": "keras-caffe"}),
        (None, {"preset": "none", "range": "0-1"}),
    ],
)
def test_each_of_keras_own_ways_to_scale_is_one_preset(
    keras: Any, tmp_path: Path, mode: str | None, said: dict[str, str], batch: int | None
) -> None:
    model = network(keras, 3, keras.layers.Dense(3, activation="softmax"))
    colour = np.repeat(FILMS, 3, axis=3).astype(np.float32)
    if mode is None:
        prepared = colour / 255
    else:
        from keras.src.applications.imagenet_utils import preprocess_input

        prepared = preprocess_input(colour.copy(), data_format="channels_last", mode=mode)
    expected = spread(keras, model, np.asarray(prepared))
    path = export(model, tmp_path / "keras.onnx", batch)
    done = xraybatch.adopt(
        path, out=tmp_path / "m.onnx", classes=["a", "b", "c"], resize="stretch", **said
    )
    assert done.card.origin["said"]["layout"]["value"].startswith("nhwc")
    assert done.card.origin["said"]["outputs"]["value"] == "probabilities (Softmax)"
    assert np.abs(adopted(done.path) - expected).max() < 2e-5


def test_a_single_sigmoid_of_one_channel_gives_both_classes(keras: Any, tmp_path: Path) -> None:
    model = network(keras, 1, keras.layers.Dense(1, activation="sigmoid"))
    expected = spread(keras, model, FILMS.astype(np.float32) / 255)
    done = xraybatch.adopt(
        export(model, tmp_path / "keras.onnx"),
        out=tmp_path / "m.onnx",
        classes=["fractured", "healthy"],
        preset="none",
        range="0-1",
        resize="pad",
    )
    assert done.card.tasks[0].task.positive == "fractured"
    found = adopted(done.path)
    assert np.abs(found[:, 1:] - expected).max() < 2e-5  # the second class is the output's
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-6


def test_the_projects_own_network_without_its_front_is_adopted_too(
    keras: Any, tmp_path: Path
) -> None:
    """uint8 pictures, as a Keras model that scales inside takes them."""
    films = keras.Input((SIDE, SIDE, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(keras.ops.cast(films, "float32"))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(x))
    model = keras.Model(films, keras.layers.Dense(2, activation="softmax")(x))
    import tensorflow as tf
    import tf2onnx

    spec = [tf.TensorSpec((None, SIDE, SIDE, 1), tf.uint8, name="input_1")]
    function = tf.function(lambda x: model(x, training=False), input_signature=spec)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=spec, opset=15)
    (tmp_path / "k.onnx").write_bytes(proto.SerializeToString())
    done = xraybatch.adopt(
        *(tmp_path / "k.onnx",),
        out=tmp_path / "m.onnx",
        classes=["normal", "ill"],
        range="0-255",
        preset="none",
        resize="stretch",
    )
    assert np.abs(adopted(done.path) - model.predict_on_batch(FILMS)).max() < 2e-6
