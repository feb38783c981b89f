"""Names of people and machines taken out of what is sent to somebody else."""

from __future__ import annotations

import getpass
import platform
import re
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Names:
    """What must not be seen: home folders, user name, host name; empty where not known."""

    homes: tuple[str, ...]
    user: str
    host: str


def read_names() -> Names:
    """Of this process."""
    homes: set[str] = set()
    user = ""
    with suppress(Exception):  # no home folder, as in some containers
        home = Path.home()
        homes = {str(home), str(home.resolve())}
    with suppress(Exception):  # no entry for this user number
        user = getpass.getuser()
    return Names(tuple(h for h in homes if len(h) > 1), user, platform.node())


def without_names(value: T, names: Names) -> T:
    """The same record, its texts with ``~`` for the home folder and without user and host.

    User and host are taken out as parts of a path only, since they may be any word.
    """
    return _cleaned(value, names)  # type: ignore[no-any-return]


def _cleaned(value: Any, names: Names) -> Any:
    if isinstance(value, str):
        kind = type(value)
        return _text(value, names) if kind is str else value
    if isinstance(value, tuple):
        return tuple(_cleaned(one, names) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        found = {one.name: _cleaned(getattr(value, one.name), names) for one in fields(value)}
        return replace(value, **found)
    return value


def _text(text: str, names: Names) -> str:
    for home in sorted(names.homes, key=len, reverse=True):
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    for word, name in (("USER", names.user), ("HOST", names.host)):
        if name:
            text = re.sub(rf"(?<=[/\\]){re.escape(name)}(?![\w.-])", word, text)
    return text
