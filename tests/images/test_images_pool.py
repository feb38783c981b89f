from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.errors import XraybatchError
from xraybatch.core.memory import Memory
from xraybatch.core.status import FilmStatus
from xraybatch.extension.records import DisplayHints, ImageReader, Limits, StoredImage
from xraybatch.images import crew, kept, memory, processes, worker
from xraybatch.images import pool as pool_module
from xraybatch.images.asked import Asked
from xraybatch.images.decode import decode_path
from xraybatch.images.kept import KeptFile
from xraybatch.images.memory import Shares
from xraybatch.images.pool import DecodingPool, FilmSource
from xraybatch.images.rule import DecodingRule

HERE = Path(__file__).parent
RULE = DecodingRule(8, 8)
TROUBLE = "troublesome_readers:readers"


@pytest.fixture
def films(tmp_path, monkeypatch):
    """Makes sources of `grey` films, with other words at chosen places."""
    monkeypatch.syspath_prepend(str(HERE))

    def make(count, others=()):
        sources = []
        for index in range(count):
            word = dict(others).get(index, f"grey {index % 256}")
            path = tmp_path / f"{index}.trouble"
            path.write_text(f"TROUBLE {word}")
            sources.append(FilmSource(str(path), path.name))
        return sources

    return make


def check(decoded, count, exceptions):
    """Every film once, in order, itself; but for the exceptions."""
    assert [one.index for one in decoded] == list(range(count))
    for one in decoded:
        if one.index in exceptions:
            assert str(one.status) == exceptions[one.index], one
            assert one.film is None or exceptions[one.index] == "ok"
        else:
            assert str(one.status) == "ok", one
            assert (one.film == one.index % 256).all()


def processes_of(pool: DecodingPool) -> list[int]:
    return list(pool._crew._processes._pool_manager.worker_manager.workers)


def test_order_and_pixels_do_not_depend_on_workers(grey_films):
    paths = sorted(str(path) for path in grey_films.rglob("*.png")) * 3
    sources = [FilmSource(path, path) for path in paths]
    rule = DecodingRule(24, 16)
    want = [decode_path(path, rule).pixels for path in paths]
    for workers in (0, 1, 3):
        with DecodingPool(rule, workers=workers) as pool:
            decoded = list(pool.decode(sources))
        assert [one.index for one in decoded] == list(range(len(paths)))
        assert all(np.array_equal(a, b.film) for a, b in zip(want, decoded, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_survey_and_decoding_share_the_time_of_a_film(workers, films):
    """Each recognises the film, and both together take longer than it may."""
    rule, asked = DecodingRule(32, 32), Asked(survey=True)
    sources = films(40, [(20, "recognised_after 0.8")])
    with DecodingPool(
        rule, workers=workers, timeout=1.2, readers_from=TROUBLE, asked=asked
    ) as pool:
        check(list(pool.decode(sources)), 40, {20: "timeout"})


def test_trouble_takes_only_the_film_it_is_in(films, tmp_path, capfd):
    exceptions = {
        *((5, "crash", "crashed"), (6, "killed", "crashed"), (20, "leave", "crashed")),
        *((33, "hang", "timeout"), (40, "eat", "too_large"), (41, "exit", "corrupt")),
        (50, f"killed_once {tmp_path / 'flag'}", "ok"),
        (60, "print", "ok"),
    }
    sources = films(70, [(index, word) for index, word, _ in exceptions])
    with DecodingPool(RULE, workers=2, timeout=1.0, readers_from=TROUBLE) as pool:
        decoded = list(pool.decode(sources))
        check(decoded, 70, {index: status for index, _, status in exceptions})
        by_index = {one.index: one for one in decoded}
        assert "SIGSEGV" in by_index[5].sentence
        assert "SIGKILL" in by_index[6].sentence
        assert "longer than 1 seconds" in by_index[33].sentence
        assert (tmp_path / "flag").exists()
        check(list(pool.decode(films(40))), 40, {})  # and the pool goes on
    assert capfd.readouterr() == ("", "")


def test_films_of_which_a_process_died_wait_for_each_other(films, tmp_path, monkeypatch):
    """The second tries are made one by one; the one that waits is not taken to have died again."""
    monkeypatch.setattr(pool_module, "_CHUNK", 1)
    slow = [(i, f"killed_once {tmp_path / str(i)} {2.5 if i == 0 else 0}") for i in range(3)]
    with DecodingPool(RULE, workers=2, readers_from=TROUBLE) as pool:
        check(list(pool.decode(films(40, slow))), 40, dict.fromkeys(range(3), "ok"))


def test_a_worker_killed_from_outside_costs_no_film(films):
    sources = films(64, [(index, "sleep 0.1") for index in range(0, 64, 8)])
    with DecodingPool(RULE, workers=2, readers_from=TROUBLE) as pool:
        decoded = []
        for one in pool.decode(sources):
            decoded.append(one)
            if one.index == 0:
                for process in processes_of(pool):
                    os.kill(process, signal.SIGKILL)
    check(decoded, 64, dict.fromkeys(range(0, 64, 8), "ok"))


def test_workers_stand_back_for_what_computes(films):
    with DecodingPool(RULE, workers=2, readers_from=TROUBLE) as pool:
        check(list(pool.decode(films(40))), 40, {})
        own = os.getpriority(os.PRIO_PROCESS, 0)
        for process in processes_of(pool):
            assert os.getpriority(os.PRIO_PROCESS, process) == min(own + 10, 19)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this machine cannot: no glibc")
def test_what_a_film_freed_is_used_for_the_next_one(tmp_path):
    """Pages that the kernel hands out and clears, by film, once there were a few."""
    path = tmp_path / "film.png"
    film = np.arange(1024 * 1024, dtype=np.uint16).reshape(1024, 1024)
    Image.fromarray(film).save(path, compress_level=0)
    source = FilmSource(str(path), path.name)

    def faults(count: int) -> int:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
        with DecodingPool(DecodingRule(64, 64), workers=1) as pool:
            assert all(one.status is FilmStatus.OK for one in pool.decode([source] * count))
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before

    of_its_pixels = film.nbytes // resource.getpagesize()
    assert (faults(60) - faults(20)) / 40 < of_its_pixels / 2


def test_idle_workers_that_are_killed_are_replaced(films):
    with DecodingPool(RULE, workers=2, readers_from=TROUBLE) as pool:
        check(list(pool.decode(films(40))), 40, {})
        for process in processes_of(pool):
            os.kill(process, signal.SIGKILL)
        time.sleep(0.5)
        check(list(pool.decode(films(40))), 40, {})


def test_sources_are_taken_as_needed(films):
    sources = films(200)
    taken = []

    def lazily():
        for source in sources:
            taken.append(source)
            yield source

    with DecodingPool(RULE, workers=1, readers_from=TROUBLE) as pool:
        decoding = pool.decode(lazily(), ahead=16)
        next(decoding)
        assert len(taken) <= 48
        decoding.close()
        check(list(pool.decode(sources)), 200, {})  # a stopped run leaves nothing behind


def test_stopping_while_processes_start_is_quiet(films, capfd):
    sources = films(40)
    for workers in (1, 4, 6):
        with DecodingPool(RULE, workers=workers, readers_from=TROUBLE) as pool:
            next(pool.decode(sources))
    time.sleep(0.2)
    assert capfd.readouterr() == ("", "")


def test_few_films_are_decoded_in_processes_unless_threads_are_asked_for(grey_films):
    paths = sorted(str(path) for path in grey_films.rglob("*.png"))[:31]
    sources = [FilmSource(path, path) for path in paths]
    with DecodingPool(RULE, workers=0) as pool:
        assert [one.status for one in pool.decode(sources)] == ["ok"] * len(paths)
        assert list(pool.decode([])) == []
        assert pool.processes == 0
    with DecodingPool(RULE, workers=1) as pool:
        assert list(pool.decode([])) == []
        assert pool.processes == 0
        assert [one.status for one in pool.decode(sources)] == ["ok"] * len(paths)
        assert pool.processes == 1


def test_few_films_get_few_processes_and_many_get_all(films):
    with DecodingPool(RULE, workers=3, readers_from=TROUBLE) as pool:
        pool.start(5)
        assert pool.processes == 1
        check(list(pool.decode(films(5))), 5, {})
        first = processes_of(pool)
        assert len(first) == 1
        check(list(pool.decode(films(40))), 40, {})
        assert (pool.processes, len(processes_of(pool))) == (3, 3)
        check(list(pool.decode(films(20))), 20, {})
        assert pool.processes == 3  # those that are there are kept
    assert all_gone(first)


def test_a_pool_that_was_started_for_nothing_ends(films, capfd):
    for count in (1, 40):
        with DecodingPool(RULE, workers=2, readers_from=TROUBLE) as pool:
            pool.start(count)
    assert capfd.readouterr() == ("", "")


def test_an_archive_for_which_memory_is_short_costs_one_film(monkeypatch):
    def short(*_):
        raise MemoryError

    monkeypatch.setattr(kept, "read_member", short)
    source = FilmSource("x.zip", "a.png", 0, "0-1-1-0-0-0")
    pixels, outcome = worker.attempt(source, KeptFile(RULE, Limits(), []))
    assert (pixels, outcome.status) == (None, "too_large")


def test_what_a_film_may_take_does_not_depend_on_the_workers(films, tmp_path, monkeypatch):
    """What does not fit into a share is tried again, one film at a time, with all it may take."""
    mark = tmp_path / "mark"
    large = {3: f"take 800 {mark}", 9: f"called_damaged 800 {mark}", 33: f"take 800 {mark}"}
    too_large = {12: f"take 3000 {mark}", 39: f"called_damaged 3000 {mark}"}
    sources = films(40, [*large.items(), *too_large.items(), (20, "crash"), (21, "exit")])
    found = []
    for workers, each in ((1, 2 << 30), (2, 600 << 20), (3, 600 << 20)):
        shared = Shares(workers, each, 2 << 30)
        monkeypatch.setattr(crew, "shares", lambda *_, s=shared: s)
        with DecodingPool(RULE, workers=workers, readers_from=TROUBLE) as pool:
            found.append([(str(one.status), one.sentence) for one in pool.decode(sources)])
    assert found[0] == found[1] == found[2]
    expected = {12: "too_large", 39: "corrupt", 20: "crashed", 21: "corrupt"}
    statuses = {i: status for i, (status, _) in enumerate(found[0]) if status != "ok"}
    assert statuses == expected


def test_a_small_machine_has_fewer_processes(films, monkeypatch):
    small = Memory(1 << 30, 1 << 30)
    monkeypatch.setattr(memory, "read_memory", lambda: small)
    with DecodingPool(RULE, workers=3, readers_from=TROUBLE) as pool:
        check(list(pool.decode(films(40))), 40, {})
        assert pool.processes == len(processes_of(pool)) == 2


def test_a_strangers_reader_tells_tags_and_no_identifiers():
    facts = {"Modality": "CR", "patient": "MUELLER", "ViewPosition": "AP"}
    told = StoredImage(np.zeros((8, 8), np.uint8), DisplayHints(), "OWN", "own", facts=facts)
    own = ImageReader("own", "", (".own",), lambda _: True, lambda *_: told)
    asked = Asked(tags=("Modality",), salt=b"x" * 16)
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"film")
        file.flush()
        source = FilmSource(file.name, "x")
        _, outcome = worker.attempt(source, KeptFile(RULE, Limits(), [own]), asked)
    assert outcome.told == {"Modality": "CR"}


def test_a_strangers_reader_never_reads_in_this_process(films):
    with DecodingPool(RULE, workers=2, timeout=1.0, readers_from=TROUBLE) as pool:
        trouble = [(1, "crash"), (3, "hang")]
        check(list(pool.decode(films(5, trouble))), 5, {1: "crashed", 3: "timeout"})


def test_a_thread_on_a_film_without_end_is_left_behind(films):
    script = f"""
        from xraybatch.images.pool import DecodingPool, FilmSource
        from xraybatch.images.rule import DecodingRule
        with DecodingPool(
            DecodingRule(8, 8), workers=0, timeout=1.0, readers_from={TROUBLE!r}
        ) as pool:
            sources = {[(s.path, s.name) for s in films(6, [(i, "hang") for i in range(4)])]!r}
            decoded = list(pool.decode(FilmSource(*source) for source in sources))
        print(*[one.status for one in decoded], [one.index for one in decoded])
    """
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,  # the program ends although four threads do not
    )
    said = "timeout timeout timeout timeout ok ok [0, 1, 2, 3, 4, 5]"
    assert (done.stdout.strip(), done.stderr) == (said, "")


def test_processes_that_cannot_start_are_an_error_not_a_loop(films, monkeypatch):
    monkeypatch.setattr(crew, "_BREAKS", 2)
    sources = films(40)
    nobody = "troublesome_readers:none_at_all"
    with (
        DecodingPool(RULE, workers=1, readers_from=nobody) as pool,
        pytest.raises(XraybatchError, match="broke"),
    ):
        list(pool.decode(sources))


def test_hostile_files_in_the_pool(shared_data):
    folder = shared_data / "hostile" / "files"
    paths = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    rule = DecodingRule(32, 32)
    with DecodingPool(rule, workers=2, timeout=20.0) as many, DecodingPool(rule, workers=0) as few:
        isolated = list(many.decode(FilmSource(path, path) for path in paths))
        here = list(few.decode(FilmSource(path, path) for path in paths))
    assert len(isolated) == len(paths)
    for one, other in zip(isolated, here, strict=True):
        assert (one.status, one.sentence) == (other.status, other.sentence)
        assert one.film is None or np.array_equal(one.film, other.film)
        assert str(one.status) not in ("crashed", "timeout")


def test_a_pool_ends_though_its_threads_do_not(films, monkeypatch):
    monkeypatch.setattr(processes, "_END", 0.1)
    never = threading.Event()
    with DecodingPool(RULE, workers=2, readers_from=TROUBLE) as pool:
        decoding = pool.decode(films(64))
        next(decoding)
        workers = processes_of(pool)
        monkeypatch.setattr(pool._crew._processes, "join", never.wait)
    assert all_gone(workers)
    never.set()


SCRIPT = """
    import os, sys, time
    from xraybatch.images.pool import DecodingPool, FilmSource
    from xraybatch.images.rule import DecodingRule
    sys.path.insert(0, {here!r})
    sources = [FilmSource(path, "") for path in sys.argv[1:]]
    with DecodingPool(DecodingRule(8, 8), workers=2, readers_from={trouble!r}) as pool:
        for n, one in enumerate(pool.decode(sources)):
            if n == 0:
                print(*pool._crew._processes._pool_manager.worker_manager.workers, flush=True)
"""


def started(tmp_path, films):
    """An unguarded script that decodes, with two films that hang; and its workers."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT).format(here=str(HERE), trouble=TROUBLE))
    sources = films(64, [(20, "hang"), (40, "hang")])
    process = subprocess.Popen(
        [sys.executable, str(script), *(source.path for source in sources)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell's background job, which a test run may be, ignores Ctrl-C and hands that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    workers = [int(word) for word in process.stdout.readline().split()]
    time.sleep(0.5)
    return process, workers


def all_gone(processes, seconds=5.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        multiprocessing.active_children()  # buries our own dead
        if not any(Path(f"/proc/{process}").exists() for process in processes):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_ctrl_c_stops_at_once_and_leaves_nothing(tmp_path, films):
    process, workers = started(tmp_path, films)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert len(workers) == 2
    assert all_gone(workers)
    assert said.count("KeyboardInterrupt") == 1  # the parent's own, no worker's
    assert "leaked" not in said
    assert not [name for name in os.listdir("/dev/shm") if name.startswith(f"pym-{process.pid}-")]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_workers_leave_with_a_parent_that_is_killed(tmp_path, films):
    process, workers = started(tmp_path, films)
    process.kill()
    process.communicate(timeout=20)
    assert len(workers) == 2
    assert all_gone(workers)
