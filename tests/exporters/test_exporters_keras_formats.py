"""What Keras writes opens without this program, and what it cannot write is a sentence."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch import ExportJob, XraybatchError
from xraybatch.core.tasks import Task, TaskKind

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

FILMS = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 1), np.uint8)
FORMATS = [("keras", "m.keras"), ("h5", "m.h5"), ("saved_model", "m")]
GRADES = Task("grade", TaskKind.ORDINAL, ("none", "some", "much", "most"))
OUTPUTS = ("label", "grade", "cam.label")


@pytest.fixture(scope="module")
def keras() -> Any:
    from xraybatch.training.backend import load_keras, set_seed

    set_seed(0)
    return load_keras()


@pytest.fixture(scope="module")
def model(keras: Any) -> Any:
    """Operations before the first layer, an ordinal head, a dict of outputs, a model inside."""
    from xraybatch.training.heads import head_for

    films = keras.Input((16, 16, 1), dtype="uint8", name="films")
    inner = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()])
    colour = keras.ops.repeat(keras.ops.cast(films, "float32"), 3, axis=-1) / 255.0
    maps = inner(colour[..., ::-1])  # as VGG and ResNet want it
    spread = keras.initializers.RandomNormal(stddev=3)
    dense = keras.layers.Dense(3, kernel_initializer=spread)
    embedding = keras.layers.GlobalAveragePooling2D()(maps)
    head = head_for(GRADES)
    grade = head.probabilities(head.logits(embedding))
    answers = {"label": keras.ops.softmax(dense(embedding)), "grade": grade, "cam.label": maps}
    return keras.Model(films, answers)


def exporter(name: str) -> Any:
    return import_module(f"xraybatch_exporters.{name}")


@pytest.mark.parametrize(("name", "target"), FORMATS)
def test_it_answers_as_keras_does(model: Any, tmp_path: Path, name: str, target: str) -> None:
    ours = exporter(name)
    ours.write(ExportJob(tmp_path / target, OUTPUTS, keras_model=model))
    found = ours.open_model(tmp_path / target)(FILMS)
    expected = model.predict_on_batch(FILMS)
    assert set(found) == set(OUTPUTS)
    for output in OUTPUTS:
        assert np.ptp(expected[output], axis=0).max() > 0.01
        assert np.abs(found[output] - expected[output]).max() < 1e-5


@pytest.mark.parametrize(("name", "target"), FORMATS)
def test_it_opens_without_this_program(model: Any, tmp_path: Path, name: str, target: str) -> None:
    exporter(name).write(ExportJob(tmp_path / target, OUTPUTS, keras_model=model))
    np.save(tmp_path / "films.npy", FILMS)
    load = (
        "import tensorflow as tf; m = tf.saved_model.load('m'); found = m.serve(films)"
        if name == "saved_model"
        else f"import keras; found = keras.models.load_model({target!r})(films)"
    )
    code = (
        f"import sys, numpy; films = numpy.load('films.npy'); {load}\n"
        "numpy.save('grade.npy', found['grade'])\n"
        "print(any(m.startswith('xraybatch') for m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "False\n", done.stderr
    expected = model.predict_on_batch(FILMS)["grade"]
    assert np.abs(np.load(tmp_path / "grade.npy") - expected).max() < 1e-5


def test_an_endpoint_takes_bytes_of_films_by_name(model: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    exporter("saved_model").write(ExportJob(tmp_path / "m", ("label",), keras_model=model))
    served = tf.saved_model.load(str(tmp_path / "m"))
    signature = served.signatures["serving_default"]
    _, asked = signature.structured_input_signature
    assert {k: (v.dtype, v.shape.as_list()) for k, v in asked.items()} == {
        "films": (tf.uint8, [None, 16, 16, 1])
    }
    assert set(signature.structured_outputs) == {"label"}


@pytest.mark.parametrize(("name", "target"), FORMATS[:2])
def test_code_in_a_network_is_refused_with_a_sentence(
    keras: Any, tmp_path: Path, name: str, target: str
) -> None:
    films = keras.Input((16, 16, 1), dtype="uint8", name="films")
    squared = keras.layers.Lambda(lambda x: x * x)(keras.ops.cast(films, "float32"))
    answer = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(squared))
    job = ExportJob(
        tmp_path / target, ("label",), keras_model=keras.Model(films, {"label": answer})
    )
    with pytest.raises(XraybatchError) as caught:
        exporter(name).write(job)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "target"), FORMATS)
def test_writing_is_quiet(
    model: Any, tmp_path: Path, name: str, target: str, capfd: pytest.CaptureFixture[str]
) -> None:
    exporter(name).write(ExportJob(tmp_path / target, OUTPUTS, keras_model=model))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["keras", "h5", "saved_model"])
def test_the_module_is_light(name: str) -> None:
    code = (
        f"import sys, xraybatch_exporters.{name} as e\n"
        "(x,) = e.register_exporters()\n"
        "print(x.name, [m for m in ('h5py', 'tensorflow', 'keras', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == f"{name} []\n"
