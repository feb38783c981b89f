"""The credentials for a DICOMweb service: from the environment alone, and kept nowhere.

Needs `requests`.
"""

from __future__ import annotations

import os

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from xraybatch.core.errors import InputError, UsageError, XraybatchError

TOKEN = "XRAYBATCH_DICOMWEB_TOKEN"  # noqa: S105 - its name
USER = "XRAYBATCH_DICOMWEB_USER"
PASSWORD = "XRAYBATCH_DICOMWEB_PASSWORD"  # noqa: S105 - its name


def credentials() -> AuthBase | None:
    """Those of the environment; None where it has none, and `requests` looks into netrc.

    Raises
    ------
    UsageError
        If they cannot be used.
    """
    token = os.environ.get(TOKEN, "").strip()
    if token:
        if not (token.isascii() and token.isprintable()):
            raise UsageError(f"{TOKEN} holds characters that no token has.", "Set it anew.")
        return _Token(token)
    user, password = os.environ.get(USER, ""), os.environ.get(PASSWORD, "")
    if bool(user) != bool(password):
        there, missing = (USER, PASSWORD) if user else (PASSWORD, USER)
        raise UsageError(f"{there} is set and {missing} is not.", "Set both, or neither.")
    return HTTPBasicAuth(user.encode(), password.encode()) if user else None


def refused(host: str, status: int) -> XraybatchError:
    """The error of credentials that are not accepted."""
    return InputError(
        f"The DICOMweb service at {host} does not accept the credentials ({status}).",
        f"Set {TOKEN}, or {USER} and {PASSWORD}, or write ~/.netrc; then give the same command "
        "again.",
    )


class _Token(AuthBase):
    """As an object of `requests`, because netrc would replace a plain header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r
