"""A film that crashes, hangs or eats memory costs its own row, in the real command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

FILMS = 2000
READER = """
import ctypes, os, time
import numpy as np
from xraybatch import DisplayHints, ImageReader, StoredImage, hookimpl

@hookimpl
def register_image_readers():
    sniff = lambda head: head.startswith(b"TROUBLE ")
    return [ImageReader("trouble", "for tests", (".trouble",), sniff, read)]

def read(file, limits, frame):
    word = file.read().split()[1]
    if word == b"crash":
        ctypes.string_at(0)
    if word == b"hang":
        time.sleep(600)
    if word == b"eat":
        np.ones(6 << 30, np.uint8)
    return StoredImage(np.full((40, 36), int(word), np.uint8), DisplayHints(), "TROUBLE", "test")
"""
BAD = {500: "crash", 1000: "hang", 1500: "eat"}
STATUS = {500: "crashed", 1000: "timeout", 1500: "too_large"}


def lay_out(folder: Path, grey_films: Path) -> Path:
    """2,000 films of which those of `BAD` are for the stranger's reader, still harmless."""
    films = folder / "films"
    films.mkdir()
    real = sorted(grey_films.rglob("*.png"))
    for i in range(FILMS):
        if i in BAD:
            (films / f"{i:04}.trouble").write_text(f"TROUBLE {i % 256}")
        else:
            os.link(real[i % len(real)], films / f"{i:04}.png")
    return films


def command(films: Path, out: Path, model: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "xraybatch", "predict", str(films), "--out", str(out)),
        *("--model", str(model), "--device", "cpu", "--workers", "2", "--timeout", "2", "-q"),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_three_bad_films_in_2000_cost_one_row_each(
    tiny_model: Path,
    grey_films: Path,
    tmp_path: Path,
    install_plugin: Callable[..., dict[str, str]],
) -> None:
    environment = install_plugin("xb-trouble", "trouble", "trouble_reader", READER)
    films = lay_out(tmp_path, grey_films)

    clean = tmp_path / "clean.csv"
    kill_a_worker = subprocess.Popen(command(films, clean, tiny_model), env=environment)
    os.kill(_first_worker(kill_a_worker), signal.SIGKILL)
    assert kill_a_worker.wait(timeout=120) == 0
    record = json.loads(clean.with_name("clean.csv.run.json").read_text())
    assert record["by_status"] == {"ok": FILMS}  # the worker that was killed cost none

    for i, word in BAD.items():
        (films / f"{i:04}.trouble").write_text(f"TROUBLE {word}")
    bad = tmp_path / "bad.csv"
    done = subprocess.run(command(films, bad, tiny_model), env=environment, timeout=120)
    assert done.returncode == 0
    pairs = zip(clean.read_bytes().splitlines(), bad.read_bytes().splitlines(), strict=True)
    different = {i - 1: after for i, (before, after) in enumerate(pairs) if before != after}
    assert set(different) == set(BAD)
    for i, line in different.items():
        assert line.decode().split(",")[1] == STATUS[i], line
    record = json.loads(bad.with_name("bad.csv.run.json").read_text())
    assert record["by_status"] == {"ok": FILMS - 3, **Counter(STATUS.values())}


def few_of(folder: Path, grey_films: Path) -> Path:
    """Six films, fewer than are worth a process each."""
    films = folder / "films"
    films.mkdir()
    for path in sorted(grey_films.rglob("*.png"))[:6]:
        os.link(path, films / path.name)
    return films


def test_few_films_are_as_safe_as_many(
    tiny_model: Path,
    grey_films: Path,
    tmp_path: Path,
    install_plugin: Callable[..., dict[str, str]],
) -> None:
    environment = install_plugin("xb-trouble", "trouble", "trouble_reader", READER)
    films = few_of(tmp_path, grey_films)
    for word in BAD.values():
        (films / f"{word}.trouble").write_text(f"TROUBLE {word}")
    out = tmp_path / "r.csv"
    done = subprocess.run(
        command(films, out, tiny_model), env=environment, capture_output=True, timeout=120
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    record = json.loads((tmp_path / "r.csv.run.json").read_text())
    assert record["by_status"] == {"ok": 6, "crashed": 1, "timeout": 1, "too_large": 1}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_crash_of_our_own_reader_costs_one_film(
    tiny_model: Path, grey_films: Path, tmp_path: Path, workers: str
) -> None:
    """Pillow or a codec, say; in threads, which a person must ask for, it ends the program."""
    films = few_of(tmp_path, grey_films)
    victim = min(path.name for path in films.iterdir())
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import ctypes\n"
        "from xraybatch.images import decode\n"
        "opened = decode.open_film\n"
        "def crash(path):\n"
        f"    return ctypes.string_at(0) if str(path).endswith({victim!r}) else opened(path)\n"
        "decode.open_film = crash\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{site}:{os.environ.get('PYTHONPATH', '')}"}
    out = tmp_path / "r.csv"
    typed = [*command(films, out, tiny_model), "--workers", workers]
    done = subprocess.run(typed, env=environment, capture_output=True)
    if workers == "0":
        assert done.returncode == -signal.SIGSEGV
        return
    assert done.returncode == 0
    by_status = json.loads((tmp_path / "r.csv.run.json").read_text())["by_status"]
    assert by_status == {"ok": 5, "crashed": 1}


def _first_worker(process: subprocess.Popen[bytes]) -> int:
    """The first process below `process` that decodes, as soon as there is one."""
    while process.poll() is None:
        for child in Path(f"/proc/{process.pid}/task").glob("*/children"):
            for number in child.read_text().split():
                try:
                    line = Path(f"/proc/{number}/cmdline").read_text()
                except OSError:
                    continue
                if "spawn_main" in line:
                    return int(number)
    raise AssertionError("it ended before it had a worker")


def test_a_run_never_mixes_two_decoders(
    tiny_model: Path,
    grey_films: Path,
    tmp_path: Path,
    install_plugin: Callable[..., dict[str, str]],
) -> None:
    """Stopped, then continued with a stranger's reader installed: refused; and read by it: told."""
    films = tmp_path / "films"
    films.mkdir()
    for path in sorted(grey_films.rglob("*.png"))[:3]:
        os.link(path, films / path.name)
    (films / "x.trouble").write_text("TROUBLE 7")
    out = tmp_path / "r.csv"
    stopping = (
        "import sys\n"
        "from xraybatch.prediction import run\n"
        "def stop(*_, **__): raise KeyboardInterrupt\n"
        "run.publish = stop\n"
        "from xraybatch.cli.app import main\n"
        "main(sys.argv[1:])"
    )
    subprocess.run([sys.executable, "-c", stopping, *command(films, out, tiny_model)[3:]])
    assert out.with_name("r.csv.job").exists()
    environment = install_plugin("xb-trouble", "trouble", "trouble_reader", READER)
    done = subprocess.run(
        command(films, out, tiny_model), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 3
    assert "another set of image readers" in " ".join(done.stderr.split())
    assert not out.exists()
    other = tmp_path / "other.csv"
    subprocess.run(command(films, other, tiny_model), env=environment, check=True)
    notes = json.loads(other.with_name("other.csv.run.json").read_text())["film_notes"]
    assert notes["Read by 'trouble' of xb-trouble:trouble, which no self-test compares."] == 1
