"""What adopting reads, asks for, refuses and writes, on graphs made by hand."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xraybatch
from xraybatch.core.errors import (
    BarMissed,
    InputError,
    MissingExtra,
    ModelError,
    UsageError,
    XraybatchError,
)
from xraybatch.models.model import load_model
from xraybatch.models.session import Session
from xraybatch.training.adoption import foreign
from xraybatch.training.gate import BATCH_SIZES

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'xraybatch[adopt]'")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SIDE = 16
Make = Callable[..., Path]
SAID: dict[str, Any] = {"preset": "imagenet", "resize": "stretch"}
THREE: dict[str, Any] = {**SAID, "classes": ["a", "b", "c"], "task": "label:multiclass"}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a linear network of pooled pixels, with one end or another."""

    def write(
        *,
        classes: int = 3,
        end: str = "",
        layout: str = "nchw",
        channels: int = 3,
        batch: Any = "n",
        sides: tuple[Any, Any] = (SIDE, SIDE),
        names: tuple[str, str] = ("input", "output"),
        metadata: dict[str, str] | None = None,
        opset: int = 17,
        half: bool = False,
        change: Callable[[Any], None] | None = None,
    ) -> Path:
        rng = np.random.default_rng(classes)
        kind = np.float16 if half else np.float32
        number = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        asked, answer = names
        pooled = channels * 16
        weight = rng.normal(0, 1.5, (pooled, classes)).astype(kind)
        nodes = []
        picture = asked
        if layout == "nhwc":
            nodes.append(helper.make_node("Transpose", [asked], ["t"], perm=[0, 3, 1, 2]))
            picture = "t"
        nodes += [
            helper.make_node(
                "AveragePool", [picture], ["pool"], kernel_shape=[4, 4], strides=[4, 4]
            ),
            helper.make_node("Flatten", ["pool"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "w"], ["scores" if end else answer]),
        ]
        if end:
            axis = {"axis": 1} if "oftmax" in end else {}
            nodes.append(helper.make_node(end, ["scores"], [answer], **axis))
        form = [batch, channels, *sides] if layout == "nchw" else [batch, *sides, channels]
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info(asked, number, form)],
            [helper.make_tensor_value_info(answer, number, [batch, classes])],
            [numpy_helper.from_array(weight, "w")],
        )
        proto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
        for key, value in (metadata or {}).items():
            proto.metadata_props.add(key=key, value=value)
        if change:
            change(proto)
        path = tmp_path / "foreign.onnx"
        path.write_bytes(proto.SerializeToString())
        return path

    return write


def reference(
    film: np.ndarray, classes: int, *, mean: Any, std: Any, by: float = 255, plus: float = 0
) -> np.ndarray:
    """The scores of `make`'s network of one film, three channels, in float64."""
    weight = np.random.default_rng(classes).normal(0, 1.5, (48, classes)).astype(np.float32)
    grey = film[..., 0].astype(np.float64) / by + plus
    pooled = grey.reshape(4, 4, 4, 4).mean(axis=(1, 3)).ravel()
    flat = np.concatenate([(pooled - m) / s for m, s in zip(mean, std, strict=True)])
    return flat @ weight.astype(np.float64)


def films(count: int = 5) -> np.ndarray:
    rng = np.random.default_rng(3)
    blocks = rng.integers(0, 256, (count, 4, 4, 1), np.uint8)
    return blocks.repeat(4, axis=1).repeat(4, axis=2)


def predict(path: Path) -> np.ndarray:
    model = load_model(path)
    (entry,) = model.card.tasks
    return Session(model, device="cpu").predict(films())[entry.task.name]


@pytest.mark.parametrize(
    ("said", "mean", "std", "by", "plus"),
    [
        ({"preset": "imagenet"}, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 255, 0),
        ({"preset": "timm-inception"}, (0.5,) * 3, (0.5,) * 3, 255, 0),
        ({"preset": "keras-caffe"}, (103.939, 116.779, 123.68), (1,) * 3, 1, 0),
        ({"preset": "none", "range": "0-1"}, (0,) * 3, (1,) * 3, 255, 0),
        ({"preset": "none", "range": "-1-1"}, (0,) * 3, (1,) * 3, 127.5, -1),
        ({"range": "0-255", "mean": 100, "std": (50, 60, 70)}, (100,) * 3, (50, 60, 70), 1, 0),
        (
            {"range": "0-1", "mean": (0.1, 0.2, 0.3), "std": 0.5},
            (0.1, 0.2, 0.3),
            (0.5,) * 3,
            255,
            0,
        ),
    ],
)
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_films_reach_the_network_as_was_said(
    make: Make,
    tmp_path: Path,
    said: dict[str, Any],
    mean: Any,
    std: Any,
    by: Any,
    plus: Any,
    layout: str,
) -> None:
    given = {"resize": "stretch", "classes": ["a", "b", "c"], "task": "label:multiclass", **said}
    # of 0-255 without a std the scores are large: a sure network
    xraybatch.adopt(make(layout=layout), out=tmp_path / "m.onnx", **given)
    scores = [reference(film, 3, mean=mean, std=std, by=by, plus=plus) for film in films()]
    powers = np.exp(np.array(scores) - np.max(scores, axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert np.abs(predict(tmp_path / "m.onnx") - expected).max() < 2e-4


@pytest.mark.parametrize(
    ("classes", "end", "said", "kind"),
    [
        (3, "Softmax", {"classes": "abc"}, "multiclass"),
        (3, "LogSoftmax", {"classes": "abc"}, "multiclass"),
        (3, "Sigmoid", {"classes": "abc"}, "multilabel"),
        (3, "", {"classes": "abc", "task": "label:multilabel"}, "multilabel"),
        (3, "", {"task": "grade:ordinal=a,b,c"}, "ordinal"),
        (2, "Softmax", {"classes": ["normal", "ill"]}, "binary"),
        (1, "Sigmoid", {"classes": ["normal", "ill"]}, "binary"),
        (1, "", {"classes": ["normal", "ill"], "positive": "ill"}, "binary"),
        (1, "Sigmoid", {"classes": ["fracture"]}, "multilabel"),
    ],
)
def test_what_a_graph_ends_in_says_what_its_numbers_are(
    make: Make, tmp_path: Path, classes: int, end: str, said: dict[str, Any], kind: str
) -> None:
    done = xraybatch.adopt(
        make(classes=classes, end=end), out=tmp_path / "m.onnx", **{**SAID, **said}
    )
    (entry,) = done.card.tasks
    assert entry.task.kind == kind
    ways = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    scores = np.array([reference(film, classes, **ways) for film in films()])
    if kind == "multilabel" or classes == 1:
        expected = 1 / (1 + np.exp(-scores))
    else:
        expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    if kind == "binary" and classes == 1:
        expected = np.concatenate([1 - expected, expected], axis=1)
    found = predict(tmp_path / "m.onnx")
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 2e-4


def test_the_card_says_who_said_what(make: Make, tmp_path: Path) -> None:
    path = make()
    done = xraybatch.adopt(
        path, out=tmp_path / "m.onnx", **THREE, name="knees", source="a lab", licence="MIT"
    )
    card = load_model(done.path).card
    assert card == done.card
    assert card.name == "knees"
    assert card.origin["sha256"] == foreign.hashlib.sha256(path.read_bytes()).hexdigest()
    assert (card.origin["kind"], card.origin["file"]) == ("adopted", "foreign.onnx")
    assert (card.origin["source"], card.origin["licence"]) == ("a lab", "MIT")
    by = {what: one["by"] for what, one in card.origin["said"].items()}
    assert by["layout"] == by["size"] == by["channels"] == by["outputs"] == "read from the graph"
    assert by["classes"] == by["resize"] == "given by option"
    assert by["range"] == by["mean"] == by["std"] == "--preset imagenet"
    assert card.parity["reference"] == "the original"
    assert card.parity["batch_sizes"] == list(BATCH_SIZES)
    assert card.parity["films"] == 32
    assert card.self_test is not None
    assert card.precision == {"format": "fp32"}
    import jsonschema

    schema = Path(__file__).parents[2] / "docs" / "card.schema.json"
    jsonschema.validate(card.to_dict(), json.loads(schema.read_text()))


def test_half_precision_is_cast_on_both_sides(make: Make, tmp_path: Path) -> None:
    # sums in half precision depend on the batch
    done = xraybatch.adopt(make(half=True), out=tmp_path / "m.onnx", tolerance=5e-3, **THREE)
    assert done.card.precision == {"format": "fp16"}
    found = predict(done.path)
    assert found.dtype == np.float32
    xraybatch.adopt(make(), out=tmp_path / "n.onnx", **THREE)
    assert np.abs(found - predict(tmp_path / "n.onnx")).max() < 5e-3
    for size in (2, 32):  # the self-test bears what the batches differ by
        Session(load_model(done.path), device="cpu", batch_size=size)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 21])
def test_operator_sets_of_many_years(make: Make, tmp_path: Path, opset: int) -> None:
    given = {**THREE, "resize": None, "crop_from": 20}
    done = xraybatch.adopt(make(opset=opset), out=tmp_path / "m.onnx", **given)
    assert (done.card.rule.height, done.card.rule.resize) == (20, "crop")
    model = load_model(done.path)
    framed = np.zeros((5, 20, 20, 1), np.uint8)
    framed[:, 2:18, 2:18] = films()
    found = Session(model, device="cpu").predict(framed)["label"]
    xraybatch.adopt(tmp_path / "foreign.onnx", out=tmp_path / "n.onnx", **THREE)
    assert np.abs(found - predict(tmp_path / "n.onnx")).max() < 1e-6


def test_names_of_the_graph_may_be_ours(make: Make, tmp_path: Path) -> None:
    def branch(proto: Any) -> None:
        """An If whose branches read a tensor called as ours will be."""
        for node in proto.graph.node:
            node.input[:] = ["adopted.0" if name == "pool" else name for name in node.input]
            node.output[:] = ["adopted.0" if name == "pool" else name for name in node.output]
        flat = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
        both = [
            helper.make_graph(
                [helper.make_node("Flatten", ["adopted.0"], [f"b{i}"], axis=1)],
                "b",
                [],
                [helper.make_tensor_value_info(f"b{i}", TensorProto.FLOAT, None)],
            )
            for i in range(2)
        ]
        assert flat.name == "b"
        index = [node.op_type for node in proto.graph.node].index("Flatten")
        proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "label"))
        new = helper.make_node("If", ["label"], ["flat"], then_branch=both[0], else_branch=both[1])
        proto.graph.node[index].CopyFrom(new)

    path = make(names=("films", "adopted.constant0"), change=branch)
    done = xraybatch.adopt(path, out=tmp_path / "m.onnx", **THREE)
    xraybatch.adopt(make(), out=tmp_path / "n.onnx", **THREE)
    assert np.abs(predict(done.path) - predict(tmp_path / "n.onnx")).max() < 1e-6


def test_a_fixed_batch_is_opened_where_the_graph_bears_it(make: Make, tmp_path: Path) -> None:
    def reshape(proto: Any) -> None:
        index = [node.op_type for node in proto.graph.node].index("Flatten")
        proto.graph.initializer.append(numpy_helper.from_array(np.array([1, 48]), "form"))
        proto.graph.node[index].CopyFrom(helper.make_node("Reshape", ["pool", "form"], ["flat"]))

    xraybatch.adopt(make(), out=tmp_path / "any.onnx", **THREE)
    for number, change in enumerate((None, reshape)):
        done = xraybatch.adopt(
            make(batch=1, change=change), out=tmp_path / f"{number}.onnx", **THREE
        )
        assert "opened to any" in done.card.origin["batch"]
        assert np.array_equal(predict(done.path), predict(tmp_path / "any.onnx"))
    done = xraybatch.adopt(make(batch=3), out=tmp_path / "three.onnx", **THREE)
    assert done.card.origin["batch"].startswith("exported for 3")


def test_a_fixed_batch_that_cannot_be_opened_is_refused_with_the_way_out(
    make: Make, tmp_path: Path
) -> None:
    def expand(proto: Any) -> None:  # as a class token that is laid before the patches
        index = [node.op_type for node in proto.graph.node].index("MatMul")
        proto.graph.initializer.append(
            numpy_helper.from_array(np.zeros((1, 1), np.float32), "token")
        )
        node = proto.graph.node[index]
        joined = helper.make_node("Concat", ["flat", "token"], ["joined"], axis=1)
        node.input[0] = "joined"
        weight = proto.graph.initializer[0]
        grown = np.concatenate([numpy_helper.to_array(weight), np.zeros((1, 3), np.float32)])
        weight.CopyFrom(numpy_helper.from_array(grown, "w"))
        proto.graph.node.insert(index, joined)

    with pytest.raises(ModelError, match="cannot be opened") as caught:
        xraybatch.adopt(make(batch=1, change=expand), out=tmp_path / "m.onnx", **THREE)
    assert "dynamic=True (Ultralytics)" in caught.value.hint
    assert not (tmp_path / "m.onnx").exists()


def test_open_sizes_and_layout_are_asked_for_and_taken(make: Make, tmp_path: Path) -> None:
    path = make(sides=("h", "w"), channels=3, batch="n")
    with pytest.raises(UsageError, match=r"--size H\[xW\]"):
        xraybatch.adopt(path, out=tmp_path / "m.onnx", **THREE)
    done = xraybatch.adopt(path, out=tmp_path / "m.onnx", size=SIDE, **THREE)
    assert done.card.origin["said"]["size"] == {"value": "16x16", "by": "given by option"}

    def forget(proto: Any) -> None:
        proto.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "c"
        proto.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "k"

    path = make(sides=("h", "w"), change=forget)
    with pytest.raises(UsageError) as caught:
        xraybatch.adopt(path, out=tmp_path / "n.onnx", size=SIDE, **THREE)
    assert "--layout nchw|nhwc" in caught.value.message
    with pytest.raises(UsageError, match=r"--channels 1\|3"):
        xraybatch.adopt(path, out=tmp_path / "n.onnx", size=SIDE, layout="nchw", **THREE)
    given = {"size": (SIDE, SIDE), "layout": "nchw", "channels": 3}
    done = xraybatch.adopt(path, out=tmp_path / "n.onnx", **given, **THREE)
    assert len(done.card.tasks[0].task.classes) == 3
    with pytest.raises(UsageError, match="2 class"):  # counted from an answer
        xraybatch.adopt(path, out=tmp_path / "o.onnx", **given, **{**THREE, "classes": ["a", "b"]})


def test_one_of_several_outputs_is_named(make: Make, tmp_path: Path) -> None:
    def two(proto: Any) -> None:
        proto.graph.output.append(
            helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["n", 48])
        )

    with pytest.raises(UsageError, match=r"--output output\|flat"):
        xraybatch.adopt(make(change=two), out=tmp_path / "m.onnx", **THREE)
    done = xraybatch.adopt(make(change=two), out=tmp_path / "m.onnx", output="output", **THREE)
    xraybatch.adopt(make(), out=tmp_path / "n.onnx", **THREE)
    assert np.array_equal(predict(done.path), predict(tmp_path / "n.onnx"))
    with pytest.raises(UsageError, match="no output 'outptu'"):
        xraybatch.adopt(make(change=two), out=tmp_path / "o.onnx", output="outptu", **THREE)


@pytest.mark.parametrize(
    ("made", "said", "words"),
    [
        ({}, {"classes": "abcd"}, "3 number.*4 class"),
        ({}, {"layout": "nhwc"}, "--layout nhwc"),
        ({}, {"size": 32}, "--size 32x32"),
        ({}, {"channels": 1}, "--channels 1"),
        ({}, {"channels": 2}, "neither one nor three"),
        ({}, {"positive": "a"}, "only a binary task"),
        ({}, {"range": "0-255"}, "--preset imagenet is for the range 0-1"),
        ({}, {"mean": 0.5}, "--preset imagenet says mean and std"),
        ({}, {"preset": "none", "range": "0-1", "mean": (1, 2), "std": 1}, "one for all"),
        ({}, {"crop_from": 8, "resize": "crop"}, "--crop-from 8"),
        ({}, {"crop_from": 20, "resize": "pad"}, "--crop-from 20"),
        ({"end": "Softmax"}, {"answers": "logits"}, "ends in Softmax"),
        ({"end": "Softmax"}, {"task": "label:multilabel"}, "exclude each other"),
        ({"end": "Sigmoid"}, {"task": "label:multiclass"}, "do not exclude each other"),
        ({}, {"answers": "probabilities"}, "is said to give probabilities"),
        ({}, {"range": "0-7"}, "range='0-7'"),
        ({}, {"task": "label:multiclass=x,y,z"}, "Say them once"),
        ({}, {"preset": None, "mean": 0.5}, "--std"),
        ({}, {"preset": "none"}, "--range"),
        ({"end": "Relu"}, {}, "--logits|--probabilities"),
    ],
)
def test_what_contradicts_or_is_not_enough_is_one_clear_line(
    make: Make, tmp_path: Path, made: dict[str, Any], said: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        xraybatch.adopt(make(**made), out=tmp_path / "m.onnx", **{**THREE, **said})
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.onnx"]


def test_a_softmax_that_nobody_recognises_is_not_followed_by_another(
    make: Make, tmp_path: Path
) -> None:
    def by_hand(proto: Any) -> None:
        graph = proto.graph
        del graph.node[-1]
        one = numpy_helper.from_array(np.zeros(3, np.float32), "zero")
        graph.initializer.append(one)
        axes = numpy_helper.from_array(np.array([1]), "axes")
        graph.initializer.append(axes)
        graph.node.extend(
            [
                helper.make_node("Exp", ["scores"], ["e"]),
                helper.make_node("ReduceSum", ["e", "axes"], ["sum"]),
                helper.make_node("Div", ["e", "sum"], ["p"]),
                helper.make_node("Add", ["p", "zero"], ["output"]),
            ]
        )

    path = make(end="Softmax", change=by_hand)
    with pytest.raises(UsageError, match="probabilities already") as caught:
        xraybatch.adopt(path, out=tmp_path / "m.onnx", **THREE)
    assert "--probabilities" in caught.value.hint
    xraybatch.adopt(path, out=tmp_path / "m.onnx", answers="probabilities", **THREE)
    xraybatch.adopt(make(), out=tmp_path / "n.onnx", **THREE)
    assert np.abs(predict(tmp_path / "m.onnx") - predict(tmp_path / "n.onnx")).max() < 1e-6


def test_answers_that_depend_on_the_batch_are_no_model(make: Make, tmp_path: Path) -> None:
    def normalise(proto: Any) -> None:  # batch statistics, as of a network in training
        graph = proto.graph
        graph.node[-1].output[0] = "scores"
        graph.node.extend(
            [
                helper.make_node("ReduceMean", ["scores"], ["mean"], axes=[0], keepdims=1),
                helper.make_node("Sub", ["scores", "mean"], ["output"]),
            ]
        )

    path = make(change=normalise)
    with pytest.raises(BarMissed, match="does not answer as the original does"):
        xraybatch.adopt(path, out=tmp_path / "m.onnx", **THREE, answers="logits")
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.onnx"]


# hostile files


def _elsewhere(proto: Any) -> None:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def _elsewhere_in_a_branch(proto: Any) -> None:
    tensor = numpy_helper.from_array(np.zeros((48, 3), np.float32), "w2")
    _clear = helper.make_graph([], "inner", [], [], [tensor])
    _clear.initializer[0].ClearField("raw_data")
    _clear.initializer[0].external_data.add(key="location", value="/etc/passwd")
    proto.graph.node.append(
        helper.make_node("If", ["c"], ["x"], then_branch=_clear, else_branch=_clear)
    )


def _custom(proto: Any) -> None:
    proto.graph.node[-1].domain = "evil.example"
    proto.opset_import.append(helper.make_opsetid("evil.example", 1))


def _own_function(proto: Any) -> None:
    _custom(proto)
    proto.functions.append(
        helper.make_function(
            *("evil.example", "MatMul", ["a", "b"], ["c"]),
            [helper.make_node("MatMul", ["a", "b"], ["c"])],
            [helper.make_opsetid("", 17)],
        )
    )


def _random(proto: Any) -> None:
    proto.graph.node[-1].output[0] = "s"
    proto.graph.node.extend(
        [
            helper.make_node("RandomNormalLike", ["s"], ["noise"]),
            helper.make_node("Add", ["s", "noise"], ["output"]),
        ]
    )


def _dynamic(proto: Any) -> None:
    proto.graph.node.append(helper.make_node("DynamicQuantizeLinear", ["flat"], ["q", "s", "z"]))


def _cycle(proto: Any) -> None:
    proto.graph.node[-2].input[0] = "output"


def _two_pictures(proto: Any) -> None:
    proto.graph.input.append(
        helper.make_tensor_value_info("second", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    )


def _flat(proto: Any) -> None:
    proto.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 100])
    )


def _old(proto: Any) -> None:
    proto.opset_import[0].version = 5


def _of_tomorrow(proto: Any) -> None:
    proto.opset_import[0].version = 999


def _ours(proto: Any) -> None:
    proto.metadata_props.add(key="xraybatch.card", value="{}")


def _detector(proto: Any) -> None:
    proto.metadata_props.add(key="task", value="detect")
    proto.metadata_props.add(key="stride", value="32")


def _four_channels(proto: Any) -> None:
    for at in (1, 3):
        proto.graph.input[0].type.tensor_type.shape.dim[at].dim_value = 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_elsewhere, "keeps weights in other files"),
        (_elsewhere_in_a_branch, "keeps weights in other files"),
        (_custom, "'MatMul' of 'evil.example', which is not of the ONNX standard"),
        (_own_function, "functions of its own"),
        (_random, "drawn at random"),
        (_dynamic, "depend on the other films"),
        (_cycle, "no valid ONNX graph"),
        (_two_pictures, "asks for input, second"),
        (_flat, "not for pictures in batches"),
        (_old, "operator set 5"),
        (_of_tomorrow, "cannot load foreign.onnx"),
        (_ours, "a model of xraybatch already"),
        (_detector, "model of Ultralytics for 'detect'"),
        (_four_channels, "neither one nor three channels"),
    ],
)
def test_a_file_that_cannot_be_trusted_or_used_is_refused_in_one_line(
    make: Make, tmp_path: Path, change: Callable[[Any], None], words: str
) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        xraybatch.adopt(make(change=change), out=tmp_path / "m.onnx", **THREE)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.onnx"]


@pytest.mark.parametrize("cut", [0, 1, 10, 200, 500])
def test_a_file_that_was_cut_is_refused(make: Make, tmp_path: Path, cut: int) -> None:
    path = make()
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelError):
        xraybatch.adopt(path, out=tmp_path / "m.onnx", **THREE)


def test_any_bytes_end_in_one_line_or_in_a_model(make: Make, tmp_path: Path) -> None:
    whole = make().read_bytes()
    random = np.random.default_rng(0)
    said = []
    for number in range(150):
        damaged = bytearray(whole)
        for at in random.integers(0, len(whole), 1 + number % 4):
            damaged[at] = random.integers(0, 256)
        path = tmp_path / "damaged.onnx"
        path.write_bytes(damaged)
        try:
            done = xraybatch.adopt(path, out=tmp_path / f"{number}.onnx", **THREE)
        except XraybatchError as error:
            said.append(str(error))
        else:
            assert np.isfinite(predict(done.path)).all()
            done.path.unlink()
    assert len(said) > 10
    assert not any("\n" in words for words in said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.onnx", "foreign.onnx"]


def test_a_file_that_is_too_large_is_not_read(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "LARGEST", 100)
    path = make()
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read"))
    with pytest.raises(ModelError, match="GB"):
        xraybatch.adopt(path, out=tmp_path / "m.onnx", **THREE)


@pytest.mark.parametrize(
    "names",
    [
        "__import__('os').system('touch pwned')",
        "[" * 5000,
        "{0: 'a', 2: 'b'}",
        "{'a': 0}",
        "(" + "'a'," * 400_000 + ")",
        "\x00",
        "7",
    ],
)
def test_names_in_metadata_are_read_as_data_or_not_at_all(
    make: Make, empty_folder: Path, names: str
) -> None:
    path = make(metadata={"task": "classify", "stride": "1", "names": names, "imgsz": "[16, 16]"})
    with pytest.raises(UsageError, match="--classes"):
        xraybatch.adopt(path, out="m.onnx", task="label:multiclass")
    assert [entry.name for entry in empty_folder.iterdir()] == ["foreign.onnx"]


def test_names_that_a_terminal_would_execute_are_refused(make: Make, tmp_path: Path) -> None:
    names = {0: "a", 1: "\x1b[2J", 2: "=1+1"}
    path = make(metadata={"task": "classify", "stride": "1", "names": str(names)})
    with pytest.raises(UsageError, match="would be executed"):
        xraybatch.adopt(path, out=tmp_path / "m.onnx", task="label:multiclass")


def test_where_the_result_may_go(make: Make, tmp_path: Path) -> None:
    (tmp_path / "there.onnx").write_bytes(b"precious")
    with pytest.raises(InputError, match="not overwritten"):
        xraybatch.adopt(make(), out=tmp_path / "there.onnx", **THREE)
    assert (tmp_path / "there.onnx").read_bytes() == b"precious"
    with pytest.raises(UsageError, match=r"ends in \.onnx"):
        xraybatch.adopt(make(), out=tmp_path / "m.keras", **THREE)
    with pytest.raises(ModelError, match="There is no file"):
        xraybatch.adopt(tmp_path / "none.onnx", out=tmp_path / "m.onnx", **THREE)
    with pytest.raises(ModelError, match="is a folder"):
        xraybatch.adopt(tmp_path, out=tmp_path / "m.onnx", **THREE)


def test_without_the_package_onnx_its_extra_is_named(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make()
    plain = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "onnx":
            raise ModuleNotFoundError("No module named 'onnx'", name="onnx")
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra) as caught:
        xraybatch.adopt(path, out=tmp_path / "m.onnx", **THREE)
    assert "pip install 'xraybatch[adopt]'" in caught.value.hint
