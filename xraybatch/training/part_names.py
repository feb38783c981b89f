"""The parts of a split, and what data sets call them."""

from __future__ import annotations

import re

TRAIN, VALIDATION, TEST = PARTS = ("train", "val", "test")

_PART = re.compile(
    r"(?:(train|training)|(val|valid|validation|dev)|(test|testing|holdout))"
    r"(?:[ _.-]?(?:set|data|dataset|images|imgs|films|folder|split))?\Z",
    re.IGNORECASE,
)


def part_called(name: str) -> str:
    """``train``, ``val`` or ``test`` for one of their usual names; else empty."""
    found = _PART.match(name)
    return PARTS[(found.lastindex or 1) - 1] if found else ""
