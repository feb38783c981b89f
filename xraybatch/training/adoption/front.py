"""A new front and a new end for a foreign graph: uint8 films in, probabilities out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from xraybatch.core.tasks import TaskKind
from xraybatch.models.session import INPUT
from xraybatch.training.adoption.asked import LOG_PROBABILITIES, LOGITS, RANGES
from xraybatch.training.adoption.decide import Plan
from xraybatch.training.adoption.foreign import graphs, load_onnx
from xraybatch.training.adoption.graph import TYPES, Facts

BATCH = "batch"
_OURS = "adopted."  # begins the names of tensors that are made here
_FIRST_IR = 4  # from here on, initialisers need not be inputs too
_SLICE_TAKES_INPUTS = 10  # opset


def with_front(proto: Any, facts: Facts, plan: Plan, opset: int) -> Any:
    """A model whose input is ``films`` and whose one output is the task's probabilities.

    Nothing of the file stays but the graph itself: no metadata, no words of its author, no lines
    of source code that exporters write beside nodes.

    Parameters
    ----------
    proto : onnx.ModelProto
        With any batch; not changed.
    facts : Facts
    plan : Plan
    opset : int

    Returns
    -------
    onnx.ModelProto
    """
    onnx = load_onnx()
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    graph = made.graph
    assert facts.output is not None
    names = _free_names(graph, {INPUT, plan.task.name}, _OURS)
    picture, answer = names.get(facts.input, facts.input), names.get(facts.output, facts.output)
    writer = _Writer(onnx)
    _front(writer, facts, plan, picture, opset)
    _end(writer, plan, answer, single=_is_single(facts, plan))
    split = writer.nodes.index(None)  # the foreign nodes stand between the two
    front, end = writer.nodes[:split], writer.nodes[split + 1 :]
    middle = list(graph.node)
    del graph.node[:]
    graph.node.extend([*front, *middle, *end])
    graph.initializer.extend(writer.initialisers)
    del graph.input[:], graph.output[:], graph.value_info[:], graph.quantization_annotation[:]
    rule = plan.rule
    value = onnx.helper.make_tensor_value_info
    kinds = onnx.TensorProto
    graph.input.append(value(INPUT, kinds.UINT8, [BATCH, rule.height, rule.width, 1]))
    graph.output.append(value(plan.task.name, kinds.FLOAT, [BATCH, len(plan.task.classes)]))
    made.ir_version = max(made.ir_version, _FIRST_IR)
    _strip(made)
    return made


def _front(writer: _Writer, facts: Facts, plan: Plan, picture: str, opset: int) -> None:
    """Cast, middle, range, channels, mean and std, layout: as `original.prepare` does by hand."""
    films = INPUT
    rule = plan.rule
    if (rule.height, rule.width) != (plan.height, plan.width):
        top = round((rule.height - plan.height) / 2)
        left = round((rule.width - plan.width) / 2)
        begin, end = [top, left], [top + plan.height, left + plan.width]
        if opset >= _SLICE_TAKES_INPUTS:
            parts = [writer.number(np.array(v, np.int64)) for v in (begin, end, [1, 2])]
            films = writer.node("Slice", [films, *parts])
        else:
            films = writer.node("Slice", [films], starts=begin, ends=end, axes=[1, 2])
    values = writer.node("Cast", [films], to=writer.onnx.TensorProto.FLOAT)
    by, plus = RANGES[plan.range]
    if by != 1:
        values = writer.node("Div", [values, writer.number(np.float32(by))])
    if plus:
        values = writer.node("Add", [values, writer.number(np.float32(plus))])
    if plan.channels > 1:
        values = writer.node("Concat", [values] * plan.channels, axis=3)
    if plan.mean:
        values = writer.node("Sub", [values, writer.number(np.array(plan.mean, np.float32))])
    if plan.std:
        values = writer.node("Div", [values, writer.number(np.array(plan.std, np.float32))])
    if plan.layout == "nchw":
        values = writer.node("Transpose", [values], perm=[0, 3, 1, 2])
    kind = next(number for number, name in TYPES.items() if name == facts.type)
    writer.node("Cast", [values], picture, to=kind)
    writer.nodes.append(None)


def _end(writer: _Writer, plan: Plan, answer: str, *, single: bool) -> None:
    """Form, float32, softmax or sigmoid, both classes: as `original.probabilities` by hand."""
    columns = 1 if single else len(plan.task.classes)
    values = writer.node("Reshape", [answer, writer.number(np.array([-1, columns], np.int64))])
    values = writer.node("Cast", [values], to=writer.onnx.TensorProto.FLOAT)
    if plan.answers == LOG_PROBABILITIES:
        values = writer.node("Exp", [values])
    elif plan.answers == LOGITS and (single or plan.task.kind is TaskKind.MULTILABEL):
        values = writer.node("Sigmoid", [values])
    elif plan.answers == LOGITS:
        values = writer.node("Softmax", [values], axis=1)
    if single:
        other = writer.node("Sub", [writer.number(np.float32(1)), values])
        values = writer.node("Concat", [other, values], axis=1)
    writer.node("Identity", [values], plan.task.name)


def _is_single(facts: Facts, plan: Plan) -> bool:
    return plan.task.kind is TaskKind.BINARY and facts.classes == 1


class _Writer:
    """Nodes and constants with names of their own."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.initialisers: list[Any] = []

    def node(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Append a node; the name of its output."""
        name = f"{_OURS}{len(self.nodes)}"
        output = output or name
        made = self.onnx.helper.make_node(operator, inputs, [output], name=name, **attributes)
        self.nodes.append(made)
        return output

    def number(self, value: Any) -> str:
        """Add a constant; its name."""
        name = f"{_OURS}constant{len(self.initialisers)}"
        self.initialisers.append(self.onnx.numpy_helper.from_array(np.asarray(value), name))
        return name


def _free_names(graph: Any, taken: set[str], prefix: str) -> Mapping[str, str]:
    """Rename tensors and nodes that are called as ours will be; old names to new ones."""
    found = {name for one in graphs(graph) for name in _names(one)}
    new: dict[str, str] = {}
    for name in sorted(found):
        if name in taken or name.startswith(prefix):
            other = f"foreign.{name}"
            while other in found or other in new.values():
                other = f"foreign.{other}"
            new[name] = other
    if new:
        for one in graphs(graph):
            _rename(one, new)
    return new


def _names(graph: Any) -> set[str]:
    values = [*graph.input, *graph.output, *graph.initializer]
    found = {value.name for value in values}
    found |= {sparse.values.name for sparse in graph.sparse_initializer}
    for node in graph.node:
        found.update(node.input, node.output, [node.name])
    return found - {""}


def _rename(graph: Any, new: Mapping[str, str]) -> None:
    sparse = [one.values for one in graph.sparse_initializer]
    for value in [*graph.input, *graph.output, *graph.initializer, *sparse]:
        value.name = new.get(value.name, value.name)
    for node in graph.node:
        node.name = new.get(node.name, node.name)
        for names in (node.input, node.output):
            names[:] = [new.get(name, name) for name in names]


def _strip(proto: Any) -> None:
    """Leave out everything that is not computed."""
    del proto.metadata_props[:], proto.functions[:], proto.training_info[:]
    proto.producer_name, proto.producer_version = "xraybatch adopt", ""
    proto.domain, proto.doc_string, proto.model_version = "", "", 0
    for graph in graphs(proto.graph):
        graph.doc_string = ""
        del graph.metadata_props[:]
        if graph is not proto.graph:
            del graph.value_info[:]
        sparse = [one.values for one in graph.sparse_initializer]
        for part in [*graph.input, *graph.output, *graph.initializer, *sparse, *graph.node]:
            part.doc_string = ""
            if hasattr(part, "metadata_props"):
                del part.metadata_props[:]
    used = {node.domain or "" for graph in graphs(proto.graph) for node in graph.node}
    kept = [
        entry
        for entry in proto.opset_import
        if entry.domain in ("", "ai.onnx") or entry.domain in used
    ]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
