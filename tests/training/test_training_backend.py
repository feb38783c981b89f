from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from xraybatch.core.errors import MissingExtra, ModelError, UsageError


@pytest.mark.train
def test_loading_keras_says_nothing_and_leaves_nothing() -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    code = (
        "import os, sys\n"
        "from xraybatch.training.backend import choose_device, load_keras\n"
        "keras = load_keras(); choose_device('auto')\n"
        "import numpy as np\n"
        "model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])\n"
        "model.compile('sgd', 'mse'); model.fit(np.ones((8, 4)), np.ones(8), verbose=0)\n"
        "assert 'TF_CPP_MIN_LOG_LEVEL' not in os.environ\n"
        "sys.stderr.write('still heard')\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "still heard")


def test_without_tensorflow_the_line_that_installs_it(monkeypatch: Any) -> None:
    from xraybatch.training.backend import load_keras

    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtra) as caught:
        load_keras()
    assert "pip install 'xraybatch[train]'" in caught.value.hint


@pytest.mark.train
def test_a_gpu_that_is_there_but_unused_is_named(monkeypatch: Any) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    import tensorflow as tf

    from xraybatch.training import backend

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: [])
    monkeypatch.setattr(backend, "has_nvidia_driver", lambda: True)
    assert "xraybatch[train-gpu]" in backend.choose_device("auto").note
    with pytest.raises(ModelError, match="CUDA libraries are missing"):
        backend.choose_device("gpu")
    monkeypatch.setattr(backend, "has_nvidia_driver", lambda: False)
    assert backend.choose_device("auto").note == ""
    with pytest.raises(ModelError, match="no driver"):
        backend.choose_device("gpu")
    assert backend.choose_device("cpu").name == "cpu"


def test_an_unknown_device() -> None:
    from xraybatch.training.backend import choose_device

    with pytest.raises(UsageError, match="tpu"):
        choose_device("tpu")
