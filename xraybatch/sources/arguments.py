"""What the arguments of a command mean: paths, addresses, lists, and patterns to be expanded."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.names import did_you_mean
from xraybatch.sources.item import is_remote

LIST = "@"
_NEAREST_AMONG = 2000


def expanded(typed: list[str]) -> Iterator[tuple[str, bool]]:
    """Lists and globs to the paths they mean.

    Parameters
    ----------
    typed : list of str

    Yields
    ------
    (str, bool)
        A path or an address; whether it is a line of a list.

    Raises
    ------
    InputError
        If there is no such path, a pattern matches nothing, or a list cannot be used.
    """
    for argument in typed:
        if os.path.lexists(argument) or is_remote(argument):
            yield argument, False
        elif argument.startswith(LIST):
            yield from ((line, True) for line in _listed(argument[len(LIST) :]))
        elif glob.has_magic(argument):
            found = sorted(glob.glob(argument, recursive=True), key=os.fsencode)  # noqa: PTH207
            if not found:
                raise InputError(f"Nothing matches '{argument}'.")
            yield from ((path, False) for path in found)
        else:
            raise InputError(f"There is no '{argument}'.", _nearest(argument))


def _listed(path: str) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise InputError(
            f"The list '{path}' cannot be read: {error.strerror}.", _nearest(path)
        ) from None
    lines = [line for line in text.split("\n") if line]
    if not any(os.path.lexists(line) or is_remote(line) for line in lines):
        raise InputError(
            f"None of the {len(lines)} paths in the list '{path}' exists.",
            f"They are taken relative to the current folder, {Path.cwd()}.",
        )
    return lines


def _nearest(path: str) -> str:
    parent, name = os.path.split(path.rstrip("/"))
    try:
        with os.scandir(parent or ".") as entries:
            names = [entry.name for entry in islice(entries, _NEAREST_AMONG)]
    except OSError:
        return f"The folder '{parent}' does not exist either."
    hint = did_you_mean(name, names)
    # never a list of what is there: names of files can be names of patients
    return hint if hint.startswith("Did you mean") else f"Look into '{parent or '.'}'."
