"""One download of an address at a time, in all processes that keep theirs in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.lock import exclusive
from xraybatch.core.progress import Progress
from xraybatch.sources.addresses import public_url
from xraybatch.sources.archives.names import quoted
from xraybatch.sources.download import file_name


@contextmanager
def alone(url: str, folder: Path, progress: Progress) -> Iterator[None]:
    """Keep other processes from fetching, using or removing a download within the block.

    Whoever comes second waits, and then fetches for itself: what came may have been removed.

    Parameters
    ----------
    url : str
    folder : Path
        As `download.download` takes it; made where it is missing.
    progress : Progress
        Is told where another process is waited for.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The download cannot be written into {quoted(str(folder))}: {error.strerror}.",
            "Set XRAYBATCH_CACHE to a folder with room.",
        ) from None

    def waiting() -> None:
        progress.note(
            f"Another process fetches {quoted(public_url(url))}: waiting until it is done."
        )

    with exclusive((folder / file_name(url)).with_suffix(".lock"), waiting):
        yield
