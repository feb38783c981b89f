"""The run folder: built under another name, whole when it has its own; kept when it can go on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

from xraybatch.core.errors import InputError, Interrupted, XraybatchError
from xraybatch.core.files import sync_folder
from xraybatch.core.lock import Taken, exclusive
from xraybatch.models.runs import FOLDS, RUNS, partial
from xraybatch.training.state import is_over

LOG = "log.jsonl"
STATE = "state"  # where the training of each network stands
ABOUT = "resume.json"
_LOCK = "lock"
_SCAFFOLD = (STATE, _LOCK, f"{_LOCK}-journal", ABOUT)  # the last says that others may be there


@contextmanager
def run_folder(out: Path | None, plugin: str, today: date) -> Iterator[tuple[Path, Path]]:
    """Make a run's folder; it appears whole at the end of the block, or not at all.

    What was built so far is kept where it can be gone on with: once a phase of training or a fold
    is over, and after an interruption or a crash once an epoch is done.

    Parameters
    ----------
    out : Path or None
        Its place; None: the next free ``runs/<date>-<plugin>-<n>``.
    plugin : str
        Empty: nothing that `reopened` could go on with.
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
        If `out` is there already or cannot become a run's folder, or another run is building it.
    """
    building, final = _claim(out, plugin, today)
    try:
        with _held(building):
            yield building, final
        publish(building, final)
    except BaseException as error:
        if not _worth_keeping(building, error):
            shutil.rmtree(building, ignore_errors=True)
        raise


@contextmanager
def reopened(building: Path, final: Path) -> Iterator[None]:
    """Go on in the folder of an unfinished run, which is kept whatever happens.

    Everything in it that is not known to be whole is removed first.

    Raises
    ------
    InputError
        If another process is building it at this moment.
    """
    with _held(building):
        for entry in building.iterdir():
            if entry.name not in (*_SCAFFOLD, FOLDS, LOG):
                remove(entry)
        for unfinished in (building / FOLDS).glob(".*"):
            remove(unfinished)
        for unfinished in (building / STATE).rglob(".*.tmp"):
            remove(unfinished)
        yield
    publish(building, final)


def publish(building: Path, final: Path) -> None:
    """Give a folder that is whole its name, and take the scaffold away."""
    building.rename(final)
    sync_folder(final.parent)
    clear(final)


def clear(final: Path) -> None:
    """Take away what is left of the scaffold of a finished run."""
    for name in _SCAFFOLD:
        remove(final / name)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def place_of(out: Path) -> Path:
    """Where a folder really lies that a person names by a link, or without a name, like ``.``."""
    if not out.is_symlink() and out.name not in ("", ".."):
        return out
    try:
        return out.resolve()
    except RuntimeError:  # until Python 3.13
        raise InputError(f"{out} is a link to itself.", "Choose another --out.") from None


@contextmanager
def _held(building: Path) -> Iterator[None]:
    """Hold a folder against other processes; whatever ends this one lets it go."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(building / _LOCK))
        except Taken:
            raise InputError(
                f"{building} is built by another run at this moment.", "Wait for it, or stop it."
            ) from None
        yield


def _worth_keeping(building: Path, error: BaseException) -> bool:
    if any((building / FOLDS).glob("[0-9]*")):
        return True
    ours = isinstance(error, XraybatchError) and not isinstance(error, Interrupted)
    return any(not ours or is_over(path) for path in (building / STATE).rglob("*.npz"))


def _claim(out: Path | None, plugin: str, today: date) -> tuple[Path, Path]:
    if out is not None:
        out = place_of(out)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(
                f"{out} is there already and is not overwritten.", "Choose another --out."
            )
        if out.exists() and (out.samefile(Path.cwd()) or out.is_mount()):
            raise InputError(
                f"{out} is {'a mount' if out.is_mount() else 'the current folder'}, in whose place "
                "no other folder can be put.",
                f"Name one in it: --out {out / 'run'}",
            )
        building = partial(out)
        try:
            building.mkdir(parents=True)
        except FileExistsError:
            resume = f"`xraybatch train --resume {out}` goes on with it; " if plugin else ""
            raise InputError(
                f"{building} is there: another run is building {out.name}, or was stopped.",
                f"If it was, {resume}deleting that folder lets it begin anew.",
            ) from None
        except OSError as error:
            raise InputError(f"{building} cannot be made: {error.strerror}.") from None
        return building, out
    number = 1
    while True:
        final = Path(RUNS) / f"{today.isoformat()}-{plugin}-{number}"
        try:
            if not final.exists():
                partial(final).mkdir(parents=True)
                return partial(final), final
        except FileExistsError:  # another run builds it at this moment, or was stopped
            pass
        except OSError as error:
            raise InputError(f"{partial(final)} cannot be made: {error.strerror}.") from None
        number += 1
