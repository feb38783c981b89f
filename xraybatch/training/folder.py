"""The run folder: built under another name, whole when it has its own."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO

from xraybatch.core.errors import InputError
from xraybatch.core.files import sync_folder
from xraybatch.core.progress import Progress, Stage
from xraybatch.models.runs import RUNS

LOG = "log.jsonl"
_logger = logging.getLogger(__name__)


@contextmanager
def run_folder(out: Path | None, plugin: str, today: date) -> Iterator[tuple[Path, Path]]:
    """Make a run's folder; it appears whole at the end of the block, or not at all.

    Parameters
    ----------
    out : Path or None
        Its place; None: the next free ``runs/<date>-<plugin>-<n>``.
    plugin : str
    today : date

    Yields
    ------
    Path
        Where to build.
    Path
        Where it will be.

    Raises
    ------
    InputError
        If `out` is there already, or another run is building it.
    """
    building, final = _claim(out, plugin, today)
    try:
        yield building, final
        building.rename(final)
        sync_folder(final.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _claim(out: Path | None, plugin: str, today: date) -> tuple[Path, Path]:
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(
                f"{out} is there already and is not overwritten.", "Choose another --out."
            )
        building = _partial(out)
        try:
            building.mkdir(parents=True)
        except FileExistsError:
            raise InputError(
                f"{building} is there: another run is building {out.name}, or was killed.",
                "Wait for it, or delete that folder.",
            ) from None
        except OSError as error:
            raise InputError(f"{building} cannot be made: {error.strerror}.") from None
        return building, out
    number = 1
    while True:
        final = Path(RUNS) / f"{today.isoformat()}-{plugin}-{number}"
        try:
            if not final.exists():
                _partial(final).mkdir(parents=True)
                return _partial(final), final
        except FileExistsError:  # another run builds it at this moment
            pass
        except OSError as error:
            raise InputError(f"{_partial(final)} cannot be made: {error.strerror}.") from None
        number += 1


def _partial(final: Path) -> Path:
    return final.parent / f".{final.name}.partial"


class LoggedProgress:
    """Hands everything on to another progress, and writes it down as JSON lines.

    Parameters
    ----------
    inner : Progress
    path : Path
        Of the log.
    """

    def __init__(self, inner: Progress, path: Path) -> None:
        self._inner = inner
        self._begun = time.monotonic()
        self._file: IO[str] = path.open("a", encoding="utf-8", newline="\n")

    def close(self) -> None:
        """Close the log."""
        self._file.close()

    @contextmanager
    def stage(self, label: str, total: int | None, unit: str = "films") -> Iterator[Stage]:
        """Open a stage; its length is logged when it ends."""
        begun = time.monotonic()
        with self._inner.stage(label, total, unit) as stage:
            yield stage
        self._write("stage", label, total=total, unit=unit, took=round(time.monotonic() - begun, 3))

    def note(self, sentence: str) -> None:
        """One line."""
        self._write("note", sentence)
        self._inner.note(sentence)

    def warn(self, title: str, sentence: str) -> None:
        """A panel."""
        self._write("warning", sentence, title=title)
        self._inner.warn(title, sentence)

    def _write(self, kind: str, text: str, **more: object) -> None:
        seconds = round(time.monotonic() - self._begun, 3)
        line = {"seconds": seconds, "kind": kind, "text": text, **more}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        _logger.info("%s: %s", kind, text)
