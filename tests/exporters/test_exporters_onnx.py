"""Each trap on the way from Keras to ONNX, and that what comes out answers as Keras does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch import ExportJob, XraybatchError

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

FILMS = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 1), np.uint8)


@pytest.fixture(scope="module")
def keras() -> Any:
    from xraybatch.training.backend import load_keras, set_seed

    set_seed(0)
    return load_keras()


def network(keras: Any, *between: Any) -> Any:
    """Films through some layers to probabilities that spread over the films."""
    films = keras.Input((16, 16, 1), dtype="uint8", name="films")
    x = keras.ops.cast(films, "float32") / 255.0
    for layer in between:
        x = layer(x)
    embedding = keras.layers.Flatten()(x)
    dense = keras.layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(stddev=0.2))
    answer = keras.ops.softmax(dense(embedding))
    return keras.Model(films, {"label": answer, "embedding": embedding})


def check(model: Any, target: Path) -> Any:
    import onnx

    from xraybatch_exporters.onnx import open_model
    from xraybatch_exporters.onnx.convert import write

    write(ExportJob(target, ("label", "embedding"), keras_model=model))
    predict = open_model(target)
    expected = np.asarray(model.predict_on_batch(FILMS)["label"])
    assert np.ptp(expected, axis=0).max() > 0.1, "a comparison without spread says nothing"
    for size in (1, 2, 7, 9):
        found = predict(FILMS[:size])
        assert list(found) == ["label", "embedding"]
        assert np.abs(found["label"] - expected[:size]).max() < 2e-4
    return onnx.load(target)


def test_a_file_has_one_uint8_input_and_outputs_by_name_and_no_metadata(
    keras: Any, tmp_path: Path
) -> None:
    proto = check(network(keras, keras.layers.Conv2D(4, 3)), tmp_path / "m.onnx")
    (asked,) = proto.graph.input
    shape = [d.dim_param or d.dim_value for d in asked.type.tensor_type.shape.dim]
    assert (asked.name, shape) == ("films", ["batch", 16, 16, 1])
    assert asked.type.tensor_type.elem_type == 2  # uint8
    assert proto.opset_import[0].version == 17
    assert len(proto.metadata_props) == 0
    for output in proto.graph.output:
        assert output.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_trap_captured_constants_become_initialisers(keras: Any, tmp_path: Path) -> None:
    shift = keras.ops.convert_to_tensor(np.float32([0.25]))  # an eager tensor
    adapted = keras.layers.Normalization(mean=[0.4], variance=[0.05])
    model = network(keras, adapted, keras.layers.Lambda(lambda x: x - shift))
    proto = check(model, tmp_path / "m.onnx")
    assert [entry.name for entry in proto.graph.input] == ["films"]


def test_trap_exact_gelu_is_taught(keras: Any, tmp_path: Path) -> None:
    exact = keras.layers.Lambda(lambda x: keras.activations.gelu(x, approximate=False))
    proto = check(network(keras, keras.layers.Conv2D(4, 3), exact), tmp_path / "m.onnx")
    assert {node.op_type for node in proto.graph.node} & {"Erf"}


def test_trap_convolutions_of_one_group_a_channel(keras: Any, tmp_path: Path) -> None:
    grouped = keras.layers.Conv2D(6, 3, groups=6, padding="same")
    model = network(keras, keras.layers.Conv2D(6, 3), grouped)
    before = np.asarray(model.predict_on_batch(FILMS)["label"])
    check(model, tmp_path / "m.onnx")
    assert "convolution_op" not in vars(grouped), "the model is as it was"
    assert np.array_equal(np.asarray(model.predict_on_batch(FILMS)["label"]), before)


def test_trap_augmentation_and_dropout_are_not_in_the_file(keras: Any, tmp_path: Path) -> None:
    model = network(
        keras,
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomRotation(0.2),
        keras.layers.Dropout(0.5),
        keras.layers.BatchNormalization(),
        keras.layers.Conv2D(4, 3),
    )
    proto = check(model, tmp_path / "m.onnx")
    assert not [n.op_type for n in proto.graph.node if "Random" in n.op_type]


def test_a_graph_that_asks_for_more_than_films_is_refused(
    keras: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    import xraybatch_exporters.onnx.convert as exporter

    monkeypatch.setattr(exporter, "_make_initialisers", lambda *_: None)
    shift = keras.ops.convert_to_tensor(np.float32([0.25]))
    model = network(keras, keras.layers.Lambda(lambda x: x - shift))
    with pytest.raises(XraybatchError, match="asks for films, "):
        exporter.write(ExportJob(tmp_path / "m.onnx", ("label",), keras_model=model))
    assert not (tmp_path / "m.onnx").exists()


def test_an_operation_without_onnx_form_is_one_clear_error(keras: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    from xraybatch_exporters.onnx.convert import write

    odd = keras.layers.Lambda(lambda x: tf.raw_ops.Betainc(a=x + 1.0, b=x + 1.0, x=x))
    with pytest.raises(XraybatchError) as caught:
        write(ExportJob(tmp_path / "m.onnx", ("label",), keras_model=network(keras, odd)))
    assert caught.value.hint
    assert not (tmp_path / "m.onnx").exists()


def test_exporting_is_quiet(keras: Any, tmp_path: Path, capfd: Any) -> None:
    check(network(keras, keras.layers.Conv2D(4, 3)), tmp_path / "m.onnx")
    assert capfd.readouterr() == ("", "")


def test_the_exporter_is_registered_and_light() -> None:
    import subprocess
    import sys

    code = (
        "import sys, xraybatch_exporters.onnx as e\n"
        "x, int8, fp16 = e.register_exporters()\n"
        "print(x.name, x.suffix, x.starts_from, x.metadata_inside, "
        "[m for m in ('onnx', 'tensorflow', 'keras', 'numpy', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "onnx .onnx keras True []\n"


def test_the_graph_is_simplified_without_copies_of_the_weights(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import copy

    from tf2onnx import optimizer
    from tf2onnx.graph import Graph

    copied = []

    class Copying:
        @staticmethod
        def deepcopy(value: Any) -> Any:
            copied.append(type(value))
            return copy.deepcopy(value)

    monkeypatch.setattr(optimizer, "copy", Copying)
    monkeypatch.delenv("TF2ONNX_CATCH_ERRORS", raising=False)
    check(network(keras, keras.layers.Conv2D(4, 3)), tmp_path / "m.onnx")
    assert copied, "nothing was simplified"
    assert Graph not in copied
    assert "TF2ONNX_CATCH_ERRORS" not in os.environ


def test_a_simplification_that_fails_is_left_out(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tf2onnx import optimizer

    class Fails:
        graph_been_opt = False

        def optimize(self, graph: Any, iteration: int) -> Any:
            tried.append(iteration)
            graph.get_nodes().clear()
            raise KeyError("a node that is not there")

    tried: list[int] = []
    monkeypatch.setitem(optimizer._optimizers, "remove_identity", Fails)
    monkeypatch.delenv("TF2ONNX_CATCH_ERRORS", raising=False)
    check(network(keras, keras.layers.Conv2D(4, 3)), tmp_path / "m.onnx")
    assert len(tried) > 1
