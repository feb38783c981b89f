"""Addresses that somebody signed: which words of them sign, and what remains without those.

What remains is as it was, letter by letter: it is what a film is called, and what is asked for it
again.
"""

from __future__ import annotations

import urllib.parse
from datetime import UTC, datetime, timedelta

_BEGINS = ("x-amz-", "x-goog-")  # Amazon, and all that are like it; Google
_OLDER = frozenset(  # of the same two before, and of CloudFront, where there is a `Signature`
    (
        *("signature", "expires", "policy", "key-pair-id"),
        *("awsaccesskeyid", "googleaccessid"),
    )
)
_AZURE = frozenset(  # where there are a `sig` and a `sv`
    (
        *("sv", "ss", "srt", "sp", "se", "st", "spr", "sr", "si", "sig", "sip"),
        *("sdd", "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "ses"),
    )
)


_SECRET = frozenset(  # by their names alone, whoever's server it is
    (
        *("token", "access_token", "access-token", "id_token", "auth", "authorization", "jwt"),
        *("apikey", "api_key", "api-key", "secret", "password", "passwd"),
    )
)


def unsigned(address: str) -> str:
    """An address without the words of a signature; the same where it has none."""
    head, mark, query = address.partition("?")
    query, hash_mark, fragment = query.partition("#")
    signing = set(_signing(query))
    kept = [word for word in query.split("&") if _name(word) not in signing]
    if not signing:
        return address
    return head + mark * bool(kept) + "&".join(kept) + hash_mark + fragment


def is_over(address: str, now: datetime) -> bool:
    """Whether a signature says of itself that it held until before `now`."""
    said = _signing(urllib.parse.urlsplit(address).query)
    try:
        for begins in _BEGINS:
            if f"{begins}expires" in said:
                begin = datetime.strptime(said[f"{begins}date"], "%Y%m%dT%H%M%S%z")
                return begin + timedelta(seconds=int(said[f"{begins}expires"])) < now
        if "expires" in said:
            return datetime.fromtimestamp(int(said["expires"]), UTC) < now
        until = datetime.fromisoformat(said["se"])
        return until.replace(tzinfo=until.tzinfo or UTC) < now
    except (KeyError, ValueError, OverflowError, OSError):  # it does not say, or not so
        return False


def _signing(query: str) -> dict[str, str]:
    """The words of a query that sign it, by their names in lower case."""
    said = {_name(word): urllib.parse.unquote(word.partition("=")[2]) for word in query.split("&")}
    among = set(_SECRET)
    if "signature" in said:
        among |= _OLDER
    if {"sig", "sv"} <= said.keys():
        among |= _AZURE
    return {name: of for name, of in said.items() if name in among or name.startswith(_BEGINS)}


def _name(word: str) -> str:
    return urllib.parse.unquote(word.partition("=")[0]).lower()
