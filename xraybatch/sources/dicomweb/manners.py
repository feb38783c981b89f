"""How a PACS is asked for films: how many at once, how often, how patiently."""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path


def _fresh_folder() -> str:
    return str(Path(tempfile.gettempdir(), f"xraybatch-turns-{secrets.token_hex(8)}"))


@dataclass(frozen=True)
class Manners:
    """How a service is asked; nothing of it is a secret.

    Attributes
    ----------
    connections : int
        Open at once, over all processes.
    rate : float or None
        Requests that may begin in a second, over all processes; None: as many as come.
    ca_bundle : str
        File with the certificates that are trusted; empty: the usual ones.
    allow_http : bool
        Ask services without encryption that are not of this machine, too.
    timeout : float
        Seconds without a byte after which a request has failed, and those that its answer may take
        beside what its bytes need on a slow line.
    retries : int
        How often one is made again.
    turns : str
        Folder by whose files all processes of a run take turns; made when it is needed. No two
        objects have the same, unless one is a copy of the other.
    """

    connections: int = 2
    rate: float | None = None
    ca_bundle: str = ""
    allow_http: bool = False
    timeout: float = 30.0
    retries: int = 5
    turns: str = field(default_factory=_fresh_folder, compare=False)
