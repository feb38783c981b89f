"""The seam where everything a library throws becomes one status and one sentence."""

from __future__ import annotations

import errno
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from xraybatch.core.status import FilmError, FilmStatus

# Words of Pillow, zlib and pydicom for a file that ends too early.
_CUT = (
    *("truncated", "unexpected end", "end of file", "not enough image data"),
    *("eof", "unpack requires a buffer", "incomplete", "less than expected", "too short"),
)
# Values of a header, which nobody asked for: 'MUELLER^HANS' is no number.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@contextmanager
def one_status(what: str) -> Iterator[None]:
    """Turn whatever is raised inside into `FilmError`, and keep libraries quiet meanwhile.

    Parameters
    ----------
    what : str
        What is read, for the sentence: ``the PNG``.

    Raises
    ------
    FilmError
        For every error but an interruption by a person; also for those that are no `Exception`,
        as libraries written in Rust raise them.
    """
    try:
        with _quiet:
            yield
    except FilmError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        status = _status_of(error)
        raise FilmError(status, _sentence(status, what, error)) from error


def _status_of(error: BaseException) -> FilmStatus:
    text = str(error).lower()
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


def _sentence(status: FilmStatus, what: str, error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return f"{what} is nested too deeply."
    if isinstance(error, MemoryError):
        return f"{what} needs more memory than a film may take."
    said = str(error).strip() or type(error).__name__
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

    ``warnings.catch_warnings`` is not made for threads: the first one in saves the filters, the
    last one out restores them. What is worth knowing is found by looking at the film, not at
    warnings.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"(PIL|pydicom|xraybatch|numpy)\b")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._saved.__exit__(None, None, None)


_quiet = _Quiet()
