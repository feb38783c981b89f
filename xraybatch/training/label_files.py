"""Which file each row of a labels table means."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError
from xraybatch.core.progress import Progress
from xraybatch.sources.films import find_films
from xraybatch.sources.matching import Film, match


def find_files(
    paths: Sequence[str], labels: Path, folder: Path | None, progress: Progress
) -> tuple[list[str], list[str]]:
    """Find the film of each path: in the folder, beside the table, else by its name.

    Parameters
    ----------
    paths : sequence of str
        As the table has them.
    labels : Path
        The table.
    folder : Path or None
        Of the films.
    progress : Progress
        Is told if names were compared.

    Returns
    -------
    paths : list of str
        As given, or where names were compared, as the films lie in the folder.
    files : list of str
        What to open; empty for a film that is not there.

    Raises
    ------
    InputError
        If names were compared and fit no film.
    """
    files = [_place(path, folder, labels.parent) for path in paths]
    if folder is None or any(files):
        return list(paths), files
    return _by_name(paths, labels, folder, progress)


def tell_unlabelled(files: Iterable[str], folder: Path, labels: Path, progress: Progress) -> None:
    """Say how many films of the folder are not among `files`."""
    known = {Path(file).resolve() for file in files}
    try:
        items = find_films([folder]).items
    except InputError:  # it holds the table alone
        return
    others = sum(Path(item.path).resolve() not in known for item in items)
    if others:
        progress.note(
            f"In the folder but not labelled in {labels.name}, left out: {counted(others, 'film')}."
        )


def nothing_there(labels: Path, count: int, ambiguous: str = "") -> InputError:
    """The error for a table of `count` films none of which is there."""
    return InputError(
        f"None of the {counted(count, 'film')} that {labels} names is there. {ambiguous}".strip(),
        "Paths are looked for in --data and in the folder of the table, then by file names, each "
        "of which must stand for one film. --path-column names another column.",
    )


def _by_name(
    paths: Sequence[str], labels: Path, folder: Path, progress: Progress
) -> tuple[list[str], list[str]]:
    """Paths that are no paths here, found as `score` finds them: by other folders, name or stem."""
    items = find_films([folder]).items
    try:
        rows, compared, *_ = match(
            [Film(item.key, "") for item in items], [Film(path, "") for path in paths]
        )
    except InputError as error:
        ambiguous = error.message.partition(". ")[2]
        raise nothing_there(labels, len(paths), ambiguous) from None
    words = compared.replace("the results'", "the files'")
    progress.note(f"No path of {labels.name} is there, so films were matched by {words}.")
    found, files = list(paths), [""] * len(paths)
    for item, row in zip(items, rows, strict=True):
        if row >= 0:
            found[row], files[row] = item.key, item.path
    return found, files


def _place(path: str, *folders: Path | None) -> str:
    if not path:
        return ""
    # file systems differ in how they write accents, and spreadsheets too
    forms = dict.fromkeys([path, *(unicodedata.normalize(f, path) for f in ("NFC", "NFD"))])
    for folder in folders:
        for form in forms:
            if folder is not None and (found := folder / form).is_file():
                return str(found)
    return ""
