"""What Ultralytics writes into the models that it exports."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xraybatch.core.errors import ModelError
from xraybatch.training.adoption.foreign import Foreign, plain

_KEPT = ("author", "version", "date", "license", "stride")  # paths of a disk stand in others
_LONGEST = 1_000_000


@dataclass(frozen=True)
class Ultralytics:
    """Its metadata.

    Attributes
    ----------
    classes : tuple of str
        In the order of the outputs; empty where they cannot be read.
    size : tuple of int or None
        Height and width.
    kept : mapping of str to str
        What else is worth keeping: author, version, licence.
    """

    classes: tuple[str, ...]
    size: tuple[int, int] | None
    kept: Mapping[str, str]


def read_ultralytics(foreign: Foreign) -> Ultralytics | None:
    """The metadata of an export by Ultralytics; None where another program wrote the file.

    Raises
    ------
    ModelError
        If it is not a classifier.
    """
    found = foreign.metadata
    if "task" not in found or not ("stride" in found or found.get("author") == "Ultralytics"):
        return None
    if found["task"] != "classify":
        raise ModelError(
            f"{foreign.path} is a model of Ultralytics for '{plain(found['task'])}', which does "
            "not classify whole films.",
            "Train one with task=classify (yolo…-cls) and export that.",
        )
    return Ultralytics(
        classes=_classes(_value(found.get("names", ""))),
        size=_size(_value(found.get("imgsz", ""))),
        kept={key: plain(found[key]) for key in _KEPT if found.get(key)},
    )


def _value(text: str) -> Any:
    """A Python literal, as Ultralytics writes them; None where it is none."""
    if len(text) > _LONGEST:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _classes(names: Any) -> tuple[str, ...]:
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or set(names) != set(range(len(names))):
        return ()
    return tuple(str(names[i]) for i in range(len(names)))


def _size(size: Any) -> tuple[int, int] | None:
    if isinstance(size, int):
        size = [size, size]
    if isinstance(size, list | tuple) and len(size) == 2 and all(type(n) is int for n in size):
        return size[0], size[1]
    return None
