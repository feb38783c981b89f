"""Answers of web servers that are over in time, however slowly their bytes come.

A socket's time limit is one for each read: a server that sends a byte now and then, be it of the
status line, of a header or of the film, would be waited for without end.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

_LEAST = 0.001  # seconds; none at all would mean that nothing is waited for


class TooSlow(TimeoutError):
    """An answer that began, and was not over in time."""


class InTime(http.client.HTTPResponse):
    """An answer that has the time limit of its connection for everything that it says.

    What a connection of `http.client`, or of what is built on it, takes as ``response_class``.

    Attributes
    ----------
    seconds_a_byte : float
        By which each byte that came moves the limit.
    """

    seconds_a_byte = 0.0

    def __init__(self, sock: socket.socket, *given: Any, **named: Any) -> None:
        super().__init__(sock, *given, **named)
        limit = sock.gettimeout()
        if limit is not None:
            timed = _Timed(self.fp.detach(), sock, limit, self.seconds_a_byte)
            self.fp = io.BufferedReader(timed)


class _Timed(io.RawIOBase):
    """What a socket sends until the time is over."""

    def __init__(
        self, raw: io.RawIOBase, sock: socket.socket, limit: float, seconds_a_byte: float
    ) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._limit = limit
        self._seconds_a_byte = seconds_a_byte
        self._until = time.monotonic() + limit
        self._began = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if self._began and left <= 0:
            raise TooSlow
        self._sock.settimeout(min(self._limit, max(left, _LEAST)))
        try:
            count = self._raw.readinto(buffer)
        except TimeoutError:
            if self._began:
                raise TooSlow from None
            raise
        finally:
            self._sock.settimeout(self._limit)
        self._began = True
        self._until += (count or 0) * self._seconds_a_byte
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
