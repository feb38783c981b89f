"""From a source as a person names it to a folder of films: fetched, unpacked, or as it lies."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.progress import Progress
from xraybatch.sources.addresses import is_url
from xraybatch.sources.archives.extract import (
    FOREIGN_ARCHIVE,
    TABLES,
    Extracted,
    extract_films,
    is_archive,
)
from xraybatch.sources.archives.folder import extract_folder, find_archives
from xraybatch.sources.archives.names import quoted
from xraybatch.sources.download import Downloaded, download, forget
from xraybatch.sources.films import find_films
from xraybatch.sources.item import is_remote
from xraybatch.training.datasets.films import FilmFolder, look_into, why_no_film
from xraybatch.training.datasets.options import TABLE_FORM, PrepareOptions
from xraybatch.training.store import cache_folder

FILMS = "films"
DOWNLOADS = "downloads"
_OTHER_TABLES = (".xlsx", ".xls", ".ods")  # archives themselves, some of them


def kind_of_source(source: str, options: PrepareOptions) -> str:
    """``url``, ``archive``, ``folder`` or ``table``.

    Raises
    ------
    InputError
        If it is none of them.
    UsageError
        If an option does not go with it.
    """
    path = Path(source)
    if is_url(source):
        kind = "url"
    elif path.is_dir():
        kind = "folder"
    elif not path.exists() and is_remote(source):
        raise UsageError(
            f"{quoted(source)} is not on this machine, and films are trained on here.",
            "Copy it to a folder, or give the https:// address of an archive.",
        )
    elif not path.exists():
        raise InputError(f"There is no {quoted(source)}.", "Check the path.")
    elif path.suffix.lower() in _OTHER_TABLES:
        raise InputError(f"{quoted(source)} is a spreadsheet.", "Save it as CSV.")
    elif path.is_file() and is_archive(path):
        kind = "archive"
    elif path.is_file() and path.suffix.lower() in TABLES:
        kind = "table"
    else:
        raise InputError(
            f"{quoted(source)} is neither an archive nor a folder nor a table.",
            "Give a ZIP or TAR archive, a folder, a CSV or Parquet table, or an address.",
        )
    if options.data is not None and kind != "table":
        raise UsageError("--data goes with a table.", "Leave it out: SOURCE holds the films.")
    if options.sha256 and kind not in ("url", "archive"):
        raise UsageError("--sha256 goes with an archive or its address.", "Leave it out.")
    if kind == "table" and options.form not in (None, TABLE_FORM):
        raise UsageError(
            f"--form {options.form} does not go with a table.", "Give the folder as SOURCE."
        )
    return kind


def check_apart(folder: Path, out: Path) -> None:
    """Raise `UsageError` if what is made would lie in the folder that it is made from."""
    if not folder.is_dir():
        raise InputError(f"{quoted(str(folder))} is not a folder.", "Name the folder of the films.")
    home, target = Path(os.path.realpath(folder)), Path(os.path.realpath(out))
    if target == home or home in target.parents:
        raise UsageError(
            "--out would be written into SOURCE, which is never written to.",
            "Choose a folder outside it; of a table, name the folder of its films by --data.",
        )


def check_sha256(source: str, digest: str, options: PrepareOptions) -> None:
    """Raise `InputError` if an archive is another one than a person says."""
    if options.sha256 and digest != options.sha256.lower():
        raise InputError(
            f"{quoted(source)} has another SHA-256 than --sha256 says: {digest}.",
            "Get it again, or compare the hash with what the maker of the data tells.",
        )


def downloads_of(options: PrepareOptions) -> Path:
    """Where downloads are kept until they are unpacked."""
    return options.downloads or cache_folder() / DOWNLOADS


def downloaded(url: str, options: PrepareOptions, progress: Progress) -> Downloaded:
    """Fetch an archive.

    Raises
    ------
    InputError
        If it cannot be had, or is no archive; then it is not kept.
    """
    found = download(
        url,
        downloads_of(options),
        sha256=options.sha256,
        limit=options.limits.total,
        progress=progress,
    )
    try:
        known = is_archive(found.path)
    except InputError:
        forget(found)
        raise
    if not known:
        forget(found)
        raise InputError(
            f"What {quoted(found.url)} answers is no archive.",
            "It may be a page that asks for a login: download it in a browser and give the file.",
        )
    return found


def unpacked_once(
    found: Downloaded, building: Path, options: PrepareOptions, progress: Progress
) -> FilmFolder:
    """A download's films; the download goes if it cannot be used."""
    try:
        return unpacked(found.path, found.name, building, options, progress)
    except InputError:
        forget(found)
        raise


def unpacked(
    archive: Path, name: str, building: Path, options: PrepareOptions, progress: Progress
) -> FilmFolder:
    """The films of an archive, below `building`.

    Raises
    ------
    InputError
        If it is refused, or holds no film.
    """
    films = building / FILMS
    films.mkdir()
    found = extract_films(
        archive,
        films,
        why_no_film=why_no_film(),
        name=name,
        limits=options.limits,
        progress=progress,
    )
    return _looked_into(films, found, name or archive.name)


def as_it_lies(
    folder: Path, building: Path, options: PrepareOptions, progress: Progress
) -> FilmFolder:
    """The films of a folder; where it has none of its own, those of the archives in it.

    Returns
    -------
    FilmFolder
        Of the folder itself, or of one below `building`, into which the archives were unpacked.

    Raises
    ------
    InputError
        If there is no film, or an archive is refused.
    """
    inside = find_archives(folder)
    count, name = len(inside.archives), folder.resolve().name
    try:
        place = look_into(folder)
    except InputError as error:
        if foreign := inside.skipped.get(FOREIGN_ARCHIVE, 0):
            hint = f"It has {_archives(foreign)} of a kind that is not read (7z, RAR, Zstandard)."
            error = InputError(error.message, hint)
        if not count:
            raise error from None
        place = None
    if place is not None and (place.films or not count):
        if count:
            progress.warn("Archives not opened", not_opened(name, count))
        return place
    opened = f"{quoted(inside.archives[0])} is" if count == 1 else f"its {count:,} archives are"
    progress.note(f"No film lies in {quoted(name)} itself: {opened} opened.")
    films = building / FILMS
    films.mkdir()
    found = extract_folder(
        inside, films, why_no_film=why_no_film(), limits=options.limits, progress=progress
    )
    return _looked_into(films, found, name)


def not_opened(name: str, count: int) -> str:
    """What becomes of archives that lie beside films."""
    return (
        f"{quoted(name)} holds {_archives(count)} beside films; only the films are taken. If other "
        "films are in there, put archives into a folder of their own."
    )


def holds_archives_alone(folder: Path, progress: Progress) -> bool:
    """Whether a folder has archives and no film; archives beside films are told.

    Parameters
    ----------
    folder : Path
    progress : Progress
    """
    count = len(find_archives(folder).archives)
    if not count:
        return False
    try:
        find_films([folder])
    except InputError:
        return True
    progress.note(not_opened(folder.resolve().name, count))
    return False


def _archives(count: int) -> str:
    return f"{count:,} archive{'s' if count != 1 else ''}"


def _looked_into(films: Path, found: Extracted, name: str) -> FilmFolder:
    if not found.films:
        others = sum(found.skipped.values())
        raise InputError(
            f"There is no film in {quoted(name)} ({others:,} other files).",
            "Films are PNG, JPEG, TIFF and DICOM.",
        )
    place = look_into(films)
    return replace(place, skipped=Counter(place.skipped) + Counter(found.skipped))


def remove_tables(folder: Path) -> None:
    """Remove tables that were unpacked and are read now: no films, and they may hold names."""
    for path in list(folder.rglob("*")):
        if path.suffix.lower() in TABLES and path.is_file():
            path.unlink()
