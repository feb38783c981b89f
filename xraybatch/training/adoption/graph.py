"""What a graph tells of itself: its input, its outputs, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xraybatch.core.errors import ModelError, UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.training.adoption.asked import LOG_PROBABILITIES, LOGITS, PROBABILITIES
from xraybatch.training.adoption.foreign import Foreign, plain

# element types of ONNX that a picture comes in, as numpy knows them
TYPES = {1: "float32", 2: "uint8", 10: "float16", 11: "float64"}
# what changes the form of numbers, not their meaning
_PASS = frozenset(
    {"Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Dropout"}
    | {"QuantizeLinear", "DequantizeLinear"}
)
_LINEAR = frozenset({"Gemm", "MatMul", "Add", "Conv", "GlobalAveragePool", "ReduceMean"})


@dataclass(frozen=True)
class Facts:
    """What the graph says.

    Attributes
    ----------
    input : str
        Name of the one picture that it asks for.
    type : str
        Its numbers, as numpy calls them.
    shape : tuple of int or None
        Its four sizes, the batch first; None: open.
    outputs : tuple of str
        Names of all outputs.
    output : str or None
        The one that answers; None: several, and nobody said which.
    classes : int or None
        Numbers that it gives a film; None: not declared.
    ending : str
        Operator that makes the answer, forms left aside.
    kind : {"softmax", "sigmoid", ""}
        Whether it is one that makes probabilities.
    answers : str or None
        What its name says the answers are, ``logits`` only as far as it goes; None: nothing.
    """

    input: str
    type: str
    shape: tuple[int | None, ...]
    outputs: tuple[str, ...]
    output: str | None
    classes: int | None
    ending: str
    kind: str
    answers: str | None

    def form(self) -> str:
        """The input's shape in words, ``[?, 3, 224, 224]``."""
        return f"[{', '.join('?' if n is None else str(n) for n in self.shape)}]"


def read_facts(foreign: Foreign, output: str | None) -> Facts:
    """Look at a graph's input, outputs and end.

    Raises
    ------
    ModelError
        If it does not take one picture of four sizes.
    UsageError
        If there is no output of that name.
    """
    graph = foreign.proto.graph
    given = {tensor.name for tensor in graph.initializer}
    given |= {sparse.values.name for sparse in graph.sparse_initializer}
    asked = [entry for entry in graph.input if entry.name not in given]
    if len(asked) != 1:
        names = ", ".join(plain(entry.name) for entry in asked[:8]) or "nothing"
        raise ModelError(
            f"{foreign.path} asks for {names}; a classifier of films asks for one picture.",
            "Export the network with the picture as its only input.",
        )
    tensor = asked[0].type.tensor_type
    shape = tuple(_size(d) for d in tensor.shape.dim)
    if tensor.elem_type not in TYPES or len(shape) != 4:
        kind = TYPES.get(tensor.elem_type, f"type {tensor.elem_type}")
        raise ModelError(
            f"{foreign.path} asks for '{plain(asked[0].name)}' of {kind} and {len(shape)} sizes, "
            "not for pictures in batches.",
            "Export the network with a picture of four sizes, [batch, channels, height, width] or "
            "[batch, height, width, channels].",
        )
    outputs = tuple(entry.name for entry in graph.output)
    if output is not None and output not in outputs:
        raise UsageError(
            f"{foreign.path.name} has no output '{output}'.", did_you_mean(output, outputs)
        )
    answer = output or (outputs[0] if len(outputs) == 1 else None)
    ending, kind, answers = _ending(graph, answer) if answer else ("", "", None)
    return Facts(
        *(asked[0].name, TYPES[tensor.elem_type], shape, outputs, answer),
        classes=_classes(graph, answer),
        ending=ending,
        kind=kind,
        answers=answers,
    )


def _size(dimension: Any) -> int | None:
    return int(dimension.dim_value) if dimension.dim_value > 0 else None


def _classes(graph: Any, output: str | None) -> int | None:
    for entry in graph.output:
        if entry.name == output and entry.type.tensor_type.HasField("shape"):
            sizes = [_size(d) for d in entry.type.tensor_type.shape.dim]
            if len(sizes) == 1:
                return 1
            known = [size for size in sizes[1:] if size is not None]
            if sizes and len(known) == len(sizes) - 1:
                return int(np.prod(known))
    return None


def _ending(graph: Any, output: str) -> tuple[str, str, str | None]:
    """The operator that makes the answer, whether it is a softmax or sigmoid, and what it gives."""
    makers = {name: node for node in graph.node for name in node.output}
    name, seen = output, 0
    while name in makers and makers[name].op_type in _PASS and seen < len(makers):
        name, seen = makers[name].input[0], seen + 1
    if name not in makers:
        return "", "", None
    operator = str(makers[name].op_type)
    if operator == "Softmax":
        return operator, "softmax", PROBABILITIES
    if operator == "Sigmoid":
        return operator, "sigmoid", PROBABILITIES
    if operator == "LogSoftmax":
        return operator, "softmax", LOG_PROBABILITIES
    return operator, "", LOGITS if operator in _LINEAR else None
