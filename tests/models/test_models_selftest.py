"""Promise 2: what answers otherwise than where the model was made is stopped, and named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch.core.errors import ModelError
from xraybatch.models import session as session_module
from xraybatch.models.devices import CPU, CUDA, DeviceRequest
from xraybatch.models.model import load_model
from xraybatch.models.seal import write_sealed
from xraybatch.models.session import Session

SHIFTED = """
from dataclasses import replace
from xraybatch import hookimpl, ImageReader
from xraybatch.images.readers import png

@hookimpl
def register_image_readers():
    sniff = lambda head: head.startswith(b"\\x89PNG")
    return [ImageReader("shifted", "one grey level lighter", (".png",), sniff, read)]

def read(file, limits, frame):
    image = png.read(file, limits, frame)
    return replace(image, array=image.array + 1 - (image.array == image.array.max()))
"""


def predict(
    films: Path, out: Path, model: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    arguments = ["predict", str(films), "--out", str(out), "--model", str(model), "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "xraybatch", *arguments],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    done.stderr = " ".join(done.stderr.split())
    return done


def test_a_strangers_reader_in_place_of_ours_is_named(
    tiny_model: Path,
    grey_films: Path,
    tmp_path: Path,
    install_plugin: Callable[..., dict[str, str]],
) -> None:
    environment = install_plugin("xb-shifted", "light", "shifted_reader", SHIFTED)
    out = tmp_path / "r.csv"
    assert predict(grey_films, out, tiny_model, environment).returncode == 0  # ours is asked first
    out.unlink()
    out.with_name("r.csv.job").unlink()

    environment["XRAYBATCH_BLOCK"] = "xraybatch:readers:png"
    done = predict(grey_films, out, tiny_model, environment)
    assert done.returncode == 3
    assert "grey8.png decodes differently here" in done.stderr
    assert "read by 'shifted' of the plugin xb-shifted:light" in done.stderr
    assert "XRAYBATCH_BLOCK=xb-shifted:light:shifted" in done.stderr
    assert not out.exists()
    assert not out.with_name("r.csv.job").exists()


def test_a_blocked_reader_is_named(tiny_model: Path, grey_films: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "XRAYBATCH_BLOCK": "xraybatch:readers:png"}
    done = predict(grey_films, tmp_path / "r.csv", tiny_model, environment)
    assert done.returncode == 3
    assert "grey8.png cannot be decoded here" in done.stderr
    environment["XRAYBATCH_BLOCK"] = "xraybatch:reader:png"
    done = predict(grey_films, tmp_path / "r.csv", tiny_model, environment)
    assert done.returncode == 0
    assert "XRAYBATCH_BLOCK names xraybatch:reader:png, which is not here." in done.stderr


def test_another_library_is_named(
    make_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xraybatch.models.selftest import check_decoder

    model = load_model(make_model(tmp_path / "m.onnx", versions={"pillow": "9.9.9"}))
    check_decoder(model.card)  # another version that decodes alike is no reason to stop
    film = "xraybatch.images.decode.display"
    monkeypatch.setattr(film, lambda image: 255 - image.array.astype(np.uint8))
    with pytest.raises(ModelError, match=r"other versions decode here, pillow .* \(was 9\.9\.9\)"):
        check_decoder(model.card)
    same = load_model(make_model(tmp_path / "same.onnx"))
    monkeypatch.undo()
    monkeypatch.setattr(film, lambda image: 200 - image.array.astype(np.uint8))
    with pytest.raises(ModelError, match="the decoder itself was changed"):
        check_decoder(same.card)


def changed_graph(tiny_model: Path, target: Path) -> Path:
    """The tiny model with other weights, sealed anew: the seal holds, the card is of another."""
    import onnx
    from onnx import numpy_helper

    model = load_model(tiny_model)
    proto = onnx.load_from_string(model.content)
    del proto.metadata_props[:]
    weight = next(i for i in proto.graph.initializer if i.name == "weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.01, "weight"))
    write_sealed(proto.SerializeToString(), model.card.to_json(), target)
    return target


def test_a_graph_that_is_not_the_cards_is_named(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(changed_graph(tiny_model, tmp_path / "m.onnx"))
    with pytest.raises(ModelError, match="its graph is not the one that its card describes"):
        Session(model, device="cpu")
    older = replace(model, card=replace(model.card, versions={"onnxruntime-gpu": "1.0"}))
    with pytest.raises(ModelError, match=r"another onnxruntime .* \(was 1\.0\)"):
        Session(older, device="cpu")


def gpu_that_is_off(by: float) -> Callable[..., Any]:
    """Opens sessions whose CUDA provider is the CPU's, off by so much."""
    really = session_module.open_graph

    class Off:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def get_providers(self) -> list[str]:
            return [CUDA, CPU]

        def run(self, names: list[str], feed: dict[str, Any]) -> list[Any]:
            return [answer + np.float32(by) for answer in self._inner.run(names, feed)]

    def opened(model: Any, providers: Any, threads: int | None) -> Any:
        inner = really(model, ((CPU, {}),), threads)
        return inner if providers[0][0] == CPU else Off(inner)

    return opened


def test_a_provider_that_answers_otherwise_is_named(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(text: str) -> DeviceRequest:
        if text == "cpu":
            return DeviceRequest(text, ((CPU, {}),), CPU)
        return DeviceRequest(text, ((CUDA, {"device_id": 1}), (CPU, {})), CUDA)

    monkeypatch.setattr(session_module, "resolve_device", resolve)
    model = load_model(tiny_model)
    for by in (1e-2, float("nan")):
        monkeypatch.setattr(session_module, "open_graph", gpu_that_is_off(by))
        with pytest.raises(ModelError, match=r"cuda:1 answers .* the CPU answers it rightly"):
            Session(model, device="cuda:1", bound=False)
        monkeypatch.undo()
        monkeypatch.setattr(session_module, "resolve_device", resolve)
    monkeypatch.setattr(session_module, "open_graph", gpu_that_is_off(1e-4))
    assert Session(model, device="cuda:1", bound=False).self_test_difference == pytest.approx(
        1e-4, rel=0.1
    )
    broken = load_model(changed_graph(tiny_model, tmp_path / "m.onnx"))
    with pytest.raises(ModelError, match="its graph is not the one"):
        Session(broken, device="cuda:1", bound=False)


def test_a_cut_and_a_swapped_file_are_named(tiny_model: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(tiny_model.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"cut|seal|ONNX"):
        load_model(cut)
    other = changed_graph(tiny_model, tmp_path / "other.onnx").read_bytes()
    swapped = tmp_path / "swapped.onnx"
    swapped.write_bytes(other[:-70] + tiny_model.read_bytes()[-70:])  # our seal on its graph
    with pytest.raises(ModelError, match="was changed"):
        load_model(swapped)


def test_weights_in_another_file_are_refused(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    model = load_model(tiny_model)
    proto = onnx.load_from_string(model.content)
    del proto.metadata_props[:]
    options = {"save_as_external_data": True, "size_threshold": 0, "location": "weights.bin"}
    onnx.save(proto, str(tmp_path / "graph.onnx"), **options)
    graph = (tmp_path / "graph.onnx").read_bytes()
    entry = b"\x0a\x08location\x12\x0bweights.bin"
    swapped = graph.replace(entry, b"\x12\x0bweights.bin\x0a\x08location")
    assert swapped != graph  # protobuf knows no order of fields
    monkeypatch.chdir(tmp_path)
    for content in (graph, swapped):
        write_sealed(content, model.card.to_json(), tmp_path / "m.onnx")
        with pytest.raises(ModelError, match="keeps weights in other files"):
            Session(load_model(tmp_path / "m.onnx"), device="cpu")
