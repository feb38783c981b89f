"""The one way to films that are elsewhere: an address is handed to the module of its scheme.

Nothing of a store's or a server's library is imported before the first film is read from there.
"""

from __future__ import annotations

import math
import shutil
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from xraybatch.core.errors import InputError, UsageError
from xraybatch.sources.dicomweb.manners import Manners

ReadBytes = Callable[[str, int, str, int], bytes]

# Each module has `reader_of(io: IoOptions) -> ReadBytes`, with the errors of `images.fetching`.
_MODULES = {
    "s3": "xraybatch.sources.stores.store",
    "gs": "xraybatch.sources.stores.store",
    "az": "xraybatch.sources.stores.store",
    "https": "xraybatch.sources.web_films",
    "http": "xraybatch.sources.web_films",
    "dicomweb+https": "xraybatch.sources.dicomweb.fetch",
    "dicomweb+http": "xraybatch.sources.dicomweb.fetch",
}


@dataclass(frozen=True)
class IoOptions:
    """How what is elsewhere is asked; nothing of it is a secret.

    Attributes
    ----------
    endpoint_url : str, optional
        Of an S3-compatible store that is not Amazon's.
    no_sign_request : bool
        Ask without credentials, as public data allows.
    timeout : float
        Seconds that one request may take, with all of its bytes.
    retries : int
        How often a request is made again.
    threads : int
        Reads in flight of one process.
    pacs : Manners
        How a PACS is asked beside that: `manners` has all of it.
    """

    endpoint_url: str | None = None
    no_sign_request: bool = False
    timeout: float = 30.0
    retries: int = 5
    threads: int = 8
    pacs: Manners = field(default_factory=Manners)

    @property
    def manners(self) -> Manners:
        """How a PACS is asked."""
        return replace(self.pacs, timeout=self.timeout, retries=self.retries)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise UsageError(
                f"--io-timeout {self.timeout:g} is no time limit.", "Give seconds, such as 30."
            )
        if self.retries < 0 or self.threads < 1:
            raise UsageError(
                "--io-retries is 0 or more, and --io-threads 1 or more.", "Leave them out."
            )


class AnyFetch:
    """Reads films from wherever their addresses say; the `images.fetching.Fetch` of a run.

    Parameters
    ----------
    io : IoOptions
    signed : mapping of str to str, optional
        What is asked for an address that is kept without its signature.
    """

    def __init__(self, io: IoOptions, signed: Mapping[str, str] | None = None) -> None:
        self._begin(io, signed or {})
        # what its copies in other processes share goes with this one
        weakref.finalize(self, shutil.rmtree, io.pacs.turns, ignore_errors=True)

    def _begin(self, io: IoOptions, signed: Mapping[str, str]) -> None:
        self.threads = io.threads
        self._io = io
        self._signed = dict(signed)
        self._readers: dict[str, ReadBytes] = {}
        self._lock = threading.Lock()

    def read(self, path: str, size: int, etag: str, max_bytes: int) -> bytes:
        """All bytes of a film; see `images.fetching.Fetch`.

        Raises
        ------
        FilmError
        XraybatchError
            Also for an address of a kind that is not read, or where an extra is missing.
        """
        path = self._signed.get(path, path)
        return self._reader(scheme_of(path))(path, size, etag, max_bytes)

    def _reader(self, scheme: str) -> ReadBytes:
        with self._lock:
            if scheme not in self._readers:
                module = import_module(module_of(scheme))
                reader: ReadBytes = module.reader_of(self._io)
                for other, name in _MODULES.items():
                    if name == module.__name__:
                        self._readers[other] = reader
            return self._readers[scheme]

    def __getstate__(self) -> dict[str, Any]:
        return {"io": self._io, "signed": self._signed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin(**state)


def scheme_of(path: str) -> str:
    """What stands before ``://``, in lower case."""
    return path.partition("://")[0].lower()


def module_of(scheme: str) -> str:
    """The module that reads addresses of a kind.

    Raises
    ------
    InputError
        If none does.
    """
    if scheme not in _MODULES:
        known = ", ".join(f"{one}://" for one in _MODULES if not one.endswith("http"))
        raise InputError(f"Films are not read from {scheme}:// addresses.", f"Known are: {known}.")
    return _MODULES[scheme]
