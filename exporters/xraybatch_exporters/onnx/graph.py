"""The graph of a finished model file, made ready to be computed in other numbers.

What is worth it are the layers that hold weights: convolutions and matrix products. What lies
before the first of them (casting and scaling the film) and from the last of them on (each task's
output, heat maps, softmax) takes no time and stays in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xraybatch import ExportJob, XraybatchError

_WEIGHTED = ("Conv", "Gemm", "MatMul")
_FILE = "prepared.onnx"


@contextmanager
def prepared(job: ExportJob) -> Iterator[tuple[Path, Path]]:
    """The job's graph as a file, simplified, without metadata; and the folder that it lies in.

    The folder is the export's own where it has one, so that this and what else is put there is made
    once.

    Raises
    ------
    XraybatchError
        If onnxruntime cannot read the file that the job starts from.
    """
    with TemporaryDirectory() as own:
        folder = job.work or Path(own)
        path = folder / _FILE
        if not path.exists():
            assert job.onnx_file is not None
            _simplify(job.onnx_file, path)
        yield path, folder


def layers(path: Path) -> list[str]:
    """Names of the layers of a prepared graph that can be computed in other numbers, in order."""
    import onnx

    return Graph(onnx.load(path)).layers


@dataclass(frozen=True)
class Graph:
    """A graph, and who reads what of whom.

    Attributes
    ----------
    proto : onnx.ModelProto
        Nodes in topological order, as ONNX asks for; each has a name of its own.
    """

    proto: Any

    @cached_property
    def nodes(self) -> list[Any]:
        """All nodes, in order."""
        return list(self.proto.graph.node)

    @cached_property
    def constants(self) -> frozenset[str]:
        """Names of tensors that are weights."""
        return frozenset(tensor.name for tensor in self.proto.graph.initializer)

    @cached_property
    def floats(self) -> frozenset[str]:
        """Names of the tensors that are known to be float32, weights among them."""
        import onnx

        graph = self.proto.graph
        known = [*graph.value_info, *graph.input, *graph.output]
        single = onnx.TensorProto.FLOAT
        found = [entry.name for entry in known if entry.type.tensor_type.elem_type == single]
        return frozenset([*found, *(t.name for t in graph.initializer if t.data_type == single)])

    @cached_property
    def _producer(self) -> dict[str, str]:
        return {output: node.name for node in self.nodes for output in node.output}

    def sources(self, node: Any) -> list[str]:
        """Names of the nodes whose results a node reads."""
        return [self._producer[name] for name in node.input if name in self._producer]

    @cached_property
    def weighted(self) -> frozenset[str]:
        """Convolutions and matrix products with weights."""
        return frozenset(
            node.name
            for node in self.nodes
            if node.op_type in _WEIGHTED and node.input[1] in self.constants
        )

    @cached_property
    def after(self) -> dict[str, frozenset[str]]:
        """Of each node, the weighted ones that read of it, directly or not."""
        found: dict[str, set[str]] = {node.name: set() for node in self.nodes}
        for node in reversed(self.nodes):
            seen = found[node.name] | ({node.name} & self.weighted)
            for source in self.sources(node):
                found[source] |= seen
        return {name: frozenset(names) for name, names in found.items()}

    @cached_property
    def layers(self) -> list[str]:
        """Weighted nodes that another one follows: all but each output's own."""
        return [n.name for n in self.nodes if n.name in self.weighted and self.after[n.name]]

    def region(self, names: frozenset[str]) -> set[str]:
        """These nodes, and what follows each before the next weighted one."""
        found: set[str] = set()
        for node in self.nodes:
            inside = not found.isdisjoint(self.sources(node)) and node.name not in self.weighted
            if node.name in names or inside:
                found.add(node.name)
        return found

    def descendants(self, names: frozenset[str]) -> set[str]:
        """These nodes, and all that reads of them."""
        found: set[str] = set()
        for node in self.nodes:
            if node.name in names or not found.isdisjoint(self.sources(node)):
                found.add(node.name)
        return found


def save(proto: Any, target: Path) -> None:
    """Write a graph without what is only of its making; the same graph gives the same bytes."""
    used = {node.domain for node in proto.graph.node} | {""}
    for entry in [e for e in proto.opset_import if e.domain not in used]:
        proto.opset_import.remove(entry)
    del proto.metadata_props[:]
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del proto.graph.value_info[:]
    target.write_bytes(proto.SerializeToString(deterministic=True))


def _simplify(source: Path, target: Path) -> None:
    """Fold constants and normalisation into layers, as onnxruntime does, and know every shape."""
    import onnx
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    try:
        ort.InferenceSession(source.read_bytes(), options, providers=["CPUExecutionProvider"])
        proto = onnx.shape_inference.infer_shapes(onnx.load(target), data_prop=True)
    except Exception as error:
        target.unlink(missing_ok=True)
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise XraybatchError(
            f"{source.name} cannot be read as a graph: {lines[0][:200]}",
            "Export the run with --to onnx first.",
        ) from error
    del proto.metadata_props[:]
    for number, node in enumerate(proto.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    target.write_bytes(proto.SerializeToString(deterministic=True))
