"""The run folder: built under another name, whole when it has its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.files import sync_folder
from xraybatch.models.runs import RUNS

LOG = "log.jsonl"


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
