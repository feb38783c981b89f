"""Addresses of a PACS and of its films: a DICOMweb service, and a study, series or instance of it.

``dicomweb+https://HOST/ROOT[/studies/S[/series/E[/instances/I]]]``: what DICOMweb itself calls
them, with a word in front that says how they are asked for.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from dataclasses import dataclass

from xraybatch.core.errors import UsageError
from xraybatch.sources.addresses import public_url
from xraybatch.sources.archives.names import quoted

WORD = "dicomweb+"
_EXAMPLE = "Write it as dicomweb+https://pacs.example.org/dicom-web."
_UID = re.compile(r"[0-9][0-9.]{0,63}")
_PARTS = re.compile(
    r"(?P<root>.*?)(?:/studies/(?P<study>[^/]+)"
    r"(?:/series/(?P<series>[^/]+)(?:/instances/(?P<instance>[^/]+))?)?)?/?"
)


@dataclass(frozen=True)
class Place:
    """What an address names.

    Attributes
    ----------
    service : str
        ``https://HOST/ROOT``, without a slash at the end.
    study, series, instance : str
        UIDs; empty where it names all of them.
    """

    service: str
    study: str = ""
    series: str = ""
    instance: str = ""

    @property
    def host(self) -> str:
        """The server as a person knows it, with its port."""
        return urllib.parse.urlsplit(self.service).netloc

    @property
    def key(self) -> str:
        """What an instance is called in every table: its address relative to the service."""
        return f"studies/{self.study}/series/{self.series}/instances/{self.instance}"

    @property
    def url(self) -> str:
        """Where an instance is asked for."""
        return f"{self.service}/{self.key}"

    @property
    def address(self) -> str:
        """An instance as manifests have it."""
        return f"{WORD}{self.url}"


def is_dicomweb(text: str) -> bool:
    """Whether a source is the address of a PACS."""
    return text.lower().startswith((f"{WORD}https://", f"{WORD}http://"))


def is_uid(text: object) -> bool:
    """Whether it may stand in an address as a UID."""
    return isinstance(text, str) and _UID.fullmatch(text) is not None


def parse_address(address: str, *, allow_http: bool = False) -> Place:
    """Read an address.

    Parameters
    ----------
    address : str
    allow_http : bool
        Take one without encryption, too; else only of this machine.

    Raises
    ------
    UsageError
        If it is none, carries a password or a query, or is not encrypted and may not be so.
    """
    url = address[len(WORD) :]
    shown = quoted(WORD + public_url(url))
    try:
        parts = urllib.parse.urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not is_dicomweb(address) or not usable or not url.isascii() or re.search(r"[\x00- ]", url):
        raise UsageError(f"{shown} is no address of a DICOMweb service.", _EXAMPLE)
    if "@" in parts.netloc:
        raise UsageError(
            "An address with a user name or password is not taken.",
            "Set XRAYBATCH_DICOMWEB_USER and XRAYBATCH_DICOMWEB_PASSWORD, or write ~/.netrc.",
        )
    if parts.query or parts.fragment:
        raise UsageError(f"{shown} has a query, which no DICOMweb service has.", _EXAMPLE)
    if parts.scheme.lower() == "http" and not allow_http and not _is_here(parts.hostname or ""):
        raise UsageError(
            f"{shown} is not encrypted: films and password would go through the network in the "
            "open.",
            "Ask for https, or give --allow-http if that network may see them.",
        )
    found = _PARTS.fullmatch(parts.path)
    names = found.groupdict(default="") if found else {"study": "?"}
    uids = [names.get(name, "") for name in ("study", "series", "instance")]
    if not all(is_uid(uid) for uid in uids if uid):
        raise UsageError(f"{shown} names a study, series or instance by what is no UID.", _EXAMPLE)
    root = names["root"].rstrip("/")
    return Place(f"{parts.scheme.lower()}://{parts.netloc}{root}", *uids)


def _is_here(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
