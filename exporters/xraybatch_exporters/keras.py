"""``keras``: Keras' own file, which opens in safe mode: without a line of code from the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch import Exporter, ExportJob, XraybatchError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@hookimpl
def register_exporters() -> list[Exporter]:
    """Offer ``keras`` to ``xraybatch export --to``."""
    return [
        Exporter(
            name="keras",
            summary="Keras 3 (.keras): for training on, opens with keras.models.load_model.",
            suffix=".keras",
            starts_from="keras",
            write=write,
            open=open_model,
        )
    ]


def write(job: ExportJob) -> None:
    """Write the Keras model of a job, and see that it opens again.

    Raises
    ------
    XraybatchError
        If it does not open in safe mode: a layer in it is code that no file can hold.
    """
    try:
        job.keras_model.save(job.target)
        open_model(job.target)
    except Exception as error:
        job.target.unlink(missing_ok=True)
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise XraybatchError(
            f"The network has no .keras form that opens in safe mode: {lines[0][:200]}",
            "Build it of Keras' own layers and operations, without Lambda or layers of your own.",
        ) from error


def open_model(path: Path) -> Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]:
    """Open a written file for the parity gate, in safe mode."""
    from keras import models

    model = models.load_model(path, compile=False, safe_mode=True)

    def predict(films: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        answers: Mapping[str, NDArray[np.float32]] = model.predict_on_batch(films)
        return answers

    return predict
