"""Films of a PACS, fetched one by one as they lie there: whole instances by WADO-RS, into memory.

Nothing of them touches the disk: the temporary folder holds a few numbers, and empty files by whose
locks the decoding processes share the few connections.
"""

from __future__ import annotations

import hashlib
import threading
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch.core.errors import MissingExtra
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.sources.dicomweb.address import Place, parse_address
from xraybatch.sources.dicomweb.manners import Manners
from xraybatch.sources.dicomweb.multipart import NoPart, media_type, only_part
from xraybatch.sources.dicomweb.turns import Turns

if TYPE_CHECKING:
    import requests

    from xraybatch.sources.fetch import IoOptions, ReadBytes

_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_ENVELOPE = 1 << 16  # bytes that a body may have around the film
_REFUSED = 20  # films that we may not have, and none that we may: then it is the credentials
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_HEAD = 1024  # bytes in which a file names its transfer syntax


def reader_of(io: IoOptions) -> ReadBytes:
    """What reads films of a PACS, for `fetch.AnyFetch`."""
    return Instances(io.manners).read


class Instances:
    """Reads instances; each decoding process has one.

    Parameters
    ----------
    manners : Manners
    """

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._own = threading.local()

    def read(self, path: str, size: int, etag: str, max_bytes: int) -> bytes:
        """All bytes of an instance, as the PACS has them.

        Raises
        ------
        FilmError
            ``missing``, ``forbidden``, ``unavailable`` or ``too_large``.
        XraybatchError
            If the address is none, nobody answers, or the credentials are refused.
        """
        with pacs_extra():
            from xraybatch.sources.dicomweb.credentials import refused
            from xraybatch.sources.dicomweb.http import NoAnswer, TooMuch

        place = parse_address(path, allow_http=self._manners.allow_http)
        turns = turns_of(place, self._manners)
        session = self._session(turns, max_bytes + _ENVELOPE)
        try:
            # "stream": what it read is not copied once more
            response = session.get(place.url, headers={"Accept": _ACCEPT}, stream=True)
            content = _film(response, place)
            if len(content) > max_bytes:
                raise TooMuch
        except NoAnswer as error:
            said = f"The PACS did not send it: {error}."
            raise FilmError(FilmStatus.UNAVAILABLE, said) from None
        except TooMuch:
            turns.answered()
            said = f"The film has more than {max_bytes:,} bytes."
            raise FilmError(FilmStatus.TOO_LARGE, said) from None
        except FilmError as error:
            if error.status is FilmStatus.FORBIDDEN:
                state = turns.refused()
                if state.refused >= _REFUSED and not state.answered:
                    raise refused(place.host, HTTPStatus.FORBIDDEN) from None
            raise
        turns.answered()
        return content

    def _session(self, turns: Turns, most: int) -> requests.Session:
        """This thread's, for this service."""
        sessions: dict[tuple[str, int], requests.Session] = vars(self._own).setdefault("by", {})
        which = turns.folder, most
        if which not in sessions:
            from xraybatch.sources.dicomweb.http import open_session

            sessions[which] = open_session(self._manners, turns, most)
        return sessions[which]


class pacs_extra:  # noqa: N801 - used as a statement
    """Within it, a package that is missing becomes the extra that brings it."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ImportError):
            raise MissingExtra(
                f"Films of a PACS need the extra 'pacs', and {error.name or 'it'} is not "
                "installed.",
                "Install it with: pip install 'xraybatch[pacs]'",
            ) from error


def turns_of(place: Place, manners: Manners) -> Turns:
    """Those of one service, among all that a run asks."""
    name = hashlib.sha256(place.host.encode()).hexdigest()[:16]
    return Turns(str(Path(manners.turns, name)), manners.connections, manners.rate)


def _film(response: requests.Response, place: Place) -> bytes:
    status = response.status_code
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise FilmError(FilmStatus.MISSING, f"The PACS has no such instance ({status}).")
    if status == HTTPStatus.FORBIDDEN:
        raise FilmError(FilmStatus.FORBIDDEN, "The PACS does not give this instance to us (403).")
    if status != HTTPStatus.OK:
        raise FilmError(FilmStatus.UNAVAILABLE, f"The PACS did not send it: it answered {status}.")
    kind = response.headers.get("Content-Type", "")
    if not media_type(kind).startswith(("multipart/related", "application/dicom")):
        said = f"The PACS sent something else than a film: {media_type(kind)[:40] or 'no type'}."
        raise FilmError(FilmStatus.UNAVAILABLE, said)
    try:
        content = only_part(kind, response.raw.getvalue())
    except NoPart as error:
        raise FilmError(FilmStatus.UNAVAILABLE, f"The PACS sent no film: {error}.") from None
    if _is_another(content, place):
        raise FilmError(FilmStatus.UNAVAILABLE, "The PACS sent another instance.")
    return content


def _is_another(content: bytes, place: Place) -> bool:
    """Whether it says that it is another instance; what cannot be read is for the decoder."""
    if _DEFLATED in content[:_HEAD]:  # would be unpacked without a limit
        return False
    from pydicom import dcmread

    try:
        header = dcmread(
            BytesIO(content),
            force=True,
            stop_before_pixels=True,
            specific_tags=["SOPInstanceUID"],
        )
        found = header.get("SOPInstanceUID")
    except Exception:
        return False
    return isinstance(found, str) and found != "" and found.rstrip("\0 ") != place.instance
