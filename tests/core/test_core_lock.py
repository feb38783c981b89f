"""A file held against other processes: let go by whatever ends the one that holds it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from xraybatch.core.errors import InputError
from xraybatch.core.lock import Taken, exclusive

HOLDER = """
import sys, time
from pathlib import Path
from xraybatch.core.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    told: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Taken), exclusive(path):
            raise AssertionError

        def waiting() -> None:
            told.append("waiting")
            holder.kill()

        with exclusive(path, waiting):
            assert told == ["waiting"]
    with exclusive(path):  # free again after the block, too
        pass


def test_one_after_the_other(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []
    another = threading.Event()  # has come to the lock, or in

    def work(number: int) -> None:
        with exclusive(tmp_path / "lock", another.set):
            inside.append(number)
            most.append(len(inside))
            if len(inside) > 1:
                another.set()
            another.wait(timeout=60)
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_what_cannot_be_held_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be held"), exclusive(tmp_path / "no" / "lock"):
        raise AssertionError
