"""How many weights a model file holds, counted without the ``onnx`` package."""

from __future__ import annotations

from math import prod

from xraybatch.models.seal import records, varints

_GRAPH, _INITIALIZER, _DIMS, _KIND = 7, 5, 1, 2
# of ONNX's kinds of numbers, those that weights are kept in: float32, int8 and uint8, float16
_WEIGHTS = {1, 2, 3, 10}


def count_parameters(content: bytes) -> int:
    """Numbers in the tensors of an ONNX graph; scalars and shapes are not weights.

    Raises
    ------
    ValueError
        If it is no ONNX file.
    """
    total = 0
    for graph in records(content):
        if graph.field != _GRAPH:
            continue
        inner = content[graph.body : graph.end]
        for entry in records(inner):
            if entry.field == _INITIALIZER:
                total += _size(inner[entry.body : entry.end])
    return total


def _size(tensor: bytes) -> int:
    dims: list[int] = []
    kind = 0
    for entry in records(tensor):
        if entry.field == _DIMS:
            dims += varints(tensor, entry)
        elif entry.field == _KIND:
            (kind,) = varints(tensor, entry)
    return prod(dims) if dims and kind in _WEIGHTS else 0
