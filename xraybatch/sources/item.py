"""What discovery finds: items, and the words for what is none."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that may hold films.

    Attributes
    ----------
    key : str
        What it is called in every table.
    path : str
        What to open; bytes that are no UTF-8 are surrogates.
    size, mtime_ns : int
        Bytes, and nanoseconds; both 0 where the file system does not say (a dangling link).
    member : str
        Its place in the ZIP archive at `path` (`core.zipped.ZipPlace`); empty: it lies in none.
    """

    key: str
    path: str
    size: int
    mtime_ns: int
    member: str = ""


def why_no_file(mode: int) -> str:
    """What something is that is no regular file: opening it might wait for ever."""
    if stat.S_ISFIFO(mode):
        return "named pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"
