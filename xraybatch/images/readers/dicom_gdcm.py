"""What gdcm says on the standard error while it decodes: the only sign that it invented pixels.

Its JPEG library fills what is missing, tells the terminal, and reports success. So the terminal is
kept out of it, and what was said is read.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from xraybatch.core.status import FilmError, FilmStatus

_DAMAGE = (b"premature end", b"bad huffman code", b"corrupt jpeg data")
_HARMLESS = b"extraneous bytes"
_STDERR = 2
_MOST = 10_000  # bytes that are worth reading

_lock = threading.Lock()  # a process has one standard error


@contextmanager
def overheard() -> Iterator[None]:
    """Keep the standard error quiet while gdcm decodes.

    Raises
    ------
    FilmError
        ``corrupt`` where gdcm complained of the data.
    """
    with _lock, tempfile.TemporaryFile() as heard:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # there is none
            yield
            return
        try:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(heard.fileno(), _STDERR)
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
        heard.seek(0)
        for line in heard.read(_MOST).lower().splitlines():
            if _HARMLESS not in line and any(words in line for words in _DAMAGE):
                raise FilmError(
                    FilmStatus.CORRUPT, "The DICOM's compressed picture is damaged inside."
                )
