"""Reading a file from a stranger: bounded, alone, and of standard operators only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xraybatch.core.errors import MissingExtra, ModelError
from xraybatch.models.seal import CARD_KEY

LARGEST = (1 << 31) - 1  # bytes: what a protobuf message can hold
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
_FIRST_OPSET = 7  # broadcasting as it is today
# another answer each time, or one that depends on the other films of a batch
_UNSTEADY = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"}
    | {"Bernoulli", "DynamicQuantizeLinear"}
)
_LONGEST = 200  # characters of a text from the file that is kept or shown


@dataclass(frozen=True)
class Foreign:
    """A foreign file that was looked through.

    Attributes
    ----------
    path : Path
    content : bytes
    sha256 : str
    proto : onnx.ModelProto
        Its content, parsed.
    opset : int
        Of the standard operators.
    metadata : mapping of str to str
        As the file has it: not to be trusted, and of any length.
    """

    path: Path
    content: bytes
    sha256: str
    proto: Any
    opset: int
    metadata: Mapping[str, str]

    @property
    def producer(self) -> str:
        """Which program wrote it, in its own words; empty where it does not say."""
        return plain(f"{self.proto.producer_name} {self.proto.producer_version}")


def read_foreign(path: Path) -> Foreign:
    """Read an ONNX file and refuse what no model file of ours may hold.

    Raises
    ------
    MissingExtra
        If the package ``onnx`` is not installed.
    ModelError
        If it is no ONNX file, one of ours, too large, keeps weights elsewhere, has operators that
        are not of the standard, or answers that depend on chance.
    """
    onnx = load_onnx()
    content = _content(path)
    if not content:
        raise ModelError(f"{path} is empty: no ONNX file.", "Export it again.")
    try:
        proto = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's, or one of its C++ part
        raise ModelError(
            f"{path} is no ONNX file, or was cut or damaged.", "Copy or export it again."
        ) from error
    opset = _opset(path, proto)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    if CARD_KEY in metadata:
        raise ModelError(
            f"{path} is a model of xraybatch already.", "Use it as it is: predict --model FILE."
        )
    _check_alone(path, proto)
    _check_operators(path, proto)
    try:
        onnx.checker.check_model(proto)
    except Exception as error:
        raise ModelError(
            f"{path} is no valid ONNX graph: {plain(str(error))}",
            "Export it again, with an operator set that `xraybatch doctor`'s onnxruntime knows.",
        ) from error
    return Foreign(path, content, hashlib.sha256(content).hexdigest(), proto, opset, metadata)


def load_onnx() -> Any:
    """The package ``onnx``, which the base installation does without.

    Raises
    ------
    MissingExtra
        If it is not installed.
    """
    try:
        import onnx
        import onnx.checker
    except ImportError as error:
        raise MissingExtra(
            f"Adopting a model needs the package onnx, and {error.name or 'it'} is not installed.",
            "Install it with: pip install 'xraybatch[adopt]'",
        ) from error
    return onnx


def graphs(graph: Any) -> Iterator[Any]:
    """A graph and those inside its nodes (branches and loops), the outer one first."""
    waiting = [graph]
    while waiting:
        one = waiting.pop()
        yield one
        for node in one.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)


def plain(text: str) -> str:
    """A text of the file as it may be shown: one line, printable, not long."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(shown.split())[:_LONGEST]


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ModelError(f"{path} is a folder, not an ONNX file.", "Check its path.")
        if path.exists() and not path.is_file():
            raise ModelError(f"{path} is no regular file.", "Check its path.")
        if (size := path.stat().st_size) > LARGEST:
            raise ModelError(
                f"{path} has {size / 1e9:.1f} GB; a model in one file has 2.1 at most.",
                "Export it with weights in half precision.",
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"There is no file {path}.", "Check its path.") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from None


def _opset(path: Path, proto: Any) -> int:
    if not proto.graph.node:
        raise ModelError(f"{path} holds no graph: it is no ONNX model.", "Check its path.")
    found = [entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")]
    if len(found) != 1:
        raise ModelError(f"{path} does not say its operator set.", "Export it again.")
    if found[0] < _FIRST_OPSET:
        raise ModelError(
            f"{path} is of operator set {found[0]}, of long ago; {_FIRST_OPSET} or newer is read.",
            "Convert it with onnx.version_converter, or export it again with opset 17.",
        )
    return int(found[0])


def _check_alone(path: Path, proto: Any) -> None:
    """Refuse weights in other files: their paths may lead anywhere, and no seal covers them."""
    for graph in graphs(proto.graph):
        if any(_elsewhere(tensor) for tensor in _tensors(graph)):
            raise ModelError(
                f"{path} keeps weights in other files, which are not read and no seal covers.",
                "Save it as one file: onnx.save(onnx.load(path), new, save_as_external_data=False)",
            )


def _elsewhere(tensor: Any) -> bool:
    return bool(tensor.data_location == 1 or tensor.external_data)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _check_operators(path: Path, proto: Any) -> None:
    own = {(function.domain, function.name) for function in proto.functions}
    for graph in graphs(proto.graph):
        for node in graph.node:
            if (node.domain, node.op_type) in own:
                raise ModelError(
                    f"{path} calls functions of its own ('{plain(node.op_type)}').",
                    "Write them out: onnx.save(onnx.inliner.inline_local_functions("
                    "onnx.load(path)), new).",
                )
            if node.domain not in _DOMAINS:
                raise ModelError(
                    f"{path} uses the operator '{plain(node.op_type)}' of "
                    f"'{plain(node.domain)}', which is not of the ONNX standard.",
                    "Export it without custom operators and without a runtime's optimisations.",
                )
            if node.op_type in _UNSTEADY:
                why = (
                    "its answer to a film would depend on the other films of the batch"
                    if node.op_type == "DynamicQuantizeLinear"
                    else "its answers would be drawn at random"
                )
                raise ModelError(
                    f"{path} uses {node.op_type}: {why}.",
                    "Quantise it statically, or not."
                    if node.op_type == "DynamicQuantizeLinear"
                    else "Export it in inference mode (model.eval(), training=False).",
                )
