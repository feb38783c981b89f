"""What a plugin brings to export: formats that models are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from xraybatch.extension.records.option import Option, OptionValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ExportJob:
    """What `Exporter.write` is handed.

    Attributes
    ----------
    target : Path
        The file or folder to write; its parent exists, it does not.
    keras_model : keras.Model or None
        For an exporter that starts from "keras": one input ``films``, uint8
        ``[batch, height, width, 1]``; a dict of outputs by name: each task's probabilities
        (float32 ``[batch, K]``), then ``embedding`` and ``cam.<task>`` where the network has them.
    onnx_file : Path or None
        For an exporter that starts from "onnx": a finished model file.
    outputs : tuple of str
        Names of the outputs, in order, tasks first.
    values : mapping of str to OptionValue
    """

    target: Path
    outputs: tuple[str, ...]
    keras_model: Any = None
    onnx_file: Path | None = None
    values: Mapping[str, OptionValue] = field(default_factory=dict)


# uint8 films [batch, height, width, 1] → probabilities [batch, K] by task
PredictFilms = Callable[["NDArray[np.uint8]"], Mapping[str, "NDArray[np.float32]"]]


@dataclass(frozen=True)
class Exporter:
    """A format that models are written in: returned by ``register_exporters``.

    Attributes
    ----------
    name, summary : str
    suffix : str
        With the dot; empty for a folder.
    starts_from : {"keras", "onnx"}
    write : callable
        ``write(job: ExportJob) -> None``; writes `job.target`.
    open : callable
        ``open(path) -> predict``: what the parity gate calls with real films.
    metadata_inside : bool
        Whether the format carries card and seal itself (ONNX does); others get a file beside.
    options : tuple of Option
    """

    name: str
    summary: str
    suffix: str
    starts_from: Literal["keras", "onnx"]
    write: Callable[[ExportJob], None]
    open: Callable[[Path], PredictFilms]
    metadata_inside: bool = False
    options: tuple[Option, ...] = ()
