"""Films with one bright place, and a network of no training that answers by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.images.rule import DecodingRule
from xraybatch.models.card import Card, TaskCard
from xraybatch.models.seal import write_sealed

SPOT = Task("label", TaskKind.BINARY, ("clear", "spot"), "spot")
GREY, BRIGHT = 60, 250


@pytest.fixture(scope="session")
def spot_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A sealed model of 64 × 48: the brightest 8 × 8 places say 'spot'; ``cam.label`` on demand."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("spot")

    def make(name: str, *, cam: bool = False, resize: str = "stretch", **changes: Any) -> Path:
        node = helper.make_node
        nodes = [
            node("Cast", ["films"], ["f"], to=TensorProto.FLOAT),
            node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]),
            node("AveragePool", ["t"], ["pooled"], kernel_shape=[8, 8], strides=[4, 4]),
            node("Mul", ["pooled", "scale"], ["spots"]),
            node("Conv", ["spots", "sign"], ["both"]),
            node("Transpose", ["both"], ["cam.label"], perm=[0, 2, 3, 1]),
            node("ReduceMax", ["spots"], ["most"], axes=[1, 2, 3], keepdims=0),
            node("Unsqueeze", ["most", "one"], ["column"]),
            node("MatMul", ["column", "row"], ["products"]),
            node("Sub", ["products", "middle"], ["logits"]),
            node("Softmax", ["logits"], ["label"], axis=-1),
        ]
        values = {
            "scale": np.float32(0.05),
            "sign": np.array([-1, 1], np.float32).reshape(2, 1, 1, 1),
            "one": np.array([1], np.int64),
            "row": np.array([[-1, 1]], np.float32),
            "middle": np.array([[-7, 7]], np.float32),
        }
        outputs = [helper.make_tensor_value_info("label", TensorProto.FLOAT, ["batch", 2])]
        if cam:
            shape = ["batch", 15, 11, 2]
            outputs.append(helper.make_tensor_value_info("cam.label", TensorProto.FLOAT, shape))
        graph = helper.make_graph(
            nodes if cam else [n for n in nodes if n.output[0] not in ("both", "cam.label")],
            "spot",
            [helper.make_tensor_value_info("films", TensorProto.UINT8, ["batch", 64, 48, 1])],
            outputs,
            [numpy_helper.from_array(np.asarray(v), n) for n, v in values.items()],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(proto)
        card = Card((TaskCard(SPOT),), DecodingRule(64, 48, resize), name=name, **changes)
        target = folder / f"{name}.onnx"
        write_sealed(proto.SerializeToString(), card.to_json(), target)
        return target

    return make


@pytest.fixture
def write_spot(tmp_path: Path) -> Callable[..., Path]:
    """A grey film with a bright square, its middle and side as shares of the upright film."""

    def write(
        rows: int,
        columns: int,
        middle: tuple[float, float],
        orientation: int = 1,
        side: float = 0.2,
    ) -> Path:
        pixels = np.full((rows, columns), GREY, np.uint8)
        half = side * min(rows, columns) / 2
        y, x = np.mgrid[:rows, :columns] + 0.5
        pixels[(abs(y - middle[0] * rows) < half) & (abs(x - middle[1] * columns) < half)] = BRIGHT
        image = Image.fromarray(pixels)
        exif = Image.Exif()
        if orientation == 6:  # what is shown upright was stored turned to the left
            image = image.transpose(Image.Transpose.ROTATE_90)
            exif[0x0112] = 6
        path = tmp_path / f"spot-{rows}-{columns}-{orientation}.jpg"
        image.save(path, quality=95, exif=exif)
        return path

    return write
