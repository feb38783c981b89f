from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch import ExportJob, XraybatchError

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from xraybatch_exporters.onnx import open_model, register_exporters  # noqa: E402

SIZE, CLASSES = 16, 3
EXPORTERS = {record.name: record for record in register_exporters()}
INT8, FP16 = EXPORTERS["onnx-int8"], EXPORTERS["onnx-fp16"]
LOWERED = pytest.mark.parametrize("record", [INT8, FP16], ids=lambda record: record.precision)


def build(path: Path, *, convolutions: int = 4, seed: int = 0) -> Path:
    """A model file of the form that ``onnx`` writes, with a residual sum and a heat map."""
    rng = np.random.default_rng(seed)
    nodes, weights = [], []

    def weight(name: str, values: Any) -> str:
        weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    nodes.append(helper.make_node("Cast", ["films"], ["grey"], to=TensorProto.FLOAT))
    scale = weight("scale", np.float32(1 / 64))
    nodes.append(helper.make_node("Mul", ["grey", scale], ["scaled"]))
    nodes.append(helper.make_node("Sub", ["scaled", weight("two", np.float32(2))], ["centred"]))
    nodes.append(helper.make_node("Transpose", ["centred"], ["maps0"], perm=[0, 3, 1, 2]))
    given, channels = "maps0", 1
    for i in range(convolutions):
        kernel = rng.normal(0, 1 / np.sqrt(9 * channels), (8, channels, 3, 3))
        names = [given, weight(f"w{i}", kernel.astype(np.float32))]
        names.append(weight(f"b{i}", rng.normal(0, 0.1, 8).astype(np.float32)))
        nodes.append(helper.make_node("Conv", names, [f"c{i}"], name=f"conv{i}", pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"], name=f"relu{i}"))
        given, channels = f"r{i}", 8
        if i == 2:
            nodes.append(helper.make_node("Add", ["r1", given], ["sum"], name="sum"))
            given = "sum"
    nodes.append(helper.make_node("GlobalAveragePool", [given], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["embedding"]))
    head = rng.normal(0, 2, (8, CLASSES)).astype(np.float32)
    nodes.append(helper.make_node("MatMul", ["embedding", weight("head", head)], ["logits"]))
    nodes.append(helper.make_node("Softmax", ["logits"], ["label"], axis=-1))
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("films", TensorProto.UINT8, ["batch", SIZE, SIZE, 1])],
        [
            helper.make_tensor_value_info("label", TensorProto.FLOAT, ["batch", CLASSES]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 8]),
        ],
        weights,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())
    return path


def films(count: int = 40, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 200, (count, 1, 1, 1))
    return (level + rng.integers(0, 56, (count, SIZE, SIZE, 1))).astype(np.uint8)


def job(folder: Path, **more: Any) -> ExportJob:
    given = {"onnx_file": folder / "model.onnx", "calibration": films(seed=2)} | more
    return ExportJob(folder / "out.onnx", ("label",), **given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build(tmp_path / "model.onnx")
    return tmp_path


def weights_of(path: Path) -> dict[str, np.dtype]:
    graph = onnx.load(path).graph
    return {t.name: numpy_helper.to_array(t).dtype for t in graph.initializer}


@LOWERED
def test_answers_are_near_and_stay_float32(folder: Path, record: Any) -> None:
    record.write(job(folder))
    before, after = (open_model(folder / name)(films()) for name in ("model.onnx", "out.onnx"))
    assert np.ptp(before["label"], axis=0).max() > 0.1, "no spread: nothing would be compared"
    for name in ("label", "embedding"):
        assert after[name].dtype == np.float32
        assert after[name].shape == before[name].shape
    away = np.abs(after["label"] - before["label"])
    assert 0 < away.mean() < {"int8": 0.01, "fp16": 1e-3}[record.precision]
    assert onnx.load(folder / "out.onnx").graph.input[0].type.tensor_type.elem_type == 2, "uint8"


def test_int8_quantises_what_lies_between_the_layers_and_nothing_else(folder: Path) -> None:
    INT8.write(job(folder))
    graph = onnx.load(folder / "out.onnx").graph
    producers = {output: node for node in graph.node for output in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 4
    for node in convolutions:
        assert [producers[name].op_type for name in node.input] == ["DequantizeLinear"] * 3
    kinds = weights_of(folder / "out.onnx")
    for node in convolutions:  # a scale for each of its 8 channels
        stored, scales = producers[node.input[1]].input[:2]
        assert kinds[stored] == np.int8
        values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        assert values[scales].shape == (8,)
    assert kinds["head"] == np.float32
    (sum_,) = [node for node in graph.node if node.op_type == "Add"]
    assert {producers[name].op_type for name in sum_.input} == {"DequantizeLinear"}
    (product,) = [node for node in graph.node if node.op_type in ("MatMul", "Gemm")]
    assert producers[product.input[0]].op_type == "Flatten"
    (scaling,) = [node for node in graph.node if node.op_type == "Mul"]
    assert producers[scaling.input[0]].op_type == "Cast"


def test_int8_ranges_are_those_of_the_calibration_films(folder: Path) -> None:
    seen = films(seed=2)
    INT8.write(job(folder))
    graph = onnx.load(folder / "out.onnx").graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    first = next(node for node in graph.node if node.op_type == "QuantizeLinear")
    entry = seen.astype(np.float32) / 64 - 2
    low, high = min(0.0, float(entry.min())), max(0.0, float(entry.max()))
    scale = (high - low) / 255
    assert values[first.input[1]] == pytest.approx(scale, rel=1e-6)
    assert values[first.input[2]] == round(-low / scale)
    assert values[first.input[2]].dtype == np.uint8


def test_int8_answers_a_film_whatever_else_is_in_its_batch(folder: Path) -> None:
    INT8.write(job(folder))
    predict = open_model(folder / "out.onnx")
    whole = predict(films())["label"]
    for size in (1, 2, 7):
        for begin in (0, 5, 20):
            part = predict(films()[begin : begin + size])["label"]
            assert np.array_equal(part, whole[begin : begin + size])


@LOWERED
def test_layers_stay_in_float_where_they_are_told_to(folder: Path, record: Any) -> None:
    names = record.layers(job(folder))
    assert names == [f"conv{i}" for i in range(4)], "the output's own product is none of them"
    record.write(job(folder, in_float=("conv0", "conv1")))
    kinds = weights_of(folder / "out.onnx")
    assert kinds["w0"] == kinds["w1"] == np.float32
    assert np.float32 not in {kind for name, kind in kinds.items() if name.startswith("w3")}
    record.write(job(folder, in_float=tuple(names)))
    before, after = (
        open_model(folder / name)(films())["label"] for name in ("model.onnx", "out.onnx")
    )
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_fp16_computes_layers_in_half_and_the_rest_in_float(folder: Path) -> None:
    FP16.write(job(folder))
    kinds = weights_of(folder / "out.onnx")
    assert all(kinds[f"w{i}/half"] == np.float16 for i in range(4))
    assert kinds["head"] == np.float32
    assert kinds["scale"] == np.float32
    assert not [name for name in kinds if name in {f"w{i}" for i in range(4)}]


@LOWERED
def test_the_same_inputs_give_the_same_bytes(folder: Path, record: Any) -> None:
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from xraybatch import ExportJob\n"
        "from xraybatch_exporters.onnx import register_exporters\n"
        "source, target, films, name = sys.argv[1:]\n"
        "(record,) = [r for r in register_exporters() if r.name == name]\n"
        "films = np.load(films)\n"
        "job = ExportJob(Path(target), ('label',), onnx_file=Path(source), calibration=films)\n"
        "record.write(job)\n"
    )
    np.save(folder / "films.npy", films(seed=2))
    digests = set()
    for seed in ("1", "2"):
        target = folder / f"out{seed}.onnx"
        command = [sys.executable, "-c", code, str(folder / "model.onnx"), str(target)]
        more = [str(folder / "films.npy"), record.name]
        done = subprocess.run(
            [*command, *more],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert (done.stdout, done.stderr) == ("", "")
        digests.add(hashlib.sha256(target.read_bytes()).hexdigest())
    record.write(job(folder, work=folder))  # what was measured may be kept: it changes nothing
    record.write(job(folder, work=folder))
    digests.add(hashlib.sha256((folder / "out.onnx").read_bytes()).hexdigest())
    assert len(digests) == 1


@LOWERED
def test_a_file_that_is_no_graph_or_has_no_layer(tmp_path: Path, record: Any) -> None:
    (tmp_path / "model.onnx").write_bytes(b"this is no graph" * 64)
    with pytest.raises(XraybatchError, match="cannot be read as a graph"):
        record.write(job(tmp_path))
    build(tmp_path / "model.onnx", convolutions=0)
    with pytest.raises(XraybatchError, match="no layer that could be computed"):
        record.write(job(tmp_path))
    assert not (tmp_path / "out.onnx").exists()


def test_int8_needs_films_to_measure_on(folder: Path) -> None:
    with pytest.raises(XraybatchError, match="no training films to measure"):
        INT8.write(job(folder, calibration=None))
