"""Label maps, ``0=normal,1=abnormal``: what the values of a table mean."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from xraybatch.core.errors import UsageError


def parse_label_map(text: str) -> dict[str, str]:
    """Read ``0=normal,1=abnormal``; an empty right side means "not labelled".

    A part with a comma stands in double quotes, as in CSV; the last ``=`` of a part counts.

    Raises
    ------
    UsageError
        If a part has no ``=``, or a value stands twice.
    """
    found: dict[str, str] = {}
    for part in next(csv.reader([text])):
        value, equals, name = (piece.strip() for piece in part.rpartition("="))
        if not equals or value in found:
            problem = f"'{value}' twice" if value in found else f"'{part.strip()}' without '='"
            raise UsageError(
                f"--label-map {text} has {problem}.", "Write --label-map 0=normal,1=abnormal."
            )
        found[value] = name
    return found


def map_text(label_map: Mapping[Any, str] | str) -> str:
    """What `parse_label_map` reads; ``{0: "normal"}`` → ``0=normal``."""
    if isinstance(label_map, str):
        return label_map
    text = io.StringIO()
    pairs = (f"{value}={name}" for value, name in label_map.items())
    csv.writer(text, lineterminator="").writerow(pairs)
    return text.getvalue()
