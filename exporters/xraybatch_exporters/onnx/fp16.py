"""``onnx-fp16``: layers in half precision, for GPUs.

A CPU computes it too, no faster. Films come in as they do elsewhere. What lies before the first
layer and from the last on stays in float32, and so do sums over a whole map, normalisation by what
a film holds, softmax, and all outputs.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from xraybatch import ExportJob, XraybatchError
from xraybatch_exporters.onnx.graph import Graph, prepared, save

_IN_HALF = frozenset(
    (
        *("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Relu", "Clip"),
        *("LeakyRelu", "Sigmoid", "Tanh", "Concat", "Pad", "Transpose", "Reshape", "Flatten"),
        *("Squeeze", "Unsqueeze", "MaxPool", "AveragePool"),
    )
)
_HALF = "/half"


def write(job: ExportJob) -> None:
    """Write the model file of a job in half precision.

    Raises
    ------
    XraybatchError
        If the network has no layer to compute so.
    """
    import onnx

    with prepared(job) as (path, _):
        graph = Graph(onnx.load(path))
        if not graph.layers:
            raise XraybatchError(
                "The network has no layer that could be computed in half precision.",
                "Use the model as it is.",
            )
        _convert(graph, _chosen(graph, frozenset(job.in_float)))
        save(graph.proto, job.target)


def _chosen(graph: Graph, in_float: frozenset[str]) -> set[str]:
    """Names of the nodes to compute in half precision."""
    inside = graph.descendants(frozenset(graph.layers))
    last = graph.descendants(graph.weighted - set(graph.layers))
    possible = inside - last - graph.region(in_float)
    floats = graph.floats
    return {
        node.name
        for node in graph.nodes
        if node.name in possible and node.op_type in _IN_HALF and node.output[0] in floats
    }


def _convert(graph: Graph, chosen: Set[str]) -> None:
    """Compute these nodes in half precision, with a cast wherever another one is met."""
    from onnx import TensorProto, helper, numpy_helper

    made: dict[str, str] = {}  # tensor → its name in half precision
    weights = {tensor.name: tensor for tensor in graph.proto.graph.initializer}
    floats = graph.floats
    elsewhere = {name for n in graph.nodes if n.name not in chosen for name in n.input}
    elsewhere |= {output.name for output in graph.proto.graph.output}
    written: list[Any] = []

    def cast(name: str, result: str, to: int) -> None:
        written.append(helper.make_node("Cast", [name], [result], name=f"{result}/cast", to=to))

    def in_half(name: str) -> str:
        if name not in made:
            made[name] = name + _HALF
            if name in weights:
                rounded = numpy_helper.to_array(weights[name]).astype("float16")
                graph.proto.graph.initializer.append(numpy_helper.from_array(rounded, made[name]))
            else:
                cast(name, made[name], TensorProto.FLOAT16)
        return made[name]

    for node in graph.nodes:
        if node.name in chosen:
            for place, name in enumerate(node.input):
                if name in floats:
                    node.input[place] = in_half(name)
        written.append(node)
        if node.name in chosen:
            for place, name in enumerate(node.output):
                if name in floats:
                    made[name] = node.output[place] = name + _HALF
                    if name in elsewhere:
                        cast(made[name], name, TensorProto.FLOAT)
    del graph.proto.graph.node[:]
    graph.proto.graph.node.extend(written)
    read = {name for node in written for name in node.input}
    for tensor in [t for t in graph.proto.graph.initializer if t.name not in read]:
        graph.proto.graph.initializer.remove(tensor)
