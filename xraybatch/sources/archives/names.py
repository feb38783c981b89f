"""Names inside archives, which anybody may have written: safe parts of a path, or a sentence."""

from __future__ import annotations

import os
import re
import unicodedata

from xraybatch.core.errors import InputError

LOOK = "Unpack it yourself, look at what it holds, and give the folder."
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST = 80  # characters of a name that a sentence shows


class Unsafe(Exception):
    """A name that no file may be written under; its text says why."""


class Nameless(Unsafe):
    """No name at all."""


def safe_parts(name: str, *, written: bool = True) -> tuple[str, ...]:
    r"""Folders and file name of an archive's member, below whatever folder it is put into.

    Parameters
    ----------
    name : str
        As the archive has it; ``\`` separates as ``/`` does, because Windows writes it so.
    written : bool
        Whether a file of that name is to be written; one that is only read may hold line ends and
        other control characters.

    Raises
    ------
    Unsafe
        If the name is absolute, has a drive letter or a colon that Windows would obey, goes up by
        ``..``, holds a NUL or another control character, or is empty.
    """
    slashed = name.replace("\\", "/")
    if slashed.startswith("/"):
        raise Unsafe("has an absolute name")
    if _DRIVE.match(slashed):
        raise Unsafe("has a drive letter in its name")
    parts = tuple(part for part in slashed.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Unsafe("would be written outside the folder")
    if "\0" in slashed or (written and _CONTROL.search(slashed)):
        raise Unsafe("has a control character in its name")
    if os.name == "nt" and any(":" in part for part in parts):
        raise Unsafe("has a colon in its name")
    if not parts:
        raise Nameless("has no name")
    return parts


def folded(parts: tuple[str, ...]) -> str:
    """What two names share that one file system or another takes for the same."""
    return unicodedata.normalize("NFC", "/".join(parts)).casefold()


def quoted(name: str) -> str:
    """A name for a sentence: in single quotes, which it cannot end, and not too long."""
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return "'" + short.replace("'", "’") + "'"


def refused(archive: str, name: str, why: str) -> InputError:
    """The error of a member that makes its whole archive unusable."""
    return InputError(
        f"The archive {quoted(archive)} is refused: {quoted(name)} in it {why}.", LOOK
    )
