"""The one way to TensorFlow and Keras: quiet, seeded, on the device that was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from xraybatch.core.errors import MissingExtra, ModelError, UsageError
from xraybatch.models.devices import has_nvidia_driver

DEVICES = ("auto", "cpu", "gpu", "gpu:all", "cpu:all")
INSTALL = "pip install 'xraybatch[train]'"
INSTALL_GPU = "pip install 'xraybatch[train-gpu]'"

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@dataclass(frozen=True)
class Device:
    """Where training runs.

    Attributes
    ----------
    name : str
        ``cpu``, or the GPU's name.
    note : str
        A GPU that is there but unused, with the line that installs what is missing; else empty.
    several : tuple of str
        TensorFlow's names of the devices that share each batch, where these are more than one.
    """

    name: str
    note: str = ""
    several: tuple[str, ...] = ()


def check_installed() -> None:
    """Raise `MissingExtra` if anything of the extra ``train`` is missing; imports nothing."""
    for name in ("tensorflow", "keras", "tf2onnx", "onnx"):
        if name not in sys.modules and not _is_there(name):
            raise _missing(name)


def load_keras() -> Any:
    """Import Keras on TensorFlow without a word on standard error; nothing else is changed.

    Raises
    ------
    MissingExtra
        If TensorFlow or Keras is not installed.
    """
    try:
        with _silence():
            import keras
            import tensorflow as tf

            tf.config.list_physical_devices()  # what is missing for a GPU is said once, and by us
    except ImportError as error:
        raise _missing(str(error.name or error)) from error
    tf.get_logger().setLevel("ERROR")
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"Keras runs on {keras.backend.backend()} here; training needs TensorFlow.",
            "Unset KERAS_BACKEND, or set it to tensorflow.",
        )
    return keras


def choose_device(asked: str) -> Device:
    """Let TensorFlow use the device that was asked for; a GPU's memory is taken as it is needed.

    Raises
    ------
    UsageError
        If `asked` is none of `DEVICES`.
    ModelError
        If a GPU was asked for and TensorFlow has none.
    """
    if asked not in DEVICES:
        raise UsageError(f"'{asked}' is no device to train on.", f"Use {', '.join(DEVICES)}.")
    load_keras()
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    if asked in ("cpu", "cpu:all"):
        _before_first_use(lambda: tf.config.set_visible_devices([], "GPU"))
        return Device("cpu") if asked == "cpu" else _all("CPU", "cpu")
    if not found:
        there = has_nvidia_driver()
        if asked != "auto":
            raise ModelError(
                f"--device {asked} was asked for, but TensorFlow finds no GPU"
                + (": its CUDA libraries are missing." if there else " and no driver for one."),
                f"Install them with {INSTALL_GPU}, or use --device cpu.",
            )
        note = f"There is an NVIDIA GPU, but TensorFlow cannot use it: {INSTALL_GPU}."
        return Device("cpu", note if there else "")
    for gpu in found:
        _before_first_use(lambda gpu=gpu: tf.config.experimental.set_memory_growth(gpu, True))
    details = tf.config.experimental.get_device_details(found[0])
    name = str(details.get("device_name", "gpu"))
    return _all("GPU", name) if asked == "gpu:all" else Device(name)


def _all(kind: str, name: str) -> Device:
    import tensorflow as tf

    several = tuple(device.name for device in tf.config.list_logical_devices(kind))
    return Device(f"{len(several)} × {name}", several=several) if several[1:] else Device(name)


def be_deterministic() -> None:
    """Let TensorFlow use only operations that give the same bits each time; for this process."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


@contextmanager
def precision(*, mixed: bool) -> Iterator[str]:
    """Build layers within the block for half precision where that is asked for; yields its name.

    float16 on a GPU, bfloat16 on a CPU, which has no float16 to gain from.
    """
    if not mixed:
        yield "float32"
        return
    keras = load_keras()
    import tensorflow as tf

    on_gpu = bool(tf.config.get_visible_devices("GPU"))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if on_gpu else "mixed_bfloat16")
    try:
        yield "float16" if on_gpu else "bfloat16"
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def sharing(devices: tuple[str, ...]) -> Iterator[None]:
    """Build and train within the block on several devices, each with its share of a batch."""
    if not devices:
        yield
        return
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(list(devices)).scope():
        yield


def replicas() -> int:
    """How many devices share each batch, within the block of `sharing`; 1 outside of it."""
    import tensorflow as tf

    count: int = tf.distribute.get_strategy().num_replicas_in_sync
    return count


def set_seed(seed: int) -> None:
    """Seed Python, numpy and TensorFlow, and forget the names of layers made before."""
    keras = load_keras()
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)


def predictor(model: Any) -> Any:
    """`model.predict_on_batch`, which several devices would each answer in full."""
    import tensorflow as tf

    if not tf.distribute.has_strategy():
        return model.predict_on_batch
    traced = tf.function(lambda films: model(films, training=False), reduce_retracing=True)
    return lambda films: traced(films).numpy()


def _missing(name: str) -> MissingExtra:
    return MissingExtra(
        f"Training needs TensorFlow, Keras and tf2onnx, and {name} is not installed.",
        f"Install it with: {INSTALL}",
    )


def _before_first_use(setting: Any) -> None:
    with suppress(RuntimeError):  # TensorFlow runs already: in this process it was decided before
        setting()


@contextmanager
def _silence() -> Iterator[None]:
    """Send what C++ libraries write while they load to nowhere; put the world back after."""
    before = os.environ.get(_LEVEL)
    os.environ[_LEVEL] = "3"
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all
        kept = -1
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        if kept >= 0:
            os.dup2(kept, 2)
            os.close(kept)
        os.close(nowhere)
        if before is None:
            os.environ.pop(_LEVEL, None)
        else:
            os.environ[_LEVEL] = before


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
