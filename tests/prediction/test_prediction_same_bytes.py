"""The same films, the same bytes: whatever the batch, the workers, the threads and the order."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.prediction.conftest import grey_pixels
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.images.rule import DecodingRule
from xraybatch.models import sessions
from xraybatch.models.card import Card, TaskCard
from xraybatch.models.model import load_model
from xraybatch.models.seal import write_sealed
from xraybatch.models.session import Session
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films

FILMS = 43  # in batches of 2 and of 7 the last one is a single film
BATCHES, WORKERS, THREADS = (2, 7, 16, 32, 256), (0, 1, 4), (1, 2)
ALL = list(product(BATCHES, WORKERS, THREADS))
# each batch with all workers and both threads, and workers and threads with each other
SOME = [
    (batch, workers, THREADS[(i + j) % 2])
    for i, batch in enumerate(BATCHES)
    for j, workers in enumerate(WORKERS)
]
EVERY = [
    pytest.param(name, *one, marks=() if name == "touchy" and one in SOME else pytest.mark.soak)
    for name, one in product(("touchy", "tiny"), ALL)
]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("same") / "films"
    for number in range(FILMS):
        target = folder / "ab"[number % 2] / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey_pixels(number)).save(target)
    return folder


@pytest.fixture(scope="module")
def touchy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Means over channels, as spatial attention and layer normalisation take them.

    onnxruntime adds these in another order for a batch of one film.
    """
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    node = helper.make_node
    nodes = [
        node("Cast", ["films"], ["cast"], to=TensorProto.FLOAT),
        node("Div", ["cast", "scale"], ["scaled"]),
        node("Transpose", ["scaled"], ["maps"], perm=[0, 3, 1, 2]),
        node("Conv", ["maps", "kernel"], ["channels"], pads=[1, 1, 1, 1]),
        node("ReduceMean", ["channels"], ["mean"], axes=[1], keepdims=1),
        node("Conv", ["mean", "attend"], ["weight"], pads=[3, 3, 3, 3]),
        node("Sigmoid", ["weight"], ["attention"]),
        node("Mul", ["channels", "attention"], ["attended"]),
        node("GlobalAveragePool", ["attended"], ["pooled"]),
        node("Flatten", ["pooled"], ["flat"]),
        node("MatMul", ["flat", "head"], ["logits"]),
        node("Softmax", ["logits"], ["label"], axis=-1),
    ]
    values = {
        "scale": np.float32(255),
        "kernel": rng.normal(0, 0.3, (24, 1, 3, 3)).astype(np.float32),
        "attend": rng.normal(0, 2, (1, 1, 7, 7)).astype(np.float32),
        "head": rng.normal(0, 3, (24, 3)).astype(np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "touchy",
        [helper.make_tensor_value_info("films", TensorProto.UINT8, ["batch", 32, 24, 1])],
        [helper.make_tensor_value_info("label", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto)
    task = Task("label", TaskKind.MULTICLASS, ("normal", "osteopenia", "osteoporosis"))
    card = Card((TaskCard(task),), DecodingRule(32, 24), name="touchy")
    target = tmp_path_factory.mktemp("touchy") / "touchy.onnx"
    write_sealed(proto.SerializeToString(), card.to_json(), target)
    return target


@pytest.fixture(scope="module")
def table(
    films: Path,
    tiny_model: Path,
    touchy_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., bytes]:
    """The results table of a model, by its name, over all films unless others are given."""
    place = tmp_path_factory.mktemp("tables")
    models = {"tiny": load_model(tiny_model), "touchy": load_model(touchy_model)}
    kept: dict[str, bytes] = {}

    def made(name: str, arguments: Sequence[Path | str] = (), **options: int) -> bytes:
        if not arguments and not options and name in kept:
            return kept[name]
        out = place / f"{random.getrandbits(64)}.csv"
        items = find_films(arguments or [films]).items
        predict_items(items, models[name], out, options=PredictOptions(device="cpu", **options))
        if not arguments and not options:
            kept[name] = out.read_bytes()
        return out.read_bytes()

    return made


@pytest.mark.parametrize(("name", "batch_size", "workers", "threads"), EVERY)
def test_bytes_depend_on_no_setting_of_speed(
    table: Callable[..., bytes], name: str, batch_size: int, workers: int, threads: int
) -> None:
    other = table(name, batch_size=batch_size, workers=workers, threads=threads)
    assert other == table(name)
    assert other.count(b",ok,") == FILMS


def test_every_pair_of_settings_is_tried_here() -> None:
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert {(s[one], s[other]) for s in SOME} == {(s[one], s[other]) for s in ALL}


def test_a_last_film_that_stood_alone_would_change_the_bytes(touchy_model: Path) -> None:
    """Without this the tests above could not see whether the last batch is padded."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(touchy_model), providers=["CPUExecutionProvider"])
    films = np.stack([grey_pixels(i)[:32, :24, None] for i in range(16)])
    together = session.run(["label"], {"films": films})[0]
    alone = [session.run(["label"], {"films": films[i : i + 1]})[0][0] for i in range(16)]
    if together.tobytes() == np.stack(alone).tobytes():
        pytest.skip("this machine cannot show it: a batch of one film is computed as any")
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert together.std() > 0.05


@pytest.mark.parametrize("seed", range(3))
def test_bytes_do_not_depend_on_the_order_in_which_films_are_named(
    table: Callable[..., bytes], films: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(films)
    named = [f"{path.parent.name}/{path.name}" for path in sorted(films.rglob("*.png"))]
    random.Random(seed).shuffle(named)
    assert named != sorted(named)
    assert table("touchy", named, workers=0) == table("touchy")
    assert table("touchy", ["b", "a"], workers=0) == table("touchy")


@pytest.mark.parametrize("seed", range(3))
def test_bytes_do_not_depend_on_the_order_in_which_a_folder_is_read(
    table: Callable[..., bytes], films: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    expected = table("touchy")
    read = os.scandir
    orders = []

    @contextmanager
    def shuffled(place: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        with read(place) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        random.Random(seed).shuffle(found)
        orders.append([entry.name for entry in found])
        yield iter(found)

    monkeypatch.setattr(os, "scandir", shuffled)
    assert table("touchy", [films], workers=0) == expected
    assert any(order != sorted(order) for order in orders)


@pytest.mark.parametrize(("batch_size", "threads"), [(2, 3), (2, 8), (7, 8), (16, 17)])
def test_bytes_are_the_same_with_more_threads_than_a_batch_has_films(
    table: Callable[..., bytes], batch_size: int, threads: int
) -> None:
    """onnxruntime divides the sums of a batch by its threads where these are more."""
    assert table("touchy", batch_size=batch_size, threads=threads) == table("touchy")


@pytest.mark.parametrize("name", ["touchy", "tiny"])
@pytest.mark.parametrize(("batch_size", "threads", "abreast"), [(2, 2, 2), (2, 6, 2), (7, 3, 2)])
def test_bytes_are_those_of_batches_computed_one_after_another(
    table: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    batch_size: int,
    threads: int,
    abreast: int,
) -> None:
    """Of many films a CPU computes several batches at once; here of few, too."""
    opened: list[int] = []

    def noted(*given: Any, **more: Any) -> Session:
        opened.append(more["abreast"])
        return Session(*given, **more)

    monkeypatch.setattr(sessions, "_BATCHES_EACH", 1)
    monkeypatch.setattr(sessions, "Session", noted)
    assert table(name, batch_size=batch_size, threads=threads) == table(name)
    assert opened[0] == abreast


def test_few_films_are_computed_a_batch_at_a_time(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    monkeypatch.setattr(sessions, "Session", lambda *_, **more: opened.append(more["abreast"]))
    for films in (0, 255, 256, 1_000_000):
        with suppress(AttributeError):  # what was opened is no session
            sessions.open_sessions(load_model(tiny_model), threads=2, films=films)
    assert opened == [1, 1, 2, 2]
