"""Any number of films at once, for a graph that was exported for a fixed number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import ModelError
from xraybatch.training.adoption.foreign import Foreign, load_onnx
from xraybatch.training.adoption.front import BATCH
from xraybatch.training.adoption.graph import Facts
from xraybatch.training.adoption.original import Network

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEAR = 1e-4  # of the largest answer: between one batch and another, rounding differs


def any_batch(foreign: Foreign, facts: Facts, pictures: NDArray[Any]) -> tuple[Any, str]:
    """The graph for batches of any size; where it is for one only, opened and tried.

    Parameters
    ----------
    foreign : Foreign
    facts : Facts
    pictures : ndarray
        Prepared for the network; at least 4, and a multiple of its batch.

    Returns
    -------
    onnx.ModelProto
    str
        What was done, for the card.

    Raises
    ------
    ModelError
        If the graph answers otherwise, or not at all, when it is given more pictures.
    """
    fixed = facts.shape[0]
    if fixed is None:
        return foreign.proto, "any"
    expected = Network(foreign.content, foreign.path.name, facts).answers(pictures, fixed)
    reason = ""
    for made in _tries(foreign.proto, facts, fixed):
        try:
            network = Network(made.SerializeToString(), foreign.path.name, facts)
            found = [network.answers(pictures[: 4 * size], size) for size in (1, 4)]
        except ModelError as error:
            reason = error.message
            continue
        worst = max(_difference(answers, expected[: len(answers)]) for answers in found)
        if worst <= _NEAR:
            return made, f"exported for {fixed}, opened to any; 1 and 4 give the same answers"
        reason = f"with 4 its answers differ by {worst:.2g} of the largest"
    raise ModelError(
        f"{foreign.path.name} is for batches of {fixed} only, and cannot be opened: {reason}",
        "Export it with an open batch: dynamic=True (Ultralytics), dynamic_axes or dynamic_shapes "
        "(torch), a first size of None (tf2onnx).",
    )


def _difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    if ours.shape != theirs.shape or not np.isfinite(ours).all():
        return float("inf")
    largest = max(float(np.abs(theirs).max()), 1e-6)
    return float(np.abs(ours - theirs).max()) / largest


def _tries(proto: Any, facts: Facts, fixed: int) -> Iterator[Any]:
    """Ways to open the batch, the one that changes least first."""
    opened = _open_sizes(proto, facts)
    yield opened
    yield _open_reshapes(opened, fixed)


def _open_sizes(proto: Any, facts: Facts) -> Any:
    """The first size of the picture and of all outputs is open."""
    made = load_onnx().ModelProto()
    made.CopyFrom(proto)
    pictures = [value for value in made.graph.input if value.name == facts.input]
    for value in [*pictures, *made.graph.output]:
        sizes = value.type.tensor_type.shape.dim
        if len(sizes):
            sizes[0].dim_param = BATCH
    del made.graph.value_info[:]
    return made


def _open_reshapes(made: Any, fixed: int) -> Any:
    """As well, a reshape to a form that begins with the batch takes that size from its input."""
    onnx = load_onnx()
    forms = {tensor.name: tensor for tensor in made.graph.initializer}
    for node in made.graph.node:
        if node.op_type == "Constant" and [a.name for a in node.attribute] == ["value"]:
            forms[node.output[0]] = node.attribute[0].t
    for number, node in enumerate(made.graph.node):
        if node.op_type != "Reshape" or len(node.input) < 2 or node.input[1] not in forms:
            continue
        if node.input[0] in forms:
            continue
        form = np.array(onnx.numpy_helper.to_array(forms[node.input[1]]))
        if form.ndim == 1 and len(form) and form[0] == fixed and 0 not in form:
            form[0] = 0  # as in the input, unless zeros are meant as they stand
            kept = [a for a in node.attribute if a.name != "allowzero"]
            del node.attribute[:]
            node.attribute.extend(kept)
            name = f"open.{number}.{node.input[1]}"
            made.graph.initializer.append(onnx.numpy_helper.from_array(form, name))
            node.input[1] = name
    return made
