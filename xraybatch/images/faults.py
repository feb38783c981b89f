"""The seam where everything a library throws becomes one status and one sentence."""

from __future__ import annotations

import errno
import re
import struct
import threading
import warnings
import zlib
from types import TracebackType
from typing import Self

from PIL import Image, UnidentifiedImageError

from xraybatch.core.status import FilmError, FilmStatus

# Words of Pillow, zlib and pydicom for a file that ends too early.
_CUT = (
    *("truncated", "unexpected end", "end of file", "not enough image data"),
    *("eof", "unpack requires a buffer", "incomplete", "less than expected", "too short"),
)
# Values of a header, which nobody asked for: 'MUELLER^HANS' is no number.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class one_status:  # noqa: N801 - named as the context managers of the standard library are
    """Turn whatever is raised inside into `FilmError`, and keep libraries quiet meanwhile.

    Parameters
    ----------
    what : str
        What is read, for the sentence: ``the PNG``. Also an attribute, to be set to more when more
        is known.

    Raises
    ------
    FilmError
        For every error but an interruption by a person; also for those that are no `Exception`,
        as libraries written in Rust raise them.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> Self:
        _quiet.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _quiet.leave()
        if error is None or isinstance(error, FilmError | KeyboardInterrupt):
            return
        said = _said(error)
        status = _status_of(error, said.lower())
        raise FilmError(status, _sentence(status, self.what, error, said)) from error


def _said(error: BaseException) -> str:
    try:
        return str(error).strip() or type(error).__name__
    except KeyboardInterrupt:
        raise
    except BaseException:  # of what it was made of something has no text
        return type(error).__name__


def _status_of(error: BaseException, text: str) -> FilmStatus:
    if isinstance(error, MemoryError | OverflowError | Image.DecompressionBombError):
        return FilmStatus.TOO_LARGE
    if isinstance(error, NotImplementedError):
        return FilmStatus.UNSUPPORTED
    if isinstance(error, UnidentifiedImageError):
        return FilmStatus.CORRUPT
    if isinstance(error, OSError) and error.errno == errno.EINVAL:
        return FilmStatus.CORRUPT  # sought at a place that the file's own numbers said
    if isinstance(error, OSError) and error.errno is not None:
        return FilmStatus.UNREADABLE
    known = (EOFError, OSError, ValueError, SyntaxError, struct.error, zlib.error, RuntimeError)
    if isinstance(error, EOFError) or (isinstance(error, known) and any(w in text for w in _CUT)):
        return FilmStatus.TRUNCATED
    return FilmStatus.CORRUPT


def _sentence(status: FilmStatus, what: str, error: BaseException, said: str) -> str:
    if isinstance(error, RecursionError):
        return f"{what} is nested too deeply."
    if isinstance(error, MemoryError):
        return f"{what} needs more memory than a film may take."
    if what == "The DICOM":  # a library quotes the value that it stumbles over
        said = _QUOTED.sub("…", said)
    begin = {
        FilmStatus.TOO_LARGE: f"{what} announces more than can be held",
        FilmStatus.UNSUPPORTED: f"{what} is of a kind that cannot be read",
        FilmStatus.TRUNCATED: f"{what} is cut short",
        FilmStatus.UNREADABLE: f"{what} could not be read from its disk",
    }.get(status, f"{what} is damaged")
    return f"{begin}: {said}"


class _Quiet:
    """Silences warnings of the imaging libraries while at least one film is being read.

    ``warnings.catch_warnings`` is not made for threads, and costs more than recognising a film: the
    first one in puts a filter before the others, the last one out gives those back. What is worth
    knowing is found by looking at the film, not at warnings.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._outside = warnings.filters

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                # without ours, which another thread's `catch_warnings` may have brought back
                self._outside = [one for one in warnings.filters if one is not _IGNORED]
                warnings.filters = [_IGNORED, *self._outside]
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                warnings.filters = self._outside


_IGNORED = ("ignore", None, Warning, re.compile(r"(PIL|pydicom|xraybatch|numpy)\b"), 0)
_quiet = _Quiet()
