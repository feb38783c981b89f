"""Keras to the model file, through tf2onnx.

A graph has one input, ``films``, whatever the network hides; four things that go wrong on the way
are met here, each where it happens.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from xraybatch import ExportJob, XraybatchError
from xraybatch_exporters.onnx import INPUT, OPSET

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = "batch"


def write(job: ExportJob) -> None:
    """Write the Keras model of a job as an ONNX file without metadata.

    Raises
    ------
    XraybatchError
        If an operation has no ONNX form, or the graph asks for anything but ``films``.
    """
    import onnx

    proto = to_proto(job.keras_model, job.outputs)
    asked = [entry.name for entry in proto.graph.input]
    if asked != [INPUT]:
        raise XraybatchError(
            f"The exported graph asks for {', '.join(asked)}, not for '{INPUT}' alone.",
            "Some layer feeds itself from outside; write it with Keras layers or numpy constants.",
        )
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise _no_onnx_form(error) from error
    job.target.write_bytes(proto.SerializeToString(deterministic=True))


def to_proto(model: Any, outputs: tuple[str, ...]) -> Any:
    """The model as an ``onnx.ModelProto`` with input ``films`` and the named outputs, in order."""
    import tensorflow as tf

    spec = [tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.uint8, name=INPUT)]

    def answer(films: Any) -> dict[str, Any]:
        given = model(films, training=False)  # no dropout, no augmentation, stored statistics
        return {name: tf.identity(given[name]) for name in outputs}

    with _quiet(), _plain_depthwise(model):
        function = tf.function(answer, input_signature=spec)
        constants = _captured(function.get_concrete_function())
        proto = _convert(function, spec)
    graph = proto.graph
    _make_initialisers(graph, constants)
    _order_outputs(graph, outputs)
    for value in [*graph.input, *graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    del proto.metadata_props[:]
    del graph.value_info[:]
    return proto


def _convert(function: Any, spec: list[Any]) -> Any:
    import tf2onnx

    def convert() -> Any:
        return tf2onnx.convert.from_function(function, input_signature=spec, opset=OPSET)[0]

    _teach_erfc()
    try:
        with _without_copies():
            return convert()
    except Exception:
        try:
            return convert()  # leaves out what fails of the simplification
        except Exception as error:
            raise _no_onnx_form(error) from error


def _no_onnx_form(error: Exception) -> XraybatchError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return XraybatchError(
        f"The network has no ONNX form: {lines[0][:200]}",
        "An operation in it is not known to tf2onnx; replace the layer that makes it.",
    )


def _captured(concrete: Any) -> dict[str, NDArray[Any]]:
    """Eager tensors that the network holds: tf2onnx would make each an input of the file."""
    import tensorflow as tf

    return {
        placeholder.name: tensor.numpy()
        for tensor, placeholder in concrete.graph.captures
        if tensor.dtype != tf.resource  # variables are inlined as they should be
    }


def _make_initialisers(graph: Any, constants: Mapping[str, NDArray[Any]]) -> None:
    from onnx import numpy_helper

    for entry in [entry for entry in graph.input if entry.name in constants]:
        graph.initializer.append(numpy_helper.from_array(constants[entry.name], entry.name))
        graph.input.remove(entry)


def _order_outputs(graph: Any, outputs: tuple[str, ...]) -> None:
    """Put the outputs in the order that was asked for; TensorFlow sorts a dict by its keys."""
    by_name = {output.name: output for output in graph.output}
    del graph.output[:]
    graph.output.extend([by_name[name] for name in outputs])


def _teach_erfc() -> None:
    """Exact GELU is ``Erfc`` in TensorFlow, and tf2onnx has no word for it: 1 - erf(x)."""
    import numpy as np
    import tf2onnx
    from tf2onnx.handler import tf_op

    class Erfc:
        @classmethod
        def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:
            source, target = node.input[0], node.output[0]
            kind = {"shapes": [ctx.get_shape(target)], "dtypes": [ctx.get_dtype(target)]}
            ctx.remove_node(node.name)
            one = ctx.make_const(tf2onnx.utils.make_name("one"), np.float32(1)).output[0]
            erf = ctx.make_node("Erf", [source], **kind).output[0]
            ctx.make_node("Sub", [one, erf], outputs=[target], **kind)

    tf_op("Erfc")(Erfc)


@contextmanager
def _without_copies() -> Iterator[None]:
    """Let tf2onnx simplify the graph in place, and raise when a step fails.

    Otherwise it keeps a copy, weights and all, from before each step. It also writes every weight
    into its protobuf again after each step, and protobuf gives nothing back before the end: a
    constant is written only if it is another than before. For ResNet101, of 171 MB, the process
    then takes 3.8 GB and not 6.7.
    """
    from tf2onnx.constants import ENV_TF2ONNX_CATCH_ERRORS as SETTING
    from tf2onnx.graph import Node

    written: WeakKeyDictionary[Any, tuple[Any, list[str]]] = WeakKeyDictionary()
    plain = Node.update_proto

    def update_proto(node: Any, external_tensor_storage: Any = None) -> None:
        if node.is_const():
            value, names = written.get(node, (None, []))
            if value is node.get_attr("value") and names == node.output:
                return
            written[node] = node.get_attr("value"), list(node.output)
        plain(node, external_tensor_storage)

    before = os.environ.get(SETTING)
    os.environ[SETTING] = "FALSE"
    Node.update_proto = update_proto
    try:
        yield
    finally:
        Node.update_proto = plain
        del os.environ[SETTING]
        if before is not None:
            os.environ[SETTING] = before


@contextmanager
def _plain_depthwise(model: Any) -> Iterator[None]:
    """Let convolutions of one group a channel use TensorFlow's own operation while converting.

    Keras computes grouped convolutions on a CPU in a compiled function that tf2onnx cannot open.
    """
    import tensorflow as tf

    changed = []
    for layer in _layers(model):
        if type(layer).__name__ == "Conv2D" and 1 < layer.groups == layer.filters:
            if layer.kernel.shape[2] != 1:
                continue
            strides, dilation = (1, *layer.strides, 1), layer.dilation_rate
            padding = layer.padding.upper()

            def convolve(
                x: Any, kernel: Any, s: Any = strides, p: str = padding, d: Any = dilation
            ) -> Any:
                # (h, w, 1, channels) in Keras, (h, w, channels, 1) in TensorFlow
                return tf.nn.depthwise_conv2d(
                    x, tf.transpose(kernel, (0, 1, 3, 2)), s, p, dilations=d
                )

            layer.convolution_op = convolve
            changed.append(layer)
    try:
        yield
    finally:
        for layer in changed:
            del layer.convolution_op  # the method of its class is seen again


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _layers(layer)


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("tf2onnx")
    before = logger.level
    logger.setLevel(logging.CRITICAL)  # what fails is raised
    try:
        yield
    finally:
        logger.setLevel(before)
