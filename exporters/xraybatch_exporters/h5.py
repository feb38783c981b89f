"""``h5``: one HDF5 file, as Keras wrote them before ``.keras``.

Keras 3 still writes and reads these files, but describes a network in them in an old dialect that
knows layers and no operations: one with ``ops.cast`` or an ordinal head is written and never opens
again. The reader understands today's dialect too, so the description in it is put in its place.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch import Exporter, ExportJob, XraybatchError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DESCRIPTION = "model_config"  # the attribute that Keras reads


@hookimpl
def register_exporters() -> list[Exporter]:
    """Offer ``h5`` to ``xraybatch export --to``."""
    return [
        Exporter(
            name="h5",
            summary="HDF5 (.h5) of Keras 3: for programs that want the older file.",
            suffix=".h5",
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
        If HDF5 cannot hold it, or it does not open in safe mode.
    """
    import h5py

    model = job.keras_model
    try:
        with _quiet():
            model.save(job.target, include_optimizer=False)
        description = {"class_name": "Functional", "config": _spelt_out(model.get_config())}
        with h5py.File(job.target, "r+") as file:
            file.attrs[DESCRIPTION] = json.dumps(description).encode()
        open_model(job.target)
    except Exception as error:
        job.target.unlink(missing_ok=True)
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise XraybatchError(
            f"The network has no HDF5 form that opens again: {lines[0][:200]}",
            "Build it of Keras' own layers and operations, or export --to saved_model.",
        ) from error


def open_model(path: Path) -> Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]:
    """Open a written file for the parity gate, in safe mode."""
    from keras import models

    with _quiet():
        model = models.load_model(path, compile=False, safe_mode=True)

    def predict(films: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        answers: Mapping[str, NDArray[np.float32]] = model.predict_on_batch(films)
        return answers

    return predict


def _spelt_out(description: Any) -> Any:
    """``x[..., k]`` as ``x[:, :, :, k]``: the reader of HDF5 stumbles over the dots."""
    if isinstance(description, list | tuple):
        parts = list(description)
        if (
            len(parts) == 2
            and _is(parts[0], "__keras_tensor__")
            and isinstance(parts[1], list | tuple)
        ):
            rank = len(parts[0]["config"]["shape"])
            every = {"class_name": "__slice__", "config": dict.fromkeys(("start", "stop", "step"))}
            key: list[Any] = []
            for part in parts[1]:
                is_dots = _is(part, "__ellipsis__")
                key += [every] * (rank + 1 - len(parts[1])) if is_dots else [part]
            parts[1] = key
        return [_spelt_out(part) for part in parts]
    if isinstance(description, dict):
        return {name: _spelt_out(value) for name, value in description.items()}
    return description


def _is(part: Any, name: str) -> bool:
    return isinstance(part, dict) and part.get("class_name") == name


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)  # that the format is the older one is why it was asked for
    try:
        yield
    finally:
        logger.setLevel(before)
