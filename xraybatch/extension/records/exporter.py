"""What a plugin brings to export: formats that models are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    calibration : ndarray of uint8, shape (n, height, width, 1), or None
        Films of the training part, for an exporter that measures ranges of values.
    in_float : tuple of str
        Layers that shall stay in float32, of those that `Exporter.layers` named.
    work : Path or None
        A folder of this export, the same at every call: what is costly may be kept there.
    """

    target: Path
    outputs: tuple[str, ...]
    keras_model: Any = None
    onnx_file: Path | None = None
    values: Mapping[str, OptionValue] = field(default_factory=dict)
    calibration: NDArray[np.uint8] | None = None
    in_float: tuple[str, ...] = ()
    work: Path | None = None


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
    precision : {"fp32", "fp16", "int8"}
        What it computes in. Other than fp32: it starts from "onnx", and instead of the parity gate
        its file passes that of precision, which counts the films that get another class.
    layers : callable or None
        ``layers(job) -> names``, in the order of the network: what `ExportJob.in_float` may name.
        Where the gate is missed, `write` is called again with the layers that hurt most.
    """

    name: str
    summary: str
    suffix: str
    starts_from: Literal["keras", "onnx"]
    write: Callable[[ExportJob], None]
    open: Callable[[Path], PredictFilms]
    metadata_inside: bool = False
    options: tuple[Option, ...] = ()
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    layers: Callable[[ExportJob], Sequence[str]] | None = None
