"""A real terminal, as narrow as people have them, and real signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def wait_for(condition: object, seconds: float = 60) -> None:
    """Poll until `condition()` is true; fail after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: apt install tmux")
@pytest.mark.parametrize("width", [60, 100])
def test_nothing_is_cut_on_a_narrow_terminal(
    tiny_model: Path, grey_films: Path, tmp_path: Path, width: int
) -> None:
    labels = tmp_path / "labels.csv"
    names = sorted(p.relative_to(grey_films).as_posix() for p in grey_films.rglob("*.png"))
    classes = ("normal", "osteopenia", "osteoporosis")
    rows = [f"{name},{classes[i % 3]},P{i // 2}" for i, name in enumerate(names)]
    labels.write_text("\n".join(["path,label,patient", *rows]) + "\n")
    xraybatch = f"{sys.executable} -m xraybatch"
    script = tmp_path / "script.sh"
    script.write_text(
        f"cd {tmp_path}\n"
        f"{xraybatch} predict {grey_films} --out r.csv --model {tiny_model} --device cpu\n"
        f"{xraybatch} score r.csv labels.csv --resamples 500\n"
        "echo finished > done\n"
        "sleep 60\n"
    )
    tmux = ["tmux", "-L", f"xraybatch{os.getpid()}"]
    size = ["-x", str(width), "-y", "200"]
    subprocess.run([*tmux, "new-session", "-d", "-s", "t", *size, f"sh {script}"], check=True)
    try:
        wait_for((tmp_path / "done").exists, 120)
        wait_for(lambda: "Made with" in _screen(tmux))
        screen = _screen(tmux)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    assert "…" not in screen, screen
    for word in ("osteoporosis", "Balanced accuracy", "40 films", "95 % interval"):
        assert word in screen, screen
    assert "\x1b" not in screen


def _screen(tmux: list[str]) -> str:
    done = subprocess.run([*tmux, "capture-pane", "-p", "-t", "t"], capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_stopped_run_says_how_to_go_on_and_leaves_no_process(
    tiny_model: Path, grey_films: Path, tmp_path: Path, name: str
) -> None:
    films = tmp_path / "films"
    for copy in range(30):
        shutil.copytree(grey_films, films / str(copy))
    out = tmp_path / "r.csv"
    code = (
        "from xraybatch.prediction import dispatch; dispatch._COMMIT_SECONDS = 0.01\n"
        "from xraybatch.prediction.jobs.job import Job\n"
        "write = Job.write\n"
        "def told(job, rows):\n"
        "    write(job, rows)\n"
        "    print(job.count_done(), flush=True)\n"
        "Job.write = told\n"
        "from xraybatch.cli.app import main\n"
        f"main(['predict', {str(films)!r}, '--out', {str(out)!r}, '--model', {str(tiny_model)!r},"
        " '--device', 'cpu', '--batch-size', '2', '--workers', '2', '-q'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell's background job, which a test run may be, ignores Ctrl-C and hands that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(getattr(signal, name))
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 5, stderr
    assert "goes on" in stderr
    assert "Traceback" not in stderr
    assert not out.exists()
    wait_for(lambda: not _alive(process.pid))


def _alive(session: int) -> list[str]:
    done = subprocess.run(["ps", "-o", "pid=", "-s", str(session)], capture_output=True, text=True)
    return done.stdout.split()
