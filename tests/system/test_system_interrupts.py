"""No lock is left held by Ctrl-C, whenever it comes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Condition and Event take their lock in a line of Python and give it back in another;
# KeyboardInterrupt between the two leaves it held. Named is each place that takes one while Ctrl-C
# could come.
WATCHED = """
import signal, sys, threading, traceback
from xraybatch.cli.app import main
enter, own, named = threading.Condition.__enter__, threading.get_ident(), set()
def watched(condition):
    taken = enter(condition)
    could_come = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if threading.get_ident() == own and could_come:
        places = reversed(traceback.extract_stack()[-6:-1])
        name = " < ".join(f"{place.name} ({place.filename}:{place.lineno})" for place in places)
        if name not in named:
            named.add(name)
            print("HELD", name, file=sys.stderr)
    return taken
threading.Condition.__enter__ = watched
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


def run(*arguments: str) -> str:
    """What a command says of locks that Ctrl-C could leave held."""
    code = f"{WATCHED}main({list(arguments)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 3), done.stderr
    return "\n".join(line for line in done.stderr.splitlines() if line.startswith("HELD"))


@pytest.mark.parametrize(
    "more", [("--workers", "2", "--batch-size", "2"), ("--workers", "0"), ("--dry-run",)]
)
def test_while_predicting(
    tiny_model: Path, grey_films: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    out, model = str(tmp_path / "r.csv"), str(tiny_model)
    common = ("--out", out, "--model", model, "--device", "cpu", "-q")
    assert run("predict", str(grey_films), *common, *more) == ""


def test_while_auditing(grey_films: Path) -> None:
    assert run("audit", str(grey_films)) == ""
