from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch.core.errors import InputError, UsageError
from xraybatch.extension.records import Architecture, BuildOptions, Network
from xraybatch.training.options import TrainOptions
from xraybatch.training.settings import settle
from xraybatch.training.weights import build_network

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


def build(architecture: Architecture, asked: str, said: Any, **more: Any) -> Any:
    settings = settle(TrainOptions(architecture.name), architecture)
    return build_network(architecture, settings, asked, said, **more)


def test_auto_without_a_net_warns_records_and_builds_random(tiny: Architecture, said: Any) -> None:
    network, weights = build(tiny, "auto", said)
    assert not network.pretrained
    assert (weights.asked, weights.loaded) == ("auto", "none")
    assert "URL fetch failure" in weights.reason
    assert [title for title, _ in said.warnings] == ["no pretrained weights"]
    assert "random weights" in said.warnings[0][1]


def test_imagenet_without_a_net_fails_with_the_reason(tiny: Architecture, said: Any) -> None:
    with pytest.raises(InputError, match="URL fetch failure") as caught:
        build(tiny, "imagenet", said)
    assert "--weights PATH" in caught.value.hint


def test_none_is_silent(tiny: Architecture, said: Any) -> None:
    network, weights = build(tiny, "none", said)
    assert (network.pretrained, weights.loaded, said.warnings) == (False, "none", [])


def test_a_weights_file_is_loaded(tiny: Architecture, tiny_weights: Path, said: Any) -> None:
    network, weights = build(tiny, str(tiny_weights), said)
    same = tiny.build(BuildOptions(32, 32, str(tiny_weights))).backbone.get_weights()
    assert all(map(np.array_equal, network.backbone.get_weights(), same))
    assert weights.loaded == tiny_weights.name
    assert network.pretrained


def test_files_that_are_no_weights(tiny: Architecture, tmp_path: Path, said: Any) -> None:
    with pytest.raises(InputError, match="no weights file"):
        build(tiny, str(tmp_path / "gone.h5"), said)
    wrong = tmp_path / "a.pkl"
    wrong.write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match="no Keras weights file"):
        build(tiny, str(wrong), said)
    broken = tmp_path / "a.weights.h5"
    broken.write_bytes(b"nothing")
    with pytest.raises(InputError, match="do not fit"):
        build(tiny, str(broken), said)


def test_an_architecture_without_weights_says_so(
    tiny: Architecture, tiny_weights: Path, said: Any
) -> None:
    bare = replace(tiny, pretrained_on="")
    assert build(bare, "auto", said)[1].reason == ""
    with pytest.raises(UsageError, match="no ImageNet weights"):
        build(bare, "imagenet", said)

    def ignores(options: BuildOptions) -> Network:
        return Network(None)

    with pytest.raises(UsageError, match="takes no weights file"):
        build(replace(bare, build=ignores), str(tiny_weights), said)


def test_an_option_that_the_plugin_refuses_is_a_usage_error(said: Any) -> None:
    from xraybatch.extension.registry import registry

    narrow = registry().get(Architecture, "narrow").record
    settings = settle(TrainOptions("narrow", option=("width=0",)), narrow)
    with pytest.raises(UsageError, match="1 or more"):
        build_network(narrow, settings, "none", said)


@pytest.fixture
def dead_server() -> Iterator[str]:
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = []

        def accept() -> None:
            while True:
                try:
                    taken.append(listening.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/weights.h5"
        for one in taken:
            one.close()


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "a byte now and then"])
def test_a_server_that_never_answers_is_given_up_in_time(
    tiny: Architecture, dead_server: str, said: Any, drips: bool, capfd: Any, monkeypatch: Any
) -> None:
    from xraybatch.training.backend import load_keras

    keras = load_keras()

    def hangs(options: BuildOptions) -> Network:
        if options.weights is None:
            return Network(None)
        if drips:  # a socket's time limit would never see this
            for _ in range(200):
                time.sleep(0.1)
        keras.utils.get_file("never.h5", dead_server)
        raise AssertionError

    begin = time.monotonic()
    _, weights = build(replace(tiny, build=hangs), "auto", said, patience=1.0)
    assert time.monotonic() - begin < 15  # it gave up: the dripping alone takes 20 s
    assert weights.loaded == "none"
    assert weights.reason
    assert socket.getdefaulttimeout() is None
    assert capfd.readouterr().out == ""
