"""Single films of web servers: by https, and by http where it does not leave this machine.

An address with a signature is asked as it was given, and kept without: what signs it is in no
table, state or record, and differs each time that somebody signs it.
"""

from __future__ import annotations

import http.client
import random
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.sources.addresses import check_address, opener, public_url
from xraybatch.sources.fetch import IoOptions, ReadBytes
from xraybatch.sources.in_time import InTime
from xraybatch.sources.item import Item
from xraybatch.sources.signatures import is_over, unsigned
from xraybatch.sources.stores.errors import changed, said_of_credentials, too_large

_BLOCK = 1 << 16
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 15.0  # seconds between tries
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_EXPIRED = re.compile(r"<(?:Code|Message)>[^<]*expired", re.IGNORECASE)


def web_item(address: str) -> tuple[Item, str]:
    """The item of an address, and the address as it is to be asked.

    Nothing is asked: its row says what became of it.

    Raises
    ------
    UsageError
        If it is no address, has a password, or would go over a network without encryption.
    """
    check_address(address)
    parts = urllib.parse.urlsplit(address)
    if parts.scheme.lower() == "http" and not _stays_here(parts.hostname or ""):
        raise UsageError(
            f"{public_url(address)} goes over the network without encryption.",
            "Give an https:// address.",
        )
    kept = unsigned(address)
    return Item(kept, kept, 0, 0), address


def reader_of(io: IoOptions) -> ReadBytes:
    """What reads films of web servers, for `fetch.AnyFetch`."""

    def read(path: str, size: int, etag: str, max_bytes: int) -> bytes:
        web_item(path)  # a manifest may hold any address
        for tries in range(io.retries + 1):
            if tries:
                pause = min(_FIRST_PAUSE * 2 ** (tries - 1), _LONGEST_PAUSE)
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that not all come back at once
            try:
                return _read(path, size, etag, max_bytes, io.timeout)
            except _TryAgain as error:
                why = str(error)
        raise FilmError(FilmStatus.UNAVAILABLE, f"{why}, also when asked again.")

    return read


class _TryAgain(Exception):
    """Another try may end otherwise."""


def _read(path: str, size: int, etag: str, max_bytes: int, timeout: float) -> bytes:
    request = urllib.request.Request(path, headers={"User-Agent": "xraybatch"})  # noqa: S310
    try:
        with opener(_Http(), _Https()).open(request, timeout=timeout) as answer:
            told = answer.headers.get("Content-Length", "")
            length = int(told) if told.isdecimal() else None
            found = answer.headers.get("ETag", "")
            if (etag and found and found != etag) or (size and length not in (None, size)):
                raise changed()
            if length is not None and length > max_bytes:
                raise too_large(length, max_bytes)
            content = _body(answer, max_bytes)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error, path) from None
    except InputError as error:  # a redirection that is not followed
        raise FilmError(FilmStatus.UNAVAILABLE, error.message) from None
    except http.client.IncompleteRead:
        raise _TryAgain("The server's answer ends too early") from None
    except (OSError, http.client.HTTPException):
        raise _TryAgain("The server did not answer in time") from None
    if length is not None and len(content) != length:
        raise _TryAgain("The server's answer ends too early")
    return content


class _InTime(urllib.request.AbstractHTTPHandler):
    """Connects so that an answer has one time limit, and not each read of it."""

    def do_open(
        self,
        http_class: Callable[..., http.client.HTTPConnection],
        req: urllib.request.Request,
        **named: Any,
    ) -> http.client.HTTPResponse:
        def connection(*given: Any, **more: Any) -> http.client.HTTPConnection:
            made = http_class(*given, **more)
            made.response_class = InTime
            return made

        return super().do_open(connection, req, **named)


class _Http(_InTime, urllib.request.HTTPHandler):
    pass


class _Https(_InTime, urllib.request.HTTPSHandler):
    pass


def _body(answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """All of an answer, as far as it is no larger than a film may be."""
    content = bytearray()
    while block := answer.read1(_BLOCK):
        content += block
        if len(content) > max_bytes:
            raise too_large(len(content), max_bytes)
    return bytes(content)


def _refusal(error: urllib.error.HTTPError, address: str) -> Exception:
    number = error.code
    if number in (400, 401, 403) and (words := _said_of_signature(error, address)):
        return InputError(
            f"The server says that the signatures of the addresses {words} ({number}).",
            "Sign the list anew and give the same command again: what was done is kept.",
        )
    if number in (404, 410):
        return FilmError(FilmStatus.MISSING, "The server has no such film.")
    if number in (401, 403):
        return FilmError(FilmStatus.FORBIDDEN, f"The server forbids it ({number}).")
    if number in _AGAIN:
        return _TryAgain(f"The server answers {number}")
    return FilmError(FilmStatus.UNAVAILABLE, f"The server answers {number}.")


def _said_of_signature(error: urllib.error.HTTPError, address: str) -> str:
    """What is wrong with an address's signature; empty where it may be this film alone.

    A store also forbids a film that is not there to whoever may not list it.
    """
    if unsigned(address) == address:
        return ""
    if is_over(address, datetime.now(UTC)):
        return "have expired"
    try:
        said = error.read(_BLOCK).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        said = ""
    said += f"<Code>{error.headers.get('x-ms-error-code', '')}</Code>"
    if _EXPIRED.search(said):
        return "have expired"
    return said_of_credentials(said) or ("are not accepted" if error.code == 401 else "")


def _stays_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
