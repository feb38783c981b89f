"""The engine of a cluster without Ray: who gets which chunk, who is lost, what is said of it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from tests.prediction.conftest import grey_pixels, write_dicom
from tests.prediction.near_cluster import NearCluster
from xraybatch.core.errors import (
    InputError,
    MissingExtra,
    ModelError,
    UsageError,
    XraybatchError,
)
from xraybatch.core.progress import SILENT
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.images.asked import Asked
from xraybatch.models.model import load_model
from xraybatch.prediction.dry_run import dry_run
from xraybatch.prediction.engine import Chunk, Outcome
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.ray import actor as ray_actor
from xraybatch.prediction.ray import connecting as ray_connecting
from xraybatch.prediction.ray import engine as ray_engine
from xraybatch.prediction.ray import opening as ray_open
from xraybatch.prediction.ray.actor import ChunkWorker, Collected, Joined
from xraybatch.prediction.ray.cluster import LostActor
from xraybatch.prediction.ray.plan import Node, Plan, plan
from xraybatch.prediction.record import PredictionRecord
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films
from xraybatch.sources.item import Item

FILMS = 1400  # of six chunks; most are copies, which are decoded all the same


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of which neighbours differ, one that is cut, and one of several frames."""
    folder = tmp_path_factory.mktemp("ray") / "films"
    folder.mkdir()
    different = []
    for number in range(61):
        Image.fromarray(grey_pixels(number)).save(folder / f"{number:04}.png")
        different.append((folder / f"{number:04}.png").read_bytes())
    for number in range(61, FILMS - 2):
        (folder / f"{number:04}.png").write_bytes(different[number % 61])
    (folder / "cut.png").write_bytes(different[0][:200])
    write_dicom(folder / "several.dcm", grey_pixels(100, 5), Modality="DX")
    return folder


class Heard:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @contextmanager
    def stage(self, label: str, total: int | None, unit: str = "films") -> Iterator[Any]:
        with SILENT.stage(label, total, unit) as stage:
            yield stage

    def note(self, sentence: str) -> None:
        self.said.append(sentence)

    def warn(self, title: str, sentence: str) -> None:
        self.said.append(f"{title}: {sentence}")


Predict = Callable[..., PredictionRecord]


@pytest.fixture
def predict(
    films: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Predict:
    """Predict into a file of the test's folder, in a cluster where one is given."""

    def run(
        out: str,
        cluster: NearCluster | None = None,
        progress: Any = SILENT,
        items: Sequence[Item] | None = None,
        fetch: Any = None,
        **options: Any,
    ) -> PredictionRecord:
        if cluster is not None:
            monkeypatch.setattr(ray_open, "RayCluster", cluster)
            options["engine"] = "ray"
        return predict_items(
            find_films([films]).items if items is None else items,
            load_model(tiny_model),
            tmp_path / out,
            options=PredictOptions(device="cpu", workers=0, frames="all", **options),
            progress=progress,
            fetch=fetch,
        )

    return run


@pytest.fixture(scope="module")
def expected(films: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of the local engine."""
    out = tmp_path_factory.mktemp("local") / "r.csv"
    options = PredictOptions(device="cpu", workers=0, frames="all")
    predict_items(find_films([films]).items, load_model(tiny_model), out, options=options)
    found = out.read_bytes()
    assert found.count(b",ok,") == FILMS - 1 + 4
    assert found.count(b",truncated,") == 1
    return found


# ── what is asked of a cluster ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cores", "gpus", "actors", "each", "expected"),
    [
        ([8, 8], 0, None, 0.0, Plan(2, 8)),
        ([8, 8], 0, 4, 0.0, Plan(4, 4)),
        ([8, 8], 0, 3, 0.0, Plan(3, 4)),  # two of four on one node, one on the other
        ([0, 8, 8], 0, None, 0.0, Plan(2, 8)),  # a head that only leads
        ([1, 1, 1], 0, None, 0.0, Plan(3, 1)),
        ([16, 8], 0, None, 0.0, Plan(3, 8)),
        ([1, 16, 16, 16, 16], 0, None, 0.0, Plan(4, 16)),  # a small head is left out
        ([64, 4], 0, None, 0.0, Plan(1, 64)),  # and a small node: as little as that is worth
        ([8, 8], 4, None, 1.0, Plan(8, 2, 1.0)),
        ([8, 8], 1, None, 0.5, Plan(4, 4, 0.5)),
        ([8, 8], 1, 1, 1.0, Plan(1, 8, 1.0)),
        ([3, 3], 10, None, 0.1, Plan(6, 1, 0.1)),  # cores run out before GPUs
    ],
)
def test_the_cores_are_shared_equally(
    cores: list[float], gpus: float, actors: int | None, each: float, expected: Plan
) -> None:
    assert plan([Node(str(i), c, gpus) for i, c in enumerate(cores)], actors, each) == expected


@pytest.mark.parametrize(
    ("cores", "actors", "gpus", "error", "said"),
    [
        ([0], None, 0.0, InputError, "No node of the Ray cluster has cores"),
        ([2, 2], 5, 0.0, UsageError, "--actors 5 is more than the 4"),
        ([2], None, 1.0, InputError, "has 1 GPU for an actor"),
    ],
)
def test_what_there_is_no_room_for_is_refused(
    cores: list[float], actors: int | None, gpus: float, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        plan([Node(str(i), c) for i, c in enumerate(cores)], actors, gpus)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": "head:6379"}, "--address is for --engine ray"),
        ({"actors": 2}, "--actors is for --engine ray"),
        ({"gpus_per_actor": 1.0}, "--gpus-per-actor is for --engine ray"),
        ({"engine": "dask"}, "'dask' is not known"),
        ({"engine": "ray", "actors": 0}, "--actors 0"),
        ({"engine": "ray", "gpus_per_actor": -1.0}, "--gpus-per-actor -1"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        PredictOptions(**options)


def test_a_gpu_must_be_asked_for(predict: Predict) -> None:
    heard = Heard()
    with pytest.raises(UsageError, match="--device cuda needs GPUs"):
        ray_open.options_of_a_node(PredictOptions(device="cuda", engine="ray"), Plan(1, 1))
    assert ray_open.options_of_a_node(PredictOptions(engine="ray"), Plan(1, 1)).device == "cpu"
    predict("r.csv", NearCluster(2, gpus=1), heard)
    assert any("The cluster has 1 GPU, and none is used" in one for one in heard.said)


def test_where_ray_is_not_installed_the_extra_is_named(
    predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_connecting, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as error:
        predict("r.csv", engine="ray")
    assert "pip install 'xraybatch[ray]'" in error.value.hint


def test_a_run_on_this_machine_imports_nothing_of_it(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print([m for m in sys.modules if m == 'ray' or '.ray_' in m]))\n"
        "from xraybatch.cli.app import main\n"
        "main(sys.argv[1:])"
    )
    told = ["predict", str(grey_films), "--out", str(tmp_path / "r.csv"), "-q"]
    done = subprocess.run(
        [sys.executable, "-c", code, *told, "--model", str(tiny_model), "--device", "cpu"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_dry_run_is_of_this_machine(tiny_model: Path, grey_films: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--dry-run looks from this machine"):
        dry_run(
            find_films([grey_films]).items,
            load_model(tiny_model),
            tmp_path / "r.csv",
            options=PredictOptions(engine="ray"),
            skipped={},
        )


# ── the same bytes ────────────────────────────────────────────────────────────────────────────────


def test_actors_write_what_the_local_engine_writes(
    predict: Predict, expected: bytes, tmp_path: Path
) -> None:
    cluster, heard = NearCluster(1, 1, 1), Heard()
    record = predict("r.csv", cluster, heard)
    assert (tmp_path / "r.csv").read_bytes() == expected
    assert len(cluster.actors) == 3
    assert sorted(n for actor in cluster.actors for n in actor.chunks()) == [0, 1, 2, 3, 4, 5]
    assert all(actor.chunks() for actor in cluster.actors)
    assert cluster.is_closed
    assert "Ray: 3 actors on 1 node, each with 1 core." in heard.said
    assert record.options["engine"] == "ray"
    assert record.device == "cpu"
    assert not record.mixed
    assert record.seconds["decoding"] > 0
    assert record.seconds["classifying"] > 0


def test_tags_choice_and_embeddings_are_the_same_too(predict: Predict, tmp_path: Path) -> None:
    asked = Asked((("Modality", ("", "DX")),), ("Modality",))
    for name, cluster in (("near", None), ("far", NearCluster(1, 1))):
        predict(f"{name}.csv", cluster, asked=asked, embeddings=tmp_path / f"{name}.parquet")
    for suffix in ("csv", "parquet"):
        far, near = (tmp_path / f"{name}.{suffix}" for name in ("far", "near"))
        assert far.read_bytes() == near.read_bytes()
    assert b"tag.Modality" in (tmp_path / "far.csv").read_bytes().splitlines()[0]


def test_paths_are_those_of_the_folder_that_the_command_was_given_in(
    predict: Predict, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(films)
    items = [Item("a", "0001.png", 0, 0), Item("b", "s3://bucket/0002.png", 0, 0)]
    cluster = NearCluster(1)
    predict("r.csv", cluster, items=items, fetch=Bucket())
    sent = [given[0] for name, given in cluster.actors[0].calls if name == "submit"]
    paths = [item.path for chunk in sent for _, item in chunk.items]
    assert paths == [str(films / "0001.png"), "s3://bucket/0002.png"]
    assert (tmp_path / "r.csv").read_text().count(",ok,") == 2


def test_no_actor_has_more_than_two_chunks_at_a_time(predict: Predict) -> None:
    most: dict[int, int] = {}
    cluster = NearCluster(1, 1)

    def look() -> None:
        for number, actor in enumerate(cluster.actors):
            given = len(actor.chunks())
            worker = actor.worker
            done = getattr(worker, "finished", 0)
            most[number] = max(most.get(number, 0), given - done)

    class Counting(ChunkWorker):
        finished = 0

        def collect(self, seconds: float) -> Collected:
            found = super().collect(seconds)
            self.finished += len(found.outcome.finished)
            return found

    cluster._worker = Counting
    cluster.before_wait = look
    predict("r.csv", cluster)
    assert most
    assert max(most.values()) == 2


class Bucket:
    """A store, as a run is given one; of the name ``stop`` it says that nobody is let in."""

    threads = 2

    def read(self, path: str, size: int, etag: str, max_bytes: int) -> bytes:
        if path.endswith("stop"):
            raise InputError("The token has expired.", "Get another one.")
        if path.endswith("gone"):
            raise FilmError(FilmStatus.UNREADABLE, "It is gone.")
        return _png()


def _png() -> bytes:
    import io

    file = io.BytesIO()
    Image.fromarray(grey_pixels(3)).save(file, "png")
    return file.getvalue()


def test_a_store_that_lets_nobody_in_stops_the_run_with_its_line(predict: Predict) -> None:
    items = [
        Item(f"{i:03}", f"s3://b/{i:03}{'stop' if i == 300 else ''}", 0, 0) for i in range(600)
    ]
    with pytest.raises(InputError) as error:
        predict("r.csv", NearCluster(1, 1), items=items, fetch=Bucket())
    assert error.value.message == f"On the node {socket.gethostname()}: The token has expired."
    assert error.value.hint == "Get another one."


def test_a_node_whose_gpu_fails_is_left_out_and_the_others_go_on(
    predict: Predict, expected: bytes, tmp_path: Path
) -> None:
    failed: list[ChunkWorker] = []

    class Failing(ChunkWorker):
        def collect(self, seconds: float) -> Collected:
            found = super().collect(seconds)
            if failed:
                return found
            failed.append(self)
            return replace(found, outcome=Outcome(), error=ModelError("cuda:0 stopped computing."))

    record = predict("r.csv", NearCluster(1, 1, worker=Failing))
    assert (tmp_path / "r.csv").read_bytes() == expected
    assert any("was lost (cuda:0 stopped computing)" in note for note in record.notes)


def test_what_was_known_when_a_run_is_stopped_is_kept(
    predict: Predict, expected: bytes, tmp_path: Path
) -> None:
    class Stopping(ChunkWorker):
        def collect(self, seconds: float) -> Collected:
            found = super().collect(seconds)
            error = InputError("The token has expired.") if found.outcome.finished else None
            return replace(found, error=error)

    with pytest.raises(InputError, match="expired"):
        predict("r.csv", NearCluster(1, worker=Stopping))
    assert predict("r.csv", NearCluster(1, 1)).resumed["done"] >= 256
    assert (tmp_path / "r.csv").read_bytes() == expected


# ── who is lost ───────────────────────────────────────────────────────────────────────────────────


def _rows_of(cluster: NearCluster) -> int:
    return sum(len(actor.chunks()) for actor in cluster.actors)


def test_chunks_of_a_lost_actor_are_done_anew_and_it_is_never_used_again(
    predict: Predict, expected: bytes, tmp_path: Path
) -> None:
    cluster, heard = NearCluster(1, 1), Heard()
    died = False

    class Slow(ChunkWorker):
        """Gives time for a death."""

        def collect(self, seconds: float) -> Collected:
            return super().collect(0.05)

    def strike() -> None:
        nonlocal died
        if not died and cluster.actors[0].chunks():
            died = True
            cluster.actors[0].die()

    cluster._worker = Slow
    cluster.before_wait = strike
    record = predict("r.csv", cluster, heard)
    victim = cluster.actors[0]
    assert (tmp_path / "r.csv").read_bytes() == expected
    assert died
    assert victim in cluster.dropped
    assert len(victim.calls) == victim.calls_until_dropped
    assert len(cluster.actors) == 3  # another came in its place
    again = [n for actor in cluster.actors[1:] for n in actor.chunks()]
    assert set(victim.chunks()) <= set(again)
    for said in (heard.said, record.notes):
        assert any("was lost (its process ended); 2 chunks" in one for one in said)


def test_a_chunk_that_ends_every_actor_takes_no_other_with_it(
    predict: Predict, expected: bytes, tmp_path: Path
) -> None:
    cluster = NearCluster(1, 1)

    def strike() -> None:
        for actor in cluster.actors:
            if not actor.is_dead and actor.chunks()[-2:].count(2):
                actor.die()

    cluster.before_wait = strike
    record = predict("r.csv", cluster)
    assert record.by_status["crashed"] == 256
    assert record.failed == 256 + 1
    assert sum(2 in actor.chunks() for actor in cluster.actors) == 3
    lines = zip((tmp_path / "r.csv").read_bytes().splitlines(), expected.splitlines(), strict=True)
    different = [one for one, other in lines if one != other]
    assert len(different) == 256
    assert all(b"The worker died 3 times on the chunk of this film." in one for one in different)


class Mute(ChunkWorker):
    """Says that it is ready, and nothing more."""

    def collect(self, seconds: float) -> Collected:
        time.sleep(30)
        return Collected()


def test_an_actor_that_says_nothing_is_lost(
    predict: Predict, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "_SILENT", 1.0)
    made: list[ChunkWorker] = []

    def worker(blocked: str) -> ChunkWorker:
        made.append((ChunkWorker if made else Mute)(blocked))
        return made[-1]

    heard = Heard()
    predict("r.csv", NearCluster(1, 1, worker=worker), heard)
    assert (tmp_path / "r.csv").read_bytes() == expected
    assert any("silent for 1 seconds" in one for one in heard.said)


class Faulty(ChunkWorker):
    """Has a fault of its own whatever it is given."""

    def collect(self, seconds: float) -> Collected:
        time.sleep(0.02)
        return Collected(fault="ZeroDivisionError")


def test_where_every_actor_is_lost_the_run_stops_and_no_film_is_blamed(
    predict: Predict, tmp_path: Path
) -> None:
    cluster = NearCluster(1, 1, worker=Faulty)
    with pytest.raises(XraybatchError, match="lost one after another: a fault, ZeroDivisionError"):
        predict("r.csv", cluster)
    assert not (tmp_path / "r.csv").exists()
    assert cluster.is_closed


class Late(ChunkWorker):
    """Never gets room."""

    def open(self, *given: Any) -> Joined:
        time.sleep(30)
        return Joined()


def test_where_nobody_starts_in_time_the_sentence_says_what_there_is(
    predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "START_SECONDS", 0.5)
    cluster = NearCluster(4, 2, worker=Late)
    with pytest.raises(InputError) as error:
        predict("r.csv", cluster)
    assert "No actor started within 0.5 seconds: the cluster has 2 nodes with 6 cores." in str(
        error.value
    )
    assert cluster.is_closed


@pytest.mark.parametrize("is_for_good", [False, True])
def test_an_actor_that_dies_as_it_starts_is_replaced_but_not_where_all_would_die(
    predict: Predict, expected: bytes, tmp_path: Path, is_for_good: bool
) -> None:
    """A node that died a moment ago is not known to be dead."""
    made: list[ChunkWorker] = []

    class Dying(ChunkWorker):
        def open(self, *given: Any) -> Joined:
            raise LostActor("its process ended", is_for_good=is_for_good)

    def worker(blocked: str) -> ChunkWorker:
        made.append((ChunkWorker if len(made) > 1 else Dying)(blocked))
        return made[-1]

    cluster = NearCluster(1, 1, worker=worker)
    if is_for_good:
        with pytest.raises(InputError, match="could not start: its process ended"):
            predict("r.csv", cluster)
    else:
        predict("r.csv", cluster)
        assert (tmp_path / "r.csv").read_bytes() == expected
        assert len(cluster.actors) == 4


def test_actors_that_come_late_take_part(
    predict: Predict, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "_OTHERS", 0.1)
    here = threading.Event()

    class First(ChunkWorker):
        def collect(self, seconds: float) -> Collected:
            assert here.wait(60)
            return super().collect(seconds)

    class Later(ChunkWorker):
        def open(self, *given: Any) -> Joined:
            time.sleep(0.5)
            joined = super().open(*given)
            here.set()
            return joined

    made: list[ChunkWorker] = []

    def worker(blocked: str) -> ChunkWorker:
        made.append((Later if made else First)(blocked))
        return made[-1]

    cluster, heard = NearCluster(1, 1, worker=worker), Heard()
    predict("r.csv", cluster, heard)
    assert (tmp_path / "r.csv").read_bytes() == expected
    assert "Ray: 1 of 2 actors started so far; the others join when there is room." in heard.said
    assert cluster.actors[1].chunks()


def test_where_nobody_is_left_the_run_ends_and_goes_on_later(
    predict: Predict, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "START_SECONDS", 1.0)
    made: list[ChunkWorker] = []

    def worker(blocked: str) -> ChunkWorker:
        made.append((Late if made else ChunkWorker)(blocked))
        return made[-1]

    cluster = NearCluster(1, worker=worker)

    def strike() -> None:
        if cluster.actors and len(cluster.actors[0].chunks()) > 2:
            cluster.actors[0].die()

    cluster.before_wait = strike
    with pytest.raises(XraybatchError, match="No actor of the Ray cluster is left"):
        predict("r.csv", cluster)
    monkeypatch.setattr(ray_engine, "START_SECONDS", 60.0)
    record = predict("r.csv", NearCluster(1, 1))
    assert 0 < record.resumed["done"] < FILMS
    assert (tmp_path / "r.csv").read_bytes() == expected


def test_what_is_asked_for_ahead_feeds_every_actor(tiny_model: Path) -> None:
    options = replace(PredictOptions(), workers=0, threads=1, device="cpu")
    engine = ray_engine.RayEngine(
        NearCluster(1, 1, 1), load_model(tiny_model), options, Plan(3, 1), [], SILENT
    )
    assert engine.ahead() >= 6
    assert engine.nodes() == 1
    engine.close()


# ── who cannot take part ──────────────────────────────────────────────────────────────────────────


class Otherwise(ChunkWorker):
    """A node where something is not as here."""

    changes: ClassVar[dict[str, Any]] = {}
    facts: ClassVar[dict[str, Any]] = {}

    def open(self, *given: Any) -> Joined:
        joined = super().open(*given)
        assert joined.facts is not None
        facts = replace(joined.facts, **self.facts)
        return replace(joined, facts=facts, machine="node7", **self.changes)


@pytest.mark.parametrize(
    ("changes", "facts", "said"),
    [
        ({"decoder": ("another",)}, {}, "On the node node7 films are decoded otherwise"),
        ({"sees_films": False}, {}, "On the node node7 none of the films is there"),
        ({}, {"versions": {"xraybatch": "0.0.1"}}, "On the node node7 xraybatch is 0.0.1"),
        (
            {"error": ModelError("The device answers otherwise.", "Use another.")},
            {},
            "On the node node7: The device answers otherwise",
        ),
    ],
)
def test_a_node_that_cannot_take_part_is_named_before_the_first_film(
    predict: Predict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    facts: dict[str, Any],
    said: str,
) -> None:
    monkeypatch.setattr(Otherwise, "changes", changes)
    monkeypatch.setattr(Otherwise, "facts", facts)
    cluster = NearCluster(1, 1, worker=Otherwise)
    with pytest.raises(XraybatchError, match=said):
        predict("r.csv", cluster)
    assert not (tmp_path / "r.csv.job").exists()
    assert _rows_of(cluster) == 0


def test_films_that_no_node_sees_are_looked_for(
    predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_actor.os.path, "lexists", lambda path: False)
    monkeypatch.setattr(ray_open, "_probes", lambda items: ["/nowhere/film.png"])
    with pytest.raises(InputError, match="none of the films is there"):
        predict("r.csv", NearCluster(1))


def test_rows_of_several_processors_are_said_to_be(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(("A", "B"))

    class Various(ChunkWorker):
        def open(self, *given: Any) -> Joined:
            joined = super().open(*given)
            assert joined.facts is not None
            return replace(joined, facts=replace(joined.facts, processor=next(names)))

    heard = Heard()
    record = predict("r.csv", NearCluster(1, 1, worker=Various), heard)
    assert record.mixed
    assert record.processor == "A; B"
    assert any("Several kinds of processor" in one for one in record.notes)
    assert any("Several kinds of processor" in one for one in heard.said)


# ── the actor alone ───────────────────────────────────────────────────────────────────────────────


def test_an_actor_works_on_while_nobody_asks(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    worker = ChunkWorker("")
    options = PredictOptions(device="cpu", workers=0, threads=1)
    assert worker.open(load_model(tiny_model), options).facts is not None
    items = list(enumerate(find_films([films]).items[:300]))
    worker.submit(Chunk(0, items[:256]))
    worker.submit(Chunk(1, items[256:]))
    until = time.monotonic() + 60
    while len(worker._outcome.finished) < 2:  # no call collects anything meanwhile
        assert time.monotonic() < until
        time.sleep(0.02)
    found = worker.collect(10).outcome
    assert found.finished == [0, 1]
    assert sorted(row.item for row in found.rows) == list(range(300))
    assert worker.collect(0.1).outcome == Outcome()


def test_a_fault_of_an_actor_is_told_by_kind_alone(
    tiny_model: Path, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words might hold a path, and paths hold names."""
    worker = ChunkWorker("")
    options = PredictOptions(device="cpu", workers=0, threads=1)
    worker.open(load_model(tiny_model), options)

    def fail(*_: object) -> None:
        raise OSError("/patients/DOE^JOHN.dcm")

    monkeypatch.setattr(worker._engine, "wait", fail)
    worker.submit(Chunk(0, list(enumerate(find_films([films]).items[:3]))))
    assert worker.collect(30).fault == "OSError"


def test_a_model_that_cannot_run_is_told_not_raised(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = PredictOptions(device="cuda", workers=0)
    joined = ChunkWorker("").open(load_model(tiny_model), options)
    if joined.facts is not None:
        pytest.skip("this machine cannot show it: it has a GPU")
    assert isinstance(joined.error, ModelError)
    assert joined.fault == ""
