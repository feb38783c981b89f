"""Killed at any moment, then the same command again: the bytes of a run that nobody killed.

Ten kills here, two hundred with `make soak`; each seed is one list of moments.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.prediction.conftest import grey_pixels, write_dicom
from xraybatch.prediction.reading import read_rows

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

FILMS = 300
FRAMES = {"several.dcm": 7, "z/several.tif": 5}
BROKEN = {"a/empty.png": "empty", "a/cut.png": "truncated", "b/text.png": "unsupported"}
LAST_MOMENTS = ("publish", "write_record", "mark_published")
FEW = [(seed, 5, suffix) for seed, suffix in enumerate(("csv", "csv"))]
MANY = [(seed, 10, ("csv", "parquet", "jsonl")[seed % 3]) for seed in range(100, 120)]

# the command, but it commits as often as it can and says aloud what it does next
TELLING = """
import sys
from xraybatch.prediction import dispatch, run
from xraybatch.prediction.jobs.job import Job
dispatch._COMMIT_SECONDS = 0.001
def tell(owner, name):
    do = getattr(owner, name)
    def told(*given, **named):
        print(name, flush=True)
        return do(*given, **named)
    setattr(owner, name, told)
for owner, name in (
    (Job, "begin"), (Job, "reconcile"), (Job, "mark_published"),
    (run, "publish"), (run, "write_record"),
):
    tell(owner, name)
write = Job.write
def counted(job, rows):
    write(job, rows)
    print(job.count_done(), flush=True)
Job.write = counted
print("start", flush=True)
from xraybatch.cli.app import main
main(sys.argv[1:])
"""


@dataclass
class Attempt:
    """One start of the command, and when who is killed in it."""

    until: str  # what it says just before it is killed: a word, or so many films
    wait: float  # seconds from there, at random, so that a kill falls into the middle of things
    workers: list[tuple[int, bool]] = field(default_factory=list)  # after films; all of them?

    @classmethod
    def drawn(cls, chance: random.Random, total: int, left: int) -> Attempt:
        """Mostly while films are done; sometimes as it starts, or as it writes its table."""
        kind = chance.choices(("rows", "early", "late"), (6, 2, 2))[0]
        workers = []
        if left > 1 and chance.random() < 0.5:
            workers = [(chance.randint(1, total), chance.random() < 0.5)]
        if kind == "early":
            return cls(chance.choice(("start", "begin or go on")), chance.uniform(0, 0.4), workers)
        if kind == "late":
            return cls(chance.choice(LAST_MOMENTS), chance.uniform(0, 0.02), workers)
        return cls(str(chance.randint(1, total)), chance.uniform(0, 0.02), workers)

    def is_now(self, said: str) -> bool:
        if self.until.isdigit():
            return said.isdigit() and int(said) >= int(self.until)
        return said == self.until or (
            self.until == "begin or go on" and said in ("begin", "reconcile")
        )


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No two alike, so that no row can stand in another's place; some broken, some of frames."""
    folder = tmp_path_factory.mktemp("kills") / "films"
    for number in range(FILMS):
        target = folder / "abc"[number % 3] / f"film{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey_pixels(number)).save(target)
    whole = (folder / "a" / "film0.png").read_bytes()
    for name, status in BROKEN.items():
        content = {"empty": b"", "truncated": whole[: len(whole) // 2], "unsupported": b"text"}
        (folder / name).write_bytes(content[status])
    write_dicom(folder / "several.dcm", grey_pixels(1000, FRAMES["several.dcm"]))
    pages = [Image.fromarray(page) for page in grey_pixels(2000, FRAMES["z/several.tif"])]
    (folder / "z").mkdir()
    pages[0].save(folder / "z" / "several.tif", save_all=True, append_images=pages[1:])
    return folder


@pytest.fixture(scope="module")
def unharmed(films: Path, tiny_model: Path) -> Callable[[str], bytes]:
    """The table of a run that nobody killed, by its form."""

    @cache
    def table(suffix: str) -> bytes:
        out = films.parent / f"unharmed.{suffix}"
        typed = [sys.executable, "-m", "xraybatch", *command(films, out, tiny_model)]
        subprocess.run(typed, check=True, timeout=120)
        rows = list(read_rows(out))
        keys = [(row["path"], row["frame"]) for row in rows]
        expected = {(p.relative_to(films).as_posix(), "") for p in films.rglob("*.*")}
        for name, frames in FRAMES.items():
            expected.remove((name, ""))
            expected |= {(name, str(frame)) for frame in range(frames)}
        assert len(keys) == len(set(keys))
        assert set(keys) == expected
        assert {r["path"]: r["status"] for r in rows if r["status"] != "ok"} == BROKEN
        assert len({row["prob.normal"] for row in rows}) > 0.9 * FILMS
        return out.read_bytes()

    return table


def command(films: Path, out: Path, model: Path) -> list[str]:
    given = ["predict", str(films), "--out", str(out), "--model", str(model), "--device", "cpu"]
    return [*given, "--frames", "all", "--workers", "2", "--batch-size", "4", "-q"]


@pytest.mark.parametrize(
    ("seed", "kills", "suffix"),
    [*FEW, *(pytest.param(*one, marks=pytest.mark.soak) for one in MANY)],
)
def test_whoever_is_killed_the_same_command_ends_in_the_same_bytes(
    films: Path,
    unharmed: Callable[[str], bytes],
    tiny_model: Path,
    tmp_path: Path,
    seed: int,
    kills: int,
    suffix: str,
) -> None:
    chance = random.Random(seed)
    orphans: set[int] = set()
    done, outputs = 0, 0
    while done < kills:
        outputs += 1
        out = tmp_path / str(outputs) / f"r.{suffix}"
        done += until_published(out, films, tiny_model, chance, kills - done, orphans)
        assert out.read_bytes() == unharmed(suffix)
        assert out.with_name(out.name + ".run.json").is_file()
    assert outputs < kills, "too few kills hit a run for this test to say anything"
    until = time.monotonic() + 60
    while alive := {process for process in orphans if is_worker(process)}:
        assert time.monotonic() < until, f"workers without a parent live on: {alive}"
        time.sleep(0.05)


def until_published(
    out: Path, films: Path, model: Path, chance: random.Random, left: int, orphans: set[int]
) -> int:
    """Give the same command until its table is there whole; how many kills it took."""
    killed = 0
    while True:
        attempt = Attempt.drawn(chance, FILMS, left - killed) if killed < left else None
        process = subprocess.Popen(
            [sys.executable, "-c", TELLING, *command(films, out, model)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if attempt is not None:
            killed += strike(process, attempt, chance, orphans)
        _, said = process.communicate(timeout=120)
        if process.returncode == 0:
            return killed
        assert process.returncode == -signal.SIGKILL, said
        if is_published(out):
            return killed


def strike(
    process: subprocess.Popen[str], attempt: Attempt, chance: random.Random, orphans: set[int]
) -> int:
    """Kill as the attempt has it; how many kills hit somebody."""
    killed = 0
    assert process.stdout is not None
    for line in process.stdout:
        said = line.strip()
        if attempt.workers and said.isdigit() and int(said) >= attempt.workers[0][0]:
            crew = list(workers_of(process.pid))
            _, is_all = attempt.workers.pop()
            for worker in crew if is_all else crew[: 1 if crew else 0]:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            killed += bool(crew)
        if attempt.is_now(said):
            time.sleep(attempt.wait)
            orphans.update(workers_of(process.pid))
            process.kill()
            return killed + 1
    return killed


def is_published(out: Path) -> bool:
    """Whether the run was killed after everything was done; then nothing is to be repeated."""
    job = out.with_name(out.name + ".job")
    if not job.is_file() or not job.stat().st_size:
        return False
    with closing(sqlite3.connect(job)) as db:
        try:
            found = db.execute("SELECT value FROM meta WHERE key = 'published'").fetchone()
        except sqlite3.OperationalError:  # killed before it had a table
            return False
    return found is not None and found[0] == "1"


def workers_of(process: int) -> Iterator[int]:
    """The decoding processes below one, in the order of their starts."""
    for children in sorted(Path(f"/proc/{process}/task").glob("*/children")):
        with suppress(OSError):
            yield from (int(child) for child in children.read_text().split() if is_worker(child))


def is_worker(process: int | str) -> bool:
    try:
        return "spawn_main" in Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return False


def test_the_moments_are_spread_over_a_run() -> None:
    """Every kind of moment is among the two hundred, and kills of workers are many."""
    drawn = []
    for seed, kills, _ in MANY:
        chance = random.Random(seed)
        drawn += [Attempt.drawn(chance, FILMS, kills) for _ in range(kills)]
    words = {one.until for one in drawn if not one.until.isdigit()}
    assert words == {"start", "begin or go on", *LAST_MOMENTS}
    films = np.array([int(one.until) for one in drawn if one.until.isdigit()])
    assert np.all(np.histogram(films, 4, (0, FILMS))[0] > 10)
    assert sum(bool(one.workers) for one in drawn) > 50
