"""What an object store's refusal means: for this film, or for the whole run.

The words of the library are read and never shown: they hold addresses, and a store's answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xraybatch.core.errors import InputError, XraybatchError
from xraybatch.core.status import FilmError, FilmStatus

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>\s*([A-Za-z]{1,64})\s*</Code>")
_SIZES = re.compile(r"error decoding response body|end of file|IncompleteBody|unexpected EOF", re.I)

# No other film can be read with these credentials either.
_CREDENTIALS = {
    "ExpiredToken": "have expired",
    "ExpiredTokenException": "have expired",
    "RequestExpired": "have expired",
    "TokenRefreshRequired": "have expired",
    "InvalidToken": "are not valid",
    "InvalidAccessKeyId": "are not known",
    "SignatureDoesNotMatch": "are wrong: the secret does not fit its key",
    "AuthFailure": "are not accepted",
    "AuthenticationFailed": "are not accepted",
    "InvalidAuthenticationInfo": "are not accepted",
    "InvalidSecurity": "are not valid",
    "NotSignedUp": "belong to an account without this store",
    "AccountProblem": "belong to an account with a problem",
}
_RENEW = "Renew them (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN or AWS_PROFILE; "
_RENEW += "GOOGLE_APPLICATION_CREDENTIALS; AZURE_STORAGE_ACCOUNT_KEY); the same command goes on."
_NONE_FOUND = ("ImdsUnauthorized", "credential")
_METADATA = ("169.254.169.254", "metadata.google.internal")  # asked where nothing else is set


@dataclass(frozen=True)
class Refusal:
    """What a store answered, as far as it could be made out.

    Attributes
    ----------
    number : int
        HTTP status; 0 where none came.
    code : str
        The store's own word, such as ``SlowDown``; empty where it has none.
    """

    number: int
    code: str

    @property
    def words(self) -> str:
        """``503 SlowDown``."""
        return " ".join(filter(None, (str(self.number or ""), self.code)))


def of_film(error: BaseException) -> FilmError | XraybatchError:
    """What an error of obstore means for the film that was read."""
    stopping = stops_the_run(error)
    if stopping is not None:
        return stopping
    refusal = _refusal(error)
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError) or refusal.number == 404:
        return FilmError(FilmStatus.MISSING, "The store has no such object.")
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or refusal.number in (401, 403):
        return forbidden(refusal.words or "403")
    if kind == "PreconditionError":
        return changed()
    if isinstance(error, ValueError) or kind == "InvalidPathError":
        return FilmError(
            FilmStatus.UNSUPPORTED,
            "The object's key has an empty part, a dot alone or a control character, and is not "
            "read.",
        )
    if refusal.number:
        return FilmError(
            FilmStatus.UNAVAILABLE, f"The store answers {refusal.words}, also when asked again."
        )
    if _SIZES.search(str(error)):
        return FilmError(
            FilmStatus.UNAVAILABLE, "The store's answer ends too early, also when asked again."
        )
    return FilmError(
        FilmStatus.UNAVAILABLE,
        "The store did not answer within --io-timeout, also when asked again.",
    )


def of_listing(error: BaseException, place: str) -> XraybatchError:
    """What an error of obstore means where `place` was to be listed, or written to."""
    stopping = stops_the_run(error)
    if stopping is not None:
        return stopping
    refusal = _refusal(error)
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError) or refusal.number == 404:
        return InputError(f"There is no {place}.", "Look at the name of the bucket.")
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or refusal.number in (401, 403):
        return InputError(
            f"The store forbids {place} ({refusal.words or '403'}).",
            "Ask for ListBucket and GetObject, and PutObject for results; for public data give "
            "--no-sign-request.",
        )
    if isinstance(error, ValueError) or kind == "InvalidPathError" or "parse path" in str(error):
        return InputError(
            f"In {place} is a key with an empty part ('//'), a dot alone or a control character, "
            "which cannot be read.",
            "Name the prefixes beside it.",
        )
    if refusal.number:
        return InputError(
            f"The store answers {refusal.words} for {place}, also when asked again.",
            "Try again later; --io-retries says how often it is asked.",
        )
    return InputError(
        f"The store of {place} does not answer.",
        "Look at the network, --endpoint-url and --io-timeout.",
    )


def stops_the_run(error: BaseException) -> XraybatchError | None:
    """What is to be said where no film at all can be read; None for the others."""
    refusal = _refusal(error)
    said = str(error)
    if refusal.code in _CREDENTIALS:
        return InputError(
            f"The store says that the credentials {_CREDENTIALS[refusal.code]} ({refusal.code}).",
            _RENEW,
        )
    if refusal.code == "RequestTimeTooSkewed":
        return InputError("The store says that this machine's clock is wrong.", "Set the clock.")
    if "redirect" in said and not refusal.code:
        return InputError(
            "The store sends elsewhere: the bucket is in another region.", "Set AWS_REGION."
        )
    words = _METADATA if refusal.number else (*_METADATA, *_NONE_FOUND)
    if any(word in said for word in words):
        return InputError(
            "There are no credentials for the store.",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or GOOGLE_APPLICATION_CREDENTIALS, "
            "AZURE_STORAGE_ACCOUNT_KEY); for public data give --no-sign-request.",
        )
    return None


def forbidden(words: str) -> FilmError:
    """A film that the store does not give."""
    return FilmError(
        FilmStatus.FORBIDDEN,
        f"The store forbids it ({words}). S3 says so too of a missing key where ListBucket is not "
        "allowed.",
    )


def said_of_credentials(answer: str) -> str:
    """What the text of a store's answer says of them, as "have expired"; empty for no such word."""
    code = _CODE.search(answer)
    return _CREDENTIALS.get(code[1], "") if code else ""


def changed() -> FilmError:
    """A film that is no longer the one that was listed."""
    return FilmError(
        FilmStatus.UNREADABLE,
        "It was changed in the store since it was listed: list again, or run again.",
    )


def too_large(size: int, max_bytes: int) -> FilmError:
    """A film of more bytes than a film may have."""
    return FilmError(
        FilmStatus.TOO_LARGE,
        f"It has {size:,} bytes, more than the limit of {max_bytes:,}.",
    )


def _refusal(error: BaseException) -> Refusal:
    said = str(error)
    number, code = _STATUS.search(said), _CODE.search(said)
    return Refusal(int(number[1]) if number else 0, code[1] if code else "")
