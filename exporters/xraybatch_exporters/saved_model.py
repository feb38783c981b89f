"""``saved_model``: a folder for TensorFlow and TensorFlow Serving, which needs no Keras."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch import Exporter, ExportJob, XraybatchError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INPUT = "films"
ENDPOINT = "serve"  # Keras writes it as "serving_default" too, which servers ask for


@hookimpl
def register_exporters() -> list[Exporter]:
    """Offer ``saved_model`` to ``xraybatch export --to``."""
    return [
        Exporter(
            name="saved_model",
            summary="TensorFlow SavedModel, a folder: uint8 films in, answers by name out.",
            suffix="",
            starts_from="keras",
            write=write,
            open=open_model,
        )
    ]


def write(job: ExportJob) -> None:
    """Write the Keras model of a job as a folder with one endpoint.

    Raises
    ------
    XraybatchError
        If TensorFlow cannot trace the network.
    """
    import tensorflow as tf
    from keras import export

    model = job.keras_model
    spec = tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.uint8, name=INPUT)

    def answer(films: Any) -> dict[str, Any]:
        given = model(films, training=False)  # no dropout, no augmentation, stored statistics
        return {name: given[name] for name in job.outputs}

    try:
        archive = export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(ENDPOINT, answer, input_signature=[spec])
        archive.write_out(str(job.target), verbose=False)
    except Exception as error:
        shutil.rmtree(job.target, ignore_errors=True)
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise XraybatchError(
            f"The network has no SavedModel form: {lines[0][:200]}",
            "A layer in it cannot be traced by TensorFlow; write it with Keras operations.",
        ) from error


def open_model(path: Path) -> Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]:
    """Open a written folder for the parity gate, with TensorFlow alone."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def predict(films: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        # asked of what was loaded each time: alone, a signature forgets its variables
        found = loaded.signatures[ENDPOINT](**{INPUT: tf.constant(films)})
        return {name: values.numpy() for name, values in found.items()}

    return predict
