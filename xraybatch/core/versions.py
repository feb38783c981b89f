"""Versions of Python and of the libraries that have a share in a result."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """Python's version, and that of each distribution in `names` that is installed."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def changed_since(then: Mapping[str, object], names: Iterable[str]) -> list[str]:
    """``pillow 13.0 (was 12.1)`` for each of `names` that is of another version now than `then`.

    What only one of the two has is left aside: onnxruntime has two names.
    """
    now = versions_of(names)
    return [
        f"{name} {now[name]} (was {then[name]})"
        for name in names
        if name in then and name in now and then[name] != now[name]
    ]
