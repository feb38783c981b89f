"""Asking a DICOMweb service politely: few at a time, not too often, and again when it is busy.

Everything that goes wrong for all films alike (nobody answers, the credentials are refused) ends
the run here with one sentence. Needs `requests`.
"""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from xraybatch.core.errors import InputError
from xraybatch.sources.dicomweb.credentials import credentials, refused
from xraybatch.sources.dicomweb.manners import Manners
from xraybatch.sources.dicomweb.multipart import is_cut
from xraybatch.sources.dicomweb.turns import Turns
from xraybatch.sources.in_time import InTime, TooSlow

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_BUSY = frozenset({429, 503})
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds between two tries, where the server says nothing
_PATIENCE = 600.0  # seconds that a server may ask us to stay away; else the run ends
_SLOWEST = 65_536  # bytes a second that a body must bring, beyond the time of one request
_BLOCK = 1 << 16
_AGENT = f"xraybatch/{version('xraybatch')}"


class NoAnswer(Exception):
    """No whole answer to a request, however often it was made; its text says why."""


class TooMuch(Exception):
    """An answer with more bytes than are taken."""


class _InTime(InTime):
    seconds_a_byte = 1 / _SLOWEST


class _Http(HTTPConnection):
    response_class = _InTime


class _Https(HTTPSConnection):
    response_class = _InTime


class Asking(HTTPAdapter):
    """What carries a session's requests: each in its turn, again where that may help, to its end.

    Parameters
    ----------
    manners : Manners
    turns : Turns

    Attributes
    ----------
    most : int
        Bytes that an answer may have.
    """

    def __init__(self, manners: Manners, turns: Turns) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        self.most = 0
        self._manners = manners
        self._turns = turns

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send a request, and read the answer into memory.

        Raises
        ------
        NoAnswer
            If there was none, or never a whole one.
        TooMuch
            If it is larger than `most`.
        XraybatchError
            If nobody is there, the credentials are refused, or it leads elsewhere.
        """
        host = urlsplit(request.url or "").netloc
        request.headers.pop("Host", None)  # of dicomweb-client, without the port
        request.headers["Connection"] = "close"
        why = "no answer"
        for number in range(self._manners.retries + 1):
            last = number == self._manners.retries
            wait = min(_FIRST_WAIT * 2**number, _LONGEST_WAIT)
            try:
                with self._turns.turn():
                    try:
                        response = self._once(request, verify=verify, cert=cert, proxies=proxies)
                    finally:
                        self.close()  # a connection without a turn would be one too many
                    if response.status_code in _BUSY:  # before another has the turn
                        wait = _asked_for(response.headers, wait, host)
                        self._turns.close_for(wait)
                        wait = 0.0
            except _Nobody as error:
                if last:
                    raise _nobody_there(host, str(error)) from error
            except (requests.RequestException, urllib3.exceptions.HTTPError, NoAnswer) as error:
                _check_trust(error, host)
                why = _words(error, self._manners.timeout)
            else:
                _check_answer(response, host)
                if response.status_code not in _AGAIN:
                    return response
                if last:
                    return response
            if last:
                raise NoAnswer(why)
            time.sleep(wait)
        raise NoAnswer(why)

    def get_connection_with_tls_context(self, *given: Any, **named: Any) -> HTTPConnectionPool:
        """A pool whose connections have a time limit for a whole answer."""
        pool = super().get_connection_with_tls_context(*given, **named)
        pool.ConnectionCls = _Https if pool.scheme == "https" else _Http
        return pool

    def _once(self, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        if self._manners.ca_bundle:  # requests would prefer that of the environment
            named["verify"] = self._manners.ca_bundle
        try:
            response = super().send(request, stream=True, timeout=self._manners.timeout, **named)
        except requests.ConnectionError as error:
            if (nobody := _nobody(error)) is not None:
                raise _Nobody(nobody) from error
            raise
        with response:
            announced = response.headers.get("Content-Length", "")
            if announced.isdigit() and int(announced) > self.most:
                raise TooMuch
            blocks, size = [], 0
            while block := response.raw.read1(_BLOCK, decode_content=True):
                blocks.append(block)
                size += len(block)
                if size > self.most:
                    raise TooMuch
        content = b"".join(blocks)
        if is_cut(response.headers.get("Content-Type", ""), content):
            raise NoAnswer("its answer was cut short")
        response.raw = io.BytesIO(content)
        return response


def open_session(manners: Manners, turns: Turns, most: int) -> requests.Session:
    """A session that asks politely, with the credentials that the environment has.

    Parameters
    ----------
    manners : Manners
    turns : Turns
    most : int
        Bytes that an answer may have.

    Raises
    ------
    UsageError
        If the environment's credentials cannot be used.
    """
    session = requests.Session()
    asking = Asking(manners, turns)
    asking.most = most
    for scheme in ("https://", "http://"):
        session.mount(scheme, asking)
    session.headers["User-Agent"] = _AGENT
    session.headers["Accept-Encoding"] = "identity"
    session.auth = credentials()  # None: requests looks into netrc
    return session


class _Nobody(Exception):
    """There is no service where it should be; its text says why."""


def _nobody(error: requests.ConnectionError) -> str | None:
    """Why no connection came about; None if one did, and broke."""
    if isinstance(error, requests.ConnectTimeout):
        return "no answer"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot reach it"
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "its name is not known"
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        cause = reason.__cause__ or reason.__context__
        return (getattr(cause, "strerror", None) or "no connection").lower()
    return None


def _nobody_there(host: str, why: str) -> InputError:
    return InputError(
        f"The DICOMweb service at {host} cannot be reached: {why}.",
        "Look whether it runs and whether this machine may reach it; then give the same command "
        "again.",
    )


def _check_trust(error: Exception, host: str) -> None:
    # a server that closes while they greet each other is an error of TLS, too
    if _came_of(error, ssl.SSLCertVerificationError):
        raise InputError(
            f"The certificate of {host} is not trusted here.",
            "Give the file of your hospital's certificates: --ca-bundle FILE.",
        ) from error


def _words(error: Exception, timeout: float) -> str:
    slow = (requests.Timeout, urllib3.exceptions.TimeoutError)
    if isinstance(error, NoAnswer):
        return str(error)
    if _came_of(error, TooSlow):
        return "its answer came too slowly"
    if isinstance(error, slow):
        return f"it sent nothing for {timeout:g} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return "no encrypted connection came about"
    return "the connection broke"


def _came_of(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error of that kind led to it."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error is not None


def _check_answer(response: requests.Response, host: str) -> None:
    """Raise what stops everything."""
    status = response.status_code
    if status == HTTPStatus.UNAUTHORIZED:
        raise refused(host, status)
    if 300 <= status < 400:
        raise InputError(
            f"{host} sends us to another address ({status}).",
            "Ask for the address of the DICOMweb service itself, and give that one.",
        )


def _asked_for(headers: Mapping[str, str], otherwise: float, host: str) -> float:
    """Seconds that the server wants us to stay away."""
    said = headers.get("Retry-After", "").strip()
    if said.isdigit():
        wait = float(said[:9])
    else:
        try:
            until = parsedate_to_datetime(said)
        except ValueError:
            return otherwise
        wait = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    if wait > _PATIENCE:
        raise InputError(
            f"The DICOMweb service at {host} asks to be left alone for {wait / 60:,.0f} minutes.",
            "Give the same command again after that.",
        )
    return max(0.0, wait)
