"""`download`: one file from a web server, whole and as its maker says, or a sentence.

What came is kept when the connection breaks or a person stops it, and the same call goes on from
there; but only where the server can say that the file is still the same.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

from xraybatch.core.errors import InputError, Interrupted, UsageError
from xraybatch.core.files import sha256_of, write_text
from xraybatch.core.progress import SILENT, Progress, Stage
from xraybatch.sources.addresses import check_address, opener, public_url
from xraybatch.sources.archives.names import quoted

ATTEMPTS = 6  # in a row without a byte
_BLOCK = 1 << 18
_MEGABYTE = 1_000_000
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d+)-\d*/(\d+|\*)\Z")


@dataclass(frozen=True)
class Downloaded:
    """A file that was fetched.

    Attributes
    ----------
    path : Path
    name : str
        The last part of the address.
    url : str
        Without what gives access.
    sha256 : str
    size : int
    """

    path: Path
    name: str
    url: str
    sha256: str
    size: int


def download(
    url: str,
    folder: Path,
    *,
    sha256: str = "",
    limit: int = 100 << 30,
    timeout: float = 60.0,
    wait: Callable[[float], None] = time.sleep,
    progress: Progress = SILENT,
) -> Downloaded:
    """Fetch a file, going on where an earlier call was stopped.

    Parameters
    ----------
    url : str
        ``http`` or ``https``.
    folder : Path
        Where the file and what is known of it are kept; made where it is missing.
    sha256 : str
        That the file must have; empty: any.
    limit : int
        Bytes.
    timeout : float
        Seconds without a byte.
    wait : callable
        Called with the seconds between two attempts.
    progress : Progress

    Raises
    ------
    UsageError
        If the address or the hash cannot be one.
    InputError
        If the server does not have it, the file is larger than the limit or has another hash (then
        nothing is kept), or the connection breaks again and again (what came is kept).
    Interrupted
        If stopped; what came is kept.
    """
    check_address(url)
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UsageError(
            f"--sha256 '{sha256}' is no SHA-256.", "It has 64 digits of 0 to 9 and a to f."
        )
    fetch = _Fetch(url, folder, limit, timeout, progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with progress.stage("downloading", None, "MB") as stage:
            fetch.run(stage, wait)
        digest = sha256_of(fetch.file)
    except KeyboardInterrupt:
        raise Interrupted(
            "Stopped while downloading.", "What came is kept: the same command goes on."
        ) from None
    except OSError as error:
        raise InputError(
            f"The download cannot be written into {quoted(str(folder))}: {error.strerror}.",
            "Set XRAYBATCH_CACHE to a folder with room.",
        ) from None
    if sha256 and digest != sha256.lower():
        fetch.forget()
        raise InputError(
            f"{quoted(public_url(url))} has another SHA-256 than --sha256 says: {digest}.",
            "Compare it with what the maker of the data tells: it may have changed, or be another "
            "file.",
        )
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])
    return Downloaded(
        fetch.file, name or "download", public_url(url), digest, fetch.file.stat().st_size
    )


def file_name(url: str) -> str:
    """What a download of an address is called while it is kept."""
    return f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.part"


def forget(found: Downloaded) -> None:
    """Remove a download that is not needed any more."""
    found.path.unlink(missing_ok=True)
    found.path.with_suffix(".json").unlink(missing_ok=True)


class _Again(Exception):
    """What may go better at the next attempt; its text says what it was."""


class _Fetch:
    """One file on its way."""

    def __init__(
        self, url: str, folder: Path, limit: int, timeout: float, progress: Progress
    ) -> None:
        self._url, self._limit, self._timeout, self._progress = url, limit, timeout, progress
        self.file = folder / file_name(url)
        self._about = self.file.with_suffix(".json")
        self._shown = 0

    def run(self, stage: Stage, wait: Callable[[float], None]) -> None:
        """Ask until the file is whole."""
        failures, most = 0, self._size()
        while True:
            try:
                self._attempt(stage)
                return
            except _Again as why:
                failures = 1 if self._size() > most else failures + 1
                most = max(most, self._size())
                if failures >= ATTEMPTS:
                    kept = self._size()
                    raise InputError(
                        f"{quoted(public_url(self._url))} cannot be fetched: {why}.",
                        f"{kept / _MEGABYTE:,.1f} MB are kept: the same command goes on later."
                        if kept
                        else "Look at the address in a browser, or try again later.",
                    ) from None
            wait(min(60.0, 2.0**failures))

    def forget(self) -> None:
        """Remove what came."""
        self.file.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)

    def _attempt(self, stage: Stage) -> None:
        """One request, and all of its answer."""
        at, validator = self._size(), self._validator()
        headers = {
            "Accept-Encoding": "identity",
            "User-Agent": f"xraybatch/{version('xraybatch')}",
        }
        if at and validator:
            headers |= {"Range": f"bytes={at}-", "If-Range": validator}
        elif at:
            self._progress.note(
                "The server cannot say whether the file is still the same: from the beginning."
            )
            self.forget()
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310 - checked
        try:
            with opener().open(request, timeout=self._timeout) as answer:
                self._take(answer, at if "Range" in headers else 0, stage)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, at)
        except (http.client.HTTPException, urllib.error.URLError, TimeoutError) as error:
            raise _Again(_why(error)) from None
        except (ConnectionError, ssl.SSLError) as error:
            raise _Again(_why(error)) from None

    def _take(self, answer: http.client.HTTPResponse, at: int, stage: Stage) -> None:
        part = _RANGE.match(answer.headers.get("Content-Range", "").strip())
        if answer.status == HTTPStatus.PARTIAL_CONTENT:
            if part is None or int(part[1]) != at:
                self.forget()
                raise _Again("the server answered with another part of the file")
            total = None if part[2] == "*" else int(part[2])
        else:
            if at:
                self._progress.note(
                    "The server sends the file from the beginning: it has changed, or the server "
                    "cannot go on."
                )
            at = 0
            length = answer.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
        self._check_size(total or 0)
        if not at:
            about = {"url": public_url(self._url), "validator": _validator_in(answer.headers)}
            self.file.unlink(missing_ok=True)
            write_text(self._about, json.dumps(about))
        with self.file.open("ab") as file:
            while block := answer.read(_BLOCK):
                at += len(block)
                self._check_size(at)
                file.write(block)
                self._show(at, total, stage)
        if total is not None and at != total:
            raise _Again(
                f"the connection was cut after {at / _MEGABYTE:,.1f} of {total / _MEGABYTE:,.1f} MB"
            )

    def _refused(self, error: urllib.error.HTTPError, at: int) -> None:
        """Nothing for a file that is whole already, else the error of an answer that is none."""
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and at:
            total = error.headers.get("Content-Range", "").rpartition("/")[2]
            if total == str(at) and _validator_in(error.headers) in ("", self._validator()):
                return
            self.forget()
            raise _Again("the file has changed on the server")
        if error.code in _AGAIN:
            raise _Again(f"the server answers {error.code} ({error.reason})")
        hints = {
            401: "It asks for a login: download it in a browser and give the file.",
            403: "It may ask for a login: download it in a browser and give the file.",
            404: "Look at the address in a browser.",
        }
        raise InputError(
            f"{quoted(public_url(self._url))} cannot be fetched: the server answers {error.code} "
            f"({error.reason}).",
            hints.get(error.code, "Look at the address in a browser, or try again later."),
        )

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            self.forget()
            raise InputError(
                f"{quoted(public_url(self._url))} is larger than {self._limit / (1 << 30):,.3g} "
                "GB.",
                "If that is meant, raise --max-gigabytes of `xraybatch prepare`.",
            )

    def _show(self, at: int, total: int | None, stage: Stage) -> None:
        steps = at // _MEGABYTE - self._shown
        if steps > 0:
            self._shown += steps
            stage.advance(steps, f"of {total / _MEGABYTE:,.0f} MB" if total else "")

    def _size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def _validator(self) -> str:
        try:
            return str(json.loads(self._about.read_text(encoding="utf-8"))["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""


def _validator_in(headers: Message) -> str:
    """What If-Range takes: a strong ETag, else the date of the last change."""
    tag: str = headers.get("ETag", "").strip()
    if tag and not tag.startswith("W/"):
        return tag
    return str(headers.get("Last-Modified", "")).strip()


def _why(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return " ".join(str(text).split())[:120].replace("'", "’").rstrip(".")
