from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch import BuildOptions
from xraybatch.extension.records import Architecture
from xraybatch.extension.registry import registry

NAMES = ("cnn", "resnet50", "narrow")


def record(name: str) -> Architecture:
    return registry().get(Architecture, name).record


def build(name: str, size: int = 64, weights: str | None = None, **values: Any) -> Any:
    architecture = record(name)
    given = {option.name: option.default for option in architecture.options} | values
    return architecture.build(BuildOptions(size, size, weights, given))


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_imports_in_milliseconds_and_nothing_heavy(name: str) -> None:
    code = (
        "import sys, time, xraybatch\n"
        "from xraybatch import Architecture, BuildOptions, Network, Option, TrainingDefaults\n"
        "from xraybatch import hookimpl\n"
        "begin = time.process_time()\n"
        f"import xraybatch_plugins.{name} as plugin\n"
        "plugin.register_architectures()\n"
        "took = time.process_time() - begin\n"
        "heavy = [m for m in ('numpy', 'keras', 'tensorflow') if m in sys.modules]\n"
        "print(took < 0.05, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True []\n", done.stdout + done.stderr


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


@pytest.mark.train
def test_the_architecture_of_the_readme_works_as_written(keras: Any, tmp_path: Path) -> None:
    """The file that a stranger copies: registered through a real entry point, built and run."""
    import re
    from importlib.metadata import EntryPoint

    from xraybatch.core.tasks import Task, TaskKind
    from xraybatch.extension.registry import load
    from xraybatch.training.heads import head_for
    from xraybatch.training.network import assemble

    readme = Path(__file__).resolve().parents[2] / "plugins" / "README.md"
    (code,) = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.S)
    (tmp_path / "my_networks.py").write_text(code)
    sys.path.insert(0, str(tmp_path))
    try:
        rows = load([EntryPoint("mine", "my_networks", "xraybatch")])
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("my_networks", None)
    assert [row.reason for row in rows.rows] == [""]
    architecture = rows.get(Architecture, "mine").record
    values = {option.name: option.default for option in architecture.options}
    network = architecture.build(BuildOptions(64, 64, None, values))
    head = head_for(Task("label", TaskKind.MULTICLASS, ("a", "b", "c")))
    model = assemble(network, [head], height=64, width=64)
    films = np.zeros((2, 64, 64, 1), np.uint8)
    assert np.asarray(model.inference.predict_on_batch(films)["label"]).shape == (2, 3)
