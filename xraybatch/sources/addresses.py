"""Addresses of web servers: which are taken, what is shown of them, and how they are asked."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from email.message import Message

from xraybatch.core.errors import InputError, UsageError
from xraybatch.sources.archives.names import quoted

_SECRET = re.compile(r"token|sig|key|auth|pass|secret|credential", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether a source is an address of a web server."""
    return text.lower().startswith(("http://", "https://"))


def public_url(url: str) -> str:
    """An address without what gives access: passwords, and values of queries named so."""
    parts = urllib.parse.urlsplit(url)
    query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    shown = "&".join(f"{k}={'…' if _SECRET.search(k) else v}" for k, v in query)
    return urllib.parse.urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path, shown, "")
    )


def check_address(url: str) -> None:
    """Raise `UsageError` unless `url` can be asked for as it is."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not url.isascii() or any(c <= " " for c in url):
        raise UsageError(f"{quoted(url)} is no address.", "Copy it from the browser.")
    if "@" in parts.netloc:
        raise UsageError(
            "An address with a user name or password is not taken.",
            "Download it in a browser and give the file.",
        )


def opener(*connecting: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Of web servers only: `build_opener` would also open files and FTP.

    Parameters
    ----------
    *connecting : BaseHandler
        What connects by http and https, in place of the usual.
    """
    found = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        *(connecting or (urllib.request.HTTPHandler(), urllib.request.HTTPSHandler())),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _StaysSafe(),
    ):
        found.add_handler(handler)
    return found


class _StaysSafe(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but never from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: object,
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not is_url(newurl):
            raise InputError(
                f"{quoted(public_url(req.full_url))} leads to an address that is none of the web.",
                "Look at it in a browser.",
            )
        if req.full_url.lower().startswith("https:") and not newurl.lower().startswith("https:"):
            raise InputError(
                f"{quoted(public_url(req.full_url))} leads to an address without encryption.",
                "Give that address yourself if you trust it.",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
