"""Fixtures are named for the state they give; the world is put back after each test."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# a busy machine is no failure, and a red test is red again tomorrow
hypothesis.settings.register_profile("calm", deadline=None, derandomize=True)
hypothesis.settings.load_profile("calm")

ROOT = Path(__file__).resolve().parents[1]


def pytest_report_header() -> list[str]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("numpy", "pillow", "pydicom", "onnxruntime-gpu", "tensorflow", "tf2onnx"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} absent")
    return [", ".join(found), f"real films: {_shared_data() or 'not here'}"]


_skips: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _skips.append(f"{report.nodeid}: {report.longrepr[2]}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With XRAYBATCH_STRICT=1 a skip is a failure, but for what a machine does not have.

    That is real films, and what nobody can install: such a skip says "this machine cannot".
    """
    if os.environ.get("XRAYBATCH_STRICT") != "1" or hasattr(session.config, "workerinput"):
        return
    bad = [
        skip
        for skip in _skips
        if "this machine cannot" not in skip and (_shared_data() or "real films" not in skip)
    ]
    if bad:
        print("\nskipped, which XRAYBATCH_STRICT forbids:", *bad, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _shared_data() -> Path | None:
    folder = Path(os.environ.get("XRAYBATCH_SHARED_DATA", ROOT.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


@pytest.fixture(autouse=True)
def clean_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "XRAYBATCH_MODEL", "XRAYBATCH_BLOCK", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    found = _shared_data()
    if found is None:
        pytest.skip("real films: the folder ../shared/data is not here")
    return found


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def grey_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 small films of different grey, named so that order matters; read only."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("grey_films")
    rng = np.random.default_rng(5)
    for i in range(40):
        sub = folder / ("a" if i % 3 else "b b")
        sub.mkdir(exist_ok=True)
        level = rng.integers(0, 200)
        pixels = (level + rng.integers(0, 56, (40 + i % 5, 36))).astype(np.uint8)
        Image.fromarray(pixels).save(sub / f"film{i}.png")
    return folder


@pytest.fixture(scope="session")
def tiny_graph() -> bytes:
    """An ONNX graph: uint8 films 32x24 to probabilities of three classes and an embedding."""
    onnx = pytest.importorskip(
        "onnx", reason="onnx is not installed: pip install 'xraybatch[train]'"
    )
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weight = rng.normal(0, 4, (12, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["films"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["t"], ["p"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["p"], ["flat"]),
        helper.make_node("Div", ["flat", "scale"], ["s"]),
        helper.make_node("Sub", ["s", "middle"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "weight"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["label"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("films", TensorProto.UINT8, ["batch", 32, 24, 1])],
        [
            helper.make_tensor_value_info("label", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 12]),
        ],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.float32(255), "scale"),
            numpy_helper.from_array(np.float32(0.5), "middle"),
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


@pytest.fixture(scope="session")
def make_model(tiny_graph: bytes) -> Callable[..., Path]:
    """Seal the tiny graph with a card; keywords replace fields of the card."""
    from dataclasses import replace

    from xraybatch.core.tasks import Task, TaskKind
    from xraybatch.images.fingerprint import decoder_fingerprint
    from xraybatch.images.rule import DecodingRule
    from xraybatch.models.card import Card, TaskCard
    from xraybatch.models.model import load_model
    from xraybatch.models.seal import write_sealed
    from xraybatch.models.selftest import record_self_test
    from xraybatch.models.session import Session

    def make(target: Path, **changes: object) -> Path:
        task = Task("label", TaskKind.MULTICLASS, ("normal", "osteopenia", "osteoporosis"))
        card = Card(
            (TaskCard(task),),
            DecodingRule(32, 24),
            name="tiny",
            created="2026-11-21T00:00:00+00:00",
            decoder=decoder_fingerprint(),
        )
        write_sealed(tiny_graph, card.to_json(), target)
        session = Session(load_model(target), device="cpu")
        card = replace(card, self_test=record_self_test(session.predict, 32, 24))
        write_sealed(tiny_graph, replace(card, **changes).to_json(), target)
        return target

    return make


@pytest.fixture(scope="session")
def tiny_model(make_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed model of three classes; read only."""
    return make_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session")
def spot_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A sealed model of 64 × 48: the brightest 8 × 8 places say 'spot'; ``cam.label`` on demand."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    from onnx import TensorProto, helper, numpy_helper

    from xraybatch.core.tasks import Task, TaskKind
    from xraybatch.images.rule import DecodingRule
    from xraybatch.models.card import Card, TaskCard
    from xraybatch.models.seal import write_sealed

    spot = Task("label", TaskKind.BINARY, ("clear", "spot"), "spot")
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
        card = Card((TaskCard(spot),), DecodingRule(64, 48, resize), name=name, **changes)
        target = folder / f"{name}.onnx"
        write_sealed(proto.SerializeToString(), card.to_json(), target)
        return target

    return make


@pytest.fixture
def install_plugin(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Install a stranger's plugin of one module for other processes; the environment to run in."""

    def install(distribution: str, entry: str, module: str, code: str) -> dict[str, str]:
        site = tmp_path / "site"
        information = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        information.mkdir(parents=True)
        (site / f"{module}.py").write_text(code)
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (information / "entry_points.txt").write_text(f"[xraybatch]\n{entry} = {module}\n")
        return {**os.environ, "PYTHONPATH": str(site)}

    return install
