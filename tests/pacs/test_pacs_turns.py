"""Turns over processes, of which some are killed while they hold a place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xraybatch.sources.dicomweb.turns import Turns

HOLD = """
import sys, time
from xraybatch.sources.dicomweb.turns import Turns
with Turns(sys.argv[1], int(sys.argv[2])).turn():
    print("holds", flush=True)
    time.sleep(600)
"""


def holder(folder: Path, most: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(most)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_process_that_is_killed_holds_no_place(tmp_path: Path) -> None:
    folder = tmp_path / "turns"
    first, second = holder(folder, 2), holder(folder, 2)
    assert first.stdout is not None
    assert second.stdout is not None
    assert first.stdout.readline() == second.stdout.readline() == "holds\n"
    third = holder(folder, 2)  # waits, in the queue
    fourth = holder(folder, 2)
    try:
        os.kill(third.pid, signal.SIGKILL)  # it held the queue, or waited behind the fourth
        third.wait()
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        assert fourth.stdout is not None
        assert fourth.stdout.readline() == "holds\n"
        assert second.poll() is None
    finally:
        for process in (first, second, third, fourth):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_what_one_process_knows_all_know(tmp_path: Path) -> None:
    one, other = (Turns(str(tmp_path / "turns"), 3) for _ in range(2))
    one.refused()
    assert (other.refused().refused, other.refused().answered) == (2, 0)
    one.answered()
    assert other.refused().answered == 1


def test_nobody_begins_while_the_server_wants_peace(tmp_path: Path) -> None:
    one, other = (Turns(str(tmp_path / "turns"), 3) for _ in range(2))
    begin = time.monotonic()
    one.close_for(0.3)
    with other.turn():
        assert time.monotonic() - begin >= 0.3


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 31])
def test_a_file_that_was_cut_begins_anew(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "turns"
    folder.mkdir()
    (folder / "state").write_bytes(content)
    turns = Turns(str(folder), 1)
    with turns.turn():
        assert turns.refused().refused == 1
