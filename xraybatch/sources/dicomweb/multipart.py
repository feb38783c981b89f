"""One part of a multipart body, as a DICOMweb service sends a film; its bytes as they came."""

from __future__ import annotations

from email.message import Message

_LINE = b"\r\n"


class NoPart(Exception):
    """The body has no part, or ends before the part does."""


def media_type(content_type: str) -> str:
    """What a ``Content-Type`` names, in small letters, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_cut(content_type: str, body: bytes) -> bool:
    """Whether a multipart body lacks its end; what is no multipart body does not say."""
    boundary = _boundary(content_type)
    return boundary is not None and boundary + b"--" not in body[-len(boundary) - 64 :]


def only_part(content_type: str, body: bytes) -> bytes:
    """The first part of a multipart body; a body that is none is the part itself.

    Raises
    ------
    NoPart
        If there is none, or it has no end.
    """
    boundary = _boundary(content_type)
    if boundary is None:
        return body
    begin = body.find(boundary)
    head = body.find(_LINE + _LINE, begin)
    if begin < 0 or head < 0:
        raise NoPart("no part in it")
    end = body.find(_LINE + boundary, head)
    if end < 0:
        raise NoPart("its part has no end")
    return body[head + 4 : end]


def _boundary(content_type: str) -> bytes | None:
    if not media_type(content_type).startswith("multipart/"):
        return None
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    # without one the body may be the part itself; whoever decodes it will see
    return None if boundary is None else b"--" + boundary.encode("latin-1", "replace")
