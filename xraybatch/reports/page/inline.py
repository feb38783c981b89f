"""Data, scripts and style sheets inside a page: what a page may hold, and how it is escaped."""

from __future__ import annotations

import base64
import json
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

# Nothing may be fetched from anywhere. The charts' script interprets its expressions, so that not
# even evaluating text has to be allowed; scripts run by their digest alone.
_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
# What would end a script element, or is a line end to a script but not to JSON.
_ENDS = ("<", ">", "&", "\N{LINE SEPARATOR}", "\N{PARAGRAPH SEPARATOR}")
_ESCAPED = str.maketrans({c: f"\\u{ord(c):04x}" for c in _ENDS})


def resource(name: str) -> str:
    """The text of a file of this package."""
    return (files(__package__) / name).read_text(encoding="utf-8")


@cache
def chart_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without outside files."""
    import vl_convert

    found: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return found


def json_data(name: str, value: Any) -> str:
    """An element that scripts read `value` from; nothing in it can end the element."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return f'<script type="application/json" id="{name}">{text.translate(_ESCAPED)}</script>'


def script(code: str) -> str:
    """A script as a module of its own."""
    return f'<script type="module">{code}</script>'


def policy(scripts: list[str]) -> str:
    """The content policy of a page that runs just these scripts."""
    digests = (base64.b64encode(sha256(code.encode()).digest()).decode() for code in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return _POLICY.format(scripts=allowed or "'none'")
