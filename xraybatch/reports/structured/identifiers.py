"""Identifiers that follow from what they name: made again, they are the same."""

from __future__ import annotations

import json
import uuid

_NAMESPACE = uuid.UUID("6f1f2b52-6f0e-4f7c-9a3f-3a6d1d0c8e57")  # ours, for ever
_ROOT = "2.25"  # UUIDs as DICOM writes them (PS3.5 B.2)


def derived_uid(kind: str, *parts: object) -> str:
    """A UID that follows from what it names (a UUID of version 5 under ``2.25.``).

    Parameters
    ----------
    kind : str
        What is named; the same parts as another kind have another UID.
    *parts : str, int, None, or tuples of them
    """
    name = json.dumps([kind, *parts], ensure_ascii=True, separators=(",", ":"))
    return f"{_ROOT}.{uuid.uuid5(_NAMESPACE, name).int}"
