"""Real Ray, on loopback inside a network namespace: nodes, deaths, and what is left behind.

One cluster for all of it; every table is compared with that of the local engine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.prediction.conftest import write_dicom

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install ray"),
    pytest.mark.skipif(sys.platform != "linux", reason="this machine cannot: it has no namespaces"),
]

ROOT = Path(__file__).resolve().parents[2]
STAGE = Path(__file__).with_name("ray_stage.py")
FILMS = 1536  # six chunks
DIFFERENT = 97
LONGEST = 150  # seconds that a run may take on a busy machine
MARK = "XRAYBATCH_TEST_OF_RAY"  # in the environment of everything that is started here

# the command, and aloud how many films have their row
TELLING = """
import sys
from xraybatch.prediction.jobs.job import Job
write = Job.write
def counted(job, rows):
    write(job, rows)
    print("done", job.count_done(), flush=True)
Job.write = counted
from xraybatch.cli.app import main
main(sys.argv[1:])
"""
_SPEECH = re.compile(r"\(raylet|\(gcs|\bWARNING\b|\bINFO\b|usage stat|Traceback|\[20\d\d-")


def unshared(*what: str) -> list[str]:
    """The command that starts another in namespaces of its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, *(f"--{one}" for one in what)]


def why_not(*what: str, trying: tuple[str, ...] = ("ip", "link", "set", "lo", "up")) -> str:
    """Why this machine has no such namespaces; empty where it has."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return "unshare or ip is not installed: apt install util-linux iproute2"
    tried = subprocess.run([*unshared(*what), *trying], capture_output=True, text=True)
    said = (tried.stderr.strip().splitlines() or ["no reason"])[-1]
    return f"this machine cannot make network namespaces: {said}" if tried.returncode else ""


def marked(mark: str) -> dict[int, str]:
    """The processes that live with this mark in their environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = line.decode(errors="replace")
    return found


class Stage:
    """The cluster, and the commands that are given in its namespace."""

    def __init__(self, place: Path) -> None:
        self.mark = uuid.uuid4().hex
        # short, because sockets are in it
        self.folder = tempfile.mkdtemp(prefix="xb", dir="/tmp")
        self.place = place
        self._process = subprocess.Popen(
            [*unshared("net"), sys.executable, str(STAGE)],
            env={**os.environ, MARK: self.mark, "RAY_TMPDIR": self.folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(place / "stage.txt").open("w"),
            text=True,
        )
        self.address = self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):
                return json.loads(line)
        raise AssertionError((self.place / "stage.txt").read_text()[-2000:])

    def ask(self, *command: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self, word: str = "") -> dict[int, str]:
        """Everything that was started here, directly or not, and lives."""
        return {process: line for process, line in marked(self.mark).items() if word in line}

    def actors(self) -> list[int]:
        return sorted(self.processes("ray::OnNode"))

    def decoders(self) -> list[int]:
        return sorted(self.processes("spawn_main"))


class Run:
    """A prediction in the cluster."""

    def __init__(self, stage: Stage, words: Path, arguments: list[str]) -> None:
        self._stage, self.words = stage, words
        self.process = stage.ask("run", [sys.executable, "-c", TELLING, *arguments], str(words))

    def until(self, films: int) -> int:
        """Wait until so many films are done; how many really are."""
        until = time.monotonic() + LONGEST
        while True:
            done = [int(n) for n in re.findall(r"^done (\d+)$", self.words.read_text(), re.M)]
            if done and done[-1] >= films:
                return done[-1]
            assert time.monotonic() < until, self.words.read_text()
            time.sleep(0.02)

    def end(self, by: int | None = None) -> int:
        """Its exit code; `by`: a signal that it is sent first."""
        if by is not None:
            self._stage.ask("signal", self.process, int(by))
        return int(self._stage.ask("wait", self.process, LONGEST))

    @property
    def said(self) -> str:
        lines = self.words.read_text().splitlines()
        return " ".join(
            " ".join(line for line in lines if not line.startswith("done "))
            .replace("│", "")
            .split()
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    if reason := why_not("net"):
        pytest.skip(reason)
    made = Stage(tmp_path_factory.mktemp("stage"))
    yield made
    made.end()
    until = time.monotonic() + 30
    while left := made.processes():
        assert time.monotonic() < until, f"left behind: {left}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Neighbours differ, and so do the films at the same place of two chunks."""
    folder = tmp_path_factory.mktemp("cluster") / "films"
    folder.mkdir()
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 90, (480, 400)).astype(np.uint8)
    for number in range(FILMS - 2):
        film = folder / f"{number:04}.png"
        if number < DIFFERENT:
            shifted = np.roll(ground, number, axis=0) + np.uint8(number)
            Image.fromarray(shifted).save(film, compress_level=1)
        else:
            shutil.copyfile(folder / f"{number % DIFFERENT:04}.png", film)
    (folder / "cut.png").write_bytes((folder / "0000.png").read_bytes()[:3000])
    write_dicom(folder / "several.dcm", np.stack([ground[:40, :32]] * 5), Modality="DX")
    return folder


def command(films: Path, out: Path, model: Path, *more: str) -> list[str]:
    told = ["predict", str(films), "--out", str(out), "--model", str(model), "--device", "cpu"]
    told += ["--frames", "all", "--tags", "Modality", "--where", "Modality=,DX"]
    return [*told, "--embeddings", str(out.with_suffix(".parquet")), *more]


@pytest.fixture(scope="module")
def expected(
    films: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, bytes]:
    """Table and embeddings of the local engine."""
    out = tmp_path_factory.mktemp("local") / "r.csv"
    typed = [sys.executable, "-m", "xraybatch", *command(films, out, tiny_model, "-q")]
    subprocess.run(typed, check=True, timeout=LONGEST)
    table = out.read_bytes()
    assert table.count(b",ok,") == FILMS - 2 + 5
    return table, out.with_suffix(".parquet").read_bytes()


Begin = Callable[..., Run]


@pytest.fixture
def begin(stage: Stage, films: Path, tiny_model: Path, tmp_path: Path) -> Begin:
    """Start the command on so many nodes, with its table in the test's folder."""

    def start(nodes: int) -> Run:
        address = stage.ask("nodes", nodes)
        words = tmp_path / f"{uuid.uuid4().hex}.txt"
        told = command(films, tmp_path / "r.csv", tiny_model, "--engine", "ray")
        return Run(stage, words, [*told, "--address", address])

    return start


def same(tmp_path: Path, expected: tuple[bytes, bytes]) -> bool:
    found = (tmp_path / "r.csv").read_bytes(), (tmp_path / "r.parquet").read_bytes()
    return found == expected


def record(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / "r.csv.run.json").read_text()))


def nobody_is_left(stage: Stage) -> None:
    until = time.monotonic() + 30
    while left := [*stage.actors(), *stage.decoders()]:
        assert time.monotonic() < until, f"left behind: {left}"
        time.sleep(0.1)


def test_two_nodes_write_what_one_machine_writes(
    stage: Stage, begin: Begin, expected: tuple[bytes, bytes], tmp_path: Path
) -> None:
    run = begin(2)
    run.until(1)
    assert len(stage.actors()) == 2
    assert run.end() == 0, run.said
    assert same(tmp_path, expected)
    assert "Ray: 2 actors on 2 nodes, each with 1 core." in run.said
    assert not _SPEECH.search(run.said), run.said
    found = record(tmp_path)
    assert (found["workers"], found["mixed"], found["device"]) == (2, False, "cpu")
    assert found["options"]["engine"] == "ray"
    nobody_is_left(stage)


def test_a_worker_is_killed(
    stage: Stage, begin: Begin, expected: tuple[bytes, bytes], tmp_path: Path
) -> None:
    run = begin(2)
    assert run.until(200) < FILMS
    os.kill(stage.actors()[0], signal.SIGKILL)
    assert run.end() == 0, run.said
    assert same(tmp_path, expected)
    assert "was lost (its process ended)" in run.said
    assert not _SPEECH.search(run.said), run.said
    nobody_is_left(stage)


def test_a_node_is_killed(
    stage: Stage, begin: Begin, expected: tuple[bytes, bytes], tmp_path: Path
) -> None:
    run = begin(3)
    assert run.until(300) < FILMS
    assert len(stage.actors()) == 3
    stage.ask("kill")
    assert run.end() == 0, run.said
    assert same(tmp_path, expected)
    assert "was lost" in run.said
    assert not _SPEECH.search(run.said), run.said
    nobody_is_left(stage)


def test_the_command_is_killed_and_given_again(
    stage: Stage, begin: Begin, expected: tuple[bytes, bytes], tmp_path: Path
) -> None:
    run = begin(2)
    assert run.until(300) < FILMS
    assert run.end(signal.SIGKILL) == -signal.SIGKILL
    nobody_is_left(stage)
    again = begin(2)
    assert again.end() == 0, again.said
    assert same(tmp_path, expected)
    assert record(tmp_path)["resumed"]["done"] >= 256


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_says_so_and_leaves_nobody(
    stage: Stage, begin: Begin, expected: tuple[bytes, bytes], tmp_path: Path, number: int
) -> None:
    run = begin(2)
    assert run.until(300) < FILMS
    assert run.end(number) == 5, run.said
    assert "none is lost. The same command goes on from there." in run.said
    assert not _SPEECH.search(run.said), run.said
    nobody_is_left(stage)
    again = begin(2)
    assert again.end() == 0, again.said
    assert same(tmp_path, expected)


# ── two machines ──────────────────────────────────────────────────────────────────────────────────


def test_two_machines_with_a_cable_between_them(
    films: Path, tiny_model: Path, expected: tuple[bytes, bytes], tmp_path: Path
) -> None:
    """Two network namespaces: neither reaches the other's loopback."""
    cable = ("ip", "link", "add", "here", "type", "veth", "peer", "name", "there")
    if reason := why_not("net", trying=cable):
        pytest.skip(reason)
    mark, nowhere = uuid.uuid4().hex, tempfile.mkdtemp(prefix="xb", dir="/tmp")
    told = command(films, tmp_path / "r.csv", tiny_model, "--engine", "ray")
    done = subprocess.run(
        [
            *(*unshared("net"), "bash", str(Path(__file__).with_name("two_machines.sh"))),
            *(sys.executable, "-m", "xraybatch", *told, "--address", "10.77.0.1:6390"),
        ],
        env={**os.environ, MARK: mark, "RAY_TMPDIR": nowhere, "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=2 * LONGEST,
    )
    shutil.rmtree(nowhere, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    assert "Ray: 2 actors on 2 nodes" in done.stderr
    assert same(tmp_path, expected)
    until = time.monotonic() + 30
    while left := marked(mark):
        assert time.monotonic() < until, f"left behind: {left}"
        time.sleep(0.1)


# ── no cluster ────────────────────────────────────────────────────────────────────────────────────


def typed(tiny_model: Path, films: Path, tmp_path: Path, *more: str) -> list[str]:
    told = ["predict", str(films), "--out", str(tmp_path / "r.csv"), "--model", str(tiny_model)]
    return [*told, "--engine", "ray", *more]


def test_an_address_where_nobody_answers_is_a_line(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "xraybatch"),
            *typed(tiny_model, grey_films, tmp_path, "--address", f"127.0.0.1:{port}"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert f"Nobody answers at 127.0.0.1:{port}: Connection refused." in done.stderr
    assert "ray start --head" in done.stderr
    assert not (tmp_path / "r.csv.job").exists()


@pytest.mark.parametrize("address", ["head", "head:x", "head:99999", "ray://head:10001"])
def test_what_is_no_address_is_wrong_usage(
    tiny_model: Path, grey_films: Path, tmp_path: Path, address: str
) -> None:
    from click.testing import CliRunner

    from xraybatch.cli.predict import command as predict
    from xraybatch.core.errors import UsageError

    told = typed(tiny_model, grey_films, tmp_path, "--address", address)[1:]
    error = CliRunner().invoke(predict, told).exception
    assert isinstance(error, UsageError)
    assert address in error.message


def test_an_address_of_something_else_does_not_hang(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    patient = (
        "import sys\n"
        "from xraybatch.prediction.ray import connecting as ray_connecting\n"
        "ray_connecting.START_SECONDS = 3\n"
        "from xraybatch.cli.app import main\n"
        "main(sys.argv[1:])"
    )
    with socket.create_server(("127.0.0.1", 0)) as mute:
        threading.Thread(target=_accept, args=(mute,), daemon=True).start()
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        done = subprocess.run(
            [
                *(sys.executable, "-c", patient),
                *typed(tiny_model, grey_films, tmp_path, "--address", address),
            ],
            capture_output=True,
            text=True,
            timeout=90,
        )
    assert done.returncode == 3, done.stderr
    assert f"The Ray cluster at {address}" in " ".join(done.stderr.split())
    assert len(done.stderr.strip().splitlines()) <= 4, done.stderr


def _accept(server: socket.socket) -> None:
    held = []
    with suppress(OSError):
        while True:
            held.append(server.accept())


def test_where_there_is_no_cluster_the_line_says_how_to_start_one(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    """In a namespace where no process of another cluster is to be seen."""
    if reason := why_not("net", "pid", "fork", "mount-proc"):
        pytest.skip(reason)
    nowhere = tempfile.mkdtemp(prefix="xb", dir="/tmp")
    done = subprocess.run(
        [
            *unshared("net", "pid", "fork", "mount-proc"),
            *(sys.executable, "-m", "xraybatch", *typed(tiny_model, grey_films, tmp_path)),
        ],
        env={**os.environ, "RAY_TMPDIR": nowhere},
        capture_output=True,
        text=True,
        timeout=90,
    )
    shutil.rmtree(nowhere)
    assert done.returncode == 3, done.stderr
    assert "There is no Ray cluster on this machine." in done.stderr
    assert "ray start --head" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4, done.stderr
