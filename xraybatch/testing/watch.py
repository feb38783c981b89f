"""What a piece of work prints and leaves behind, seen from outside."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path


@dataclass
class Seen:
    """What was printed (its first line) and the files that were left, known after the work."""

    printed: str = ""
    files: list[str] = field(default_factory=list)


@contextmanager
def watched(folder: Path) -> Iterator[Seen]:
    """Work in an empty folder as the current one, and tell what came of it."""
    folder.mkdir(exist_ok=True)
    before, seen, said = Path.cwd(), Seen(), StringIO()
    os.chdir(folder)
    try:
        with _descriptors() as written, redirect_stdout(said), redirect_stderr(said):
            yield seen
    finally:
        os.chdir(before)
    seen.printed = next(iter((said.getvalue() + written[0]).strip().splitlines()), "")
    seen.files = sorted(path.name for path in folder.iterdir())


@contextmanager
def quiet() -> Iterator[None]:
    """Work of which nothing is shown, not even what a C library says of a damaged file."""
    with _descriptors():
        yield


@contextmanager
def _descriptors() -> Iterator[list[str]]:
    """Standard output and error of the whole process, kept in a file meanwhile."""
    found = [""]
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = [os.dup(number) for number in (1, 2)]
    with tempfile.TemporaryFile() as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield found
        finally:
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
            file.seek(0)
            found[0] = file.read().decode("utf-8", "replace")
