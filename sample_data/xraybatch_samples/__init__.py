"""Synthetic knee films to try `xraybatch` on: a room of its own beside the program.

The films in ``films/`` are drawn by the physics in :mod:`xraybatch_samples.phantom` and written by
``python -m xraybatch_samples.make films DIR``. They show nobody and are of no use for diagnosis:
they are there so that a first run, a test or a demonstration has something to read.

Importing this package loads neither numpy nor Pillow.
"""

from collections.abc import Iterator
from errno import EEXIST
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

__all__ = ["films_folder", "model_file", "write"]

FILM_SUFFIXES = frozenset({".png", ".jpg", ".dcm"})


def films_folder() -> Traversable:
    """Return the folder that holds the films, ``labels.csv`` and ``README.md``."""
    return files(__name__) / "films"


def model_file() -> Traversable:
    """Return the place of the demonstration model, ``demo.onnx``."""
    return files(__name__) / "demo.onnx"


def _walk(folder: Traversable, at: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _walk(entry, at / entry.name)
        else:
            yield at / entry.name, entry


def write(folder: Path) -> int:
    """Copy the films, ``labels.csv`` and ``README.md`` into a folder.

    The folder and its parents are made where they are missing. A file that is already there with
    the same content is left as it is. Nothing is written when any file is in the way.

    Parameters
    ----------
    folder
        Where the copies go.

    Returns
    -------
    int
        The number of films (not counting ``labels.csv`` and ``README.md``).

    Raises
    ------
    FileExistsError
        If a file of the same name but with different content is there; the error names it.
    """
    entries = list(_walk(films_folder(), PurePosixPath()))
    missing: list[tuple[Path, Traversable]] = []
    for relative, entry in entries:
        target = folder / relative
        if not target.exists():
            missing.append((target, entry))
        elif not target.is_file() or target.read_bytes() != entry.read_bytes():
            raise FileExistsError(EEXIST, "exists with different content", str(target))
    for target, entry in missing:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(entry.read_bytes())
    return sum(relative.suffix in FILM_SUFFIXES for relative, _ in entries)
