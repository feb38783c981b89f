"""Label maps as people write them in Python, as the text that the command line takes."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any


def map_text(label_map: Mapping[Any, str] | str) -> str:
    """``{0: "normal"}`` → ``0=normal``; what holds a comma is quoted."""
    if isinstance(label_map, str):
        return label_map
    text = io.StringIO()
    pairs = (f"{value}={name}" for value, name in label_map.items())
    csv.writer(text, lineterminator="").writerow(pairs)
    return text.getvalue()
