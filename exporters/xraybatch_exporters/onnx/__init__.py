"""``onnx``, the model file; ``onnx-int8`` and ``onnx-fp16``, smaller ones made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch import Exporter, ExportJob, Option, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPSET = 17
INPUT = "films"


@hookimpl
def register_exporters() -> list[Exporter]:
    """Offer them to ``xraybatch export --to``; every training run writes ``onnx``."""
    return [
        Exporter(
            name="onnx",
            summary=f"ONNX, opset {OPSET}: the model file, for any ONNX runtime.",
            suffix=".onnx",
            starts_from="keras",
            write=_write_fp32,
            open=open_model,
            metadata_inside=True,
        ),
        Exporter(
            name="onnx-int8",
            summary="The model file in whole numbers of 8 bits: for CPUs, a quarter the size.",
            suffix=".onnx",
            starts_from="onnx",
            write=_write_int8,
            open=open_model,
            metadata_inside=True,
            precision="int8",
            layers=_layers,
            options=(
                Option(
                    "reduce-range",
                    bool,
                    False,
                    "Weights of 7 bits: for other programs on processors without VNNI.",
                ),
            ),
        ),
        Exporter(
            name="onnx-fp16",
            summary="The model file in half precision: for GPUs, half the size.",
            suffix=".onnx",
            starts_from="onnx",
            write=_write_fp16,
            open=open_model,
            metadata_inside=True,
            precision="fp16",
            layers=_layers,
        ),
    ]


def open_model(path: Path) -> Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]:
    """Open a written file for a gate: onnxruntime on the CPU, batches as they come."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3  # initialisers that nothing uses are no one's concern
    session = ort.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def predict(films: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        return dict(zip(names, session.run(names, {INPUT: films}), strict=True))

    return predict


# each of these needs onnx, which is not imported before a file is written


def _write_fp32(job: ExportJob) -> None:
    from xraybatch_exporters.onnx.convert import write

    write(job)


def _write_int8(job: ExportJob) -> None:
    from xraybatch_exporters.onnx.int8 import write

    write(job)


def _write_fp16(job: ExportJob) -> None:
    from xraybatch_exporters.onnx.fp16 import write

    write(job)


def _layers(job: ExportJob) -> list[str]:
    from xraybatch_exporters.onnx.graph import layers, prepared

    with prepared(job) as (path, _):
        return layers(path)
