"""What an item is called in every table: its key, and the order of keys.

One folder as argument: the path relative to it, with ``/``. Anything else: the argument as typed,
normalised, then the path inside it. A key is always valid UTF-8 and never a formula.
"""

from __future__ import annotations

import os
from urllib.parse import quote

from xraybatch.core.names import FORMULA_STARTS

ENCODED = "file:"  # in front of a name that is not UTF-8, percent-encoded byte by byte
SAME = "./"  # in front of a name that would mean something else; it names the same file


def key_of(path: str) -> str:
    """The key of a path that is relative to a folder, or as a person typed it.

    Parameters
    ----------
    path : str
        As `os` gives it; bytes that are no UTF-8 are surrogates.

    Returns
    -------
    str
        Without repeated or trailing slashes and without ``.`` parts (``..`` stays: it can cross a
        link). ``file:`` and percent-encoding if it is not UTF-8; ``./`` in front if a spreadsheet
        would execute it or if it would read as percent-encoded.
    """
    slashed = path.replace(os.sep, "/") if os.sep != "/" else path
    if "//" in slashed or "./" in slashed or slashed.endswith(("/", "/.")):
        root = "/" if slashed.startswith("/") else ""
        slashed = root + "/".join(part for part in slashed.split("/") if part not in ("", "."))
    try:
        slashed.encode()
    except UnicodeEncodeError:
        return ENCODED + quote(os.fsencode(slashed), safe="/")
    return SAME + slashed if slashed.startswith((*FORMULA_STARTS, ENCODED)) else slashed


def joined(base: str, name: str) -> str:
    """`name` inside the folder `base`, with ``/``; `base` may be empty."""
    if not base:
        return name
    return f"{base}{name}" if base.endswith("/") else f"{base}/{name}"


def order_key(key: str) -> bytes:
    """What keys are sorted by, everywhere: their UTF-8 bytes."""
    return key.encode()


def same_key(key: str) -> str:
    """What keys are compared by in joins: without a leading ``./``."""
    while key.startswith(SAME):
        key = key[len(SAME) :]
    return key
