"""What discovery finds: items, and the words for what is none."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass

HEAD = 4096  # bytes by which a file without a film's suffix may be recognised

# What a person would count among the pictures, whether or not a reader for it is here (ours may be
# blocked): better a row that says "unsupported" than a film that is missing.
IMAGE_LIKE = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".dcm", ".dicom", ".dic"),
        *(".avif", ".bmp", ".dib", ".dng", ".gif", ".heic", ".heif", ".j2c", ".j2k", ".jls"),
        *(".jp2", ".jpf", ".jpx", ".jxl", ".mha", ".nii", ".nrrd", ".pbm", ".pdf", ".pgm"),
        *(".pnm", ".ppm", ".psd", ".svg", ".tga", ".webp"),
    )
)

HIDDEN = "hidden"
MACOSX = "__MACOSX"
NO_FILM = "not a film"
NO_LOOK = "file without a film's suffix that cannot be read"
LOOP = "link loop"  # or a link to a folder that was read already
DANGLING = "dangling link"
FOLDER = "folder named like a film"  # it is read like any other folder
NO_ACCESS = "folder that cannot be read"
ZIP_ARCHIVE = "ZIP archive, which is read when it is named"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # a letter alone would be a drive


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that may hold films.

    Attributes
    ----------
    key : str
        What it is called in every table.
    path : str
        What to open; bytes that are no UTF-8 are surrogates. With ``scheme://`` in front: an
        address, of a film that is not in the file system.
    size, mtime_ns : int
        Bytes, and nanoseconds; both 0 where nobody says (a dangling link, a film of a PACS).
    member : str
        Its place in the ZIP archive at `path` (`core.zipped.ZipPlace`); empty: it lies in none.
    etag : str
        What a store calls this version of the film; empty where it has no such word.
    """

    key: str
    path: str
    size: int
    mtime_ns: int
    member: str = ""
    etag: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether it is fetched from elsewhere, not opened as a file."""
        return is_remote(self.path)


def is_remote(path: str) -> bool:
    """Whether what is to be opened is an address: ``s3://…``, ``https://…``."""
    return _SCHEME.match(path) is not None


def why_no_file(mode: int) -> str:
    """What something is that is no regular file: opening it might wait for ever."""
    if stat.S_ISFIFO(mode):
        return "named pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"
