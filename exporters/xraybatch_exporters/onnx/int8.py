"""``onnx-int8``: weights and what flows between layers in whole numbers of 8 bits.

Static quantisation in the form that every ONNX runtime reads (``QuantizeLinear`` and
``DequantizeLinear`` around each layer): activations unsigned by their range on real films, weights
signed by channel. The answer to a film does not depend on the other films of its batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch import ExportJob, XraybatchError
from xraybatch_exporters.onnx import INPUT
from xraybatch_exporters.onnx.graph import Graph, prepared, save

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Ranges = Mapping[str, tuple[float, float]]

# what may stand between layers without leaving whole numbers
_GLUE = (
    *("Add", "AveragePool", "Clip", "Concat", "Flatten", "MaxPool", "Pad", "Relu", "Reshape"),
    *("Squeeze", "Transpose", "Unsqueeze"),
)
_ACTIVATIONS = ("Relu", "Clip")  # one step with the layer before
_BATCH = 8
_RANGES = "ranges.json"


def write(job: ExportJob) -> None:
    """Write the model file of a job in whole numbers.

    Raises
    ------
    XraybatchError
        If the job has no films to measure ranges on, or the network no layer to quantise.
    """
    import onnx

    with prepared(job) as (path, folder):
        if job.calibration is None or not len(job.calibration):
            raise XraybatchError(
                "There are no training films to measure the ranges of values on.",
                "Name a whole run folder.",
            )
        proto = onnx.load(path)
        if not Graph(proto).layers:
            raise XraybatchError(
                "The network has no layer that could be computed in whole numbers.",
                "Use the model as it is.",
            )
        ranges = _ranges(path, folder / _RANGES, job.calibration)
        chosen = _quantised(Graph(proto), frozenset(job.in_float))
        if chosen:
            proto = _quantise(proto, chosen, ranges, reduce=bool(job.values.get("reduce-range")))
        save(proto, job.target)


def _quantised(graph: Graph, in_float: frozenset[str]) -> list[str]:
    """Layers, and what stands between two of them and reads of nothing else."""
    kept = {name for name in graph.layers if name not in in_float}
    for node in graph.nodes:
        sources = graph.sources(node)
        if node.op_type in _GLUE and sources and kept.issuperset(sources) and _plain(graph, node):
            kept.add(node.name)
    readers: set[str] = set()
    for node in reversed(graph.nodes):
        read = node.name in readers or node.op_type in _ACTIVATIONS
        if node.name in kept and node.name not in graph.weighted and not read:
            kept.discard(node.name)  # nothing behind it is in whole numbers
        if node.name in kept:
            readers.update(graph.sources(node))
    return [node.name for node in graph.nodes if node.name in kept]


def _plain(graph: Graph, node: Any) -> bool:
    """Whether a node is no sum with constants, which would need a scale of their own."""
    return node.op_type not in ("Add", "Concat") or graph.constants.isdisjoint(node.input)


def _quantise(proto: Any, nodes: list[str], ranges: Ranges, *, reduce: bool) -> Any:
    import numpy as np
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    measured = {
        name: (np.array([low], np.float32), np.array([high], np.float32))
        for name, (low, high) in ranges.items()
    }
    types = {node.op_type for node in proto.graph.node if node.name in set(nodes)}
    quantizer = QDQQuantizer(
        proto,
        per_channel=True,
        reduce_range=reduce,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, measured),
        nodes_to_quantize=nodes,
        nodes_to_exclude=[],
        op_types_to_quantize=sorted(types),
        extra_options={},
    )
    quantizer.quantize_model()
    return quantizer.model.model


def _ranges(path: Path, kept: Path, films: NDArray[np.uint8]) -> Ranges:
    """Smallest and largest value of every float tensor over the films; measured once."""
    if not kept.exists():
        kept.write_text(json.dumps(_measured(path, kept.with_name("measuring.onnx"), films)))
    found: Ranges = {
        name: (low, high) for name, (low, high) in json.loads(kept.read_text()).items()
    }
    return found


def _measured(
    path: Path, measuring: Path, films: NDArray[np.uint8]
) -> dict[str, tuple[float, float]]:
    from onnxruntime.quantization.calibrate import (
        CalibrationDataReader,
        CalibrationMethod,
        create_calibrator,
    )

    class Films(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: Iterator[NDArray[np.uint8]] = iter(
                [films[begin : begin + _BATCH] for begin in range(0, len(films), _BATCH)]
            )

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch}

    calibrator = create_calibrator(
        path,
        op_types_to_calibrate=["Conv", "Gemm", "MatMul", *_GLUE],
        augmented_model_path=str(measuring),
        calibrate_method=CalibrationMethod.MinMax,
    )
    calibrator.collect_data(Films())
    return {
        name: (float(data.range_value[0].min()), float(data.range_value[1].max()))
        for name, data in sorted(calibrator.compute_data().data.items())
    }
