"""The pictures of a report as files: PNG and SVG, named by task, kind and class."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from xraybatch.core.errors import InputError
from xraybatch.core.files import atomic_path
from xraybatch.evaluation.report import Report, TaskReport
from xraybatch.reports import plots
from xraybatch.reports.pictures import Picture, pictures

_NAME = 40  # characters of a class in a file's name


def save_plots(report: Report, folder: Path, *, overwrite: bool = False) -> tuple[Path, ...]:
    """Write every picture as PNG and SVG into a folder, which is made where it is missing.

    Returns
    -------
    tuple of Path
        The files: ``<task>-<kind>.png``, or ``<task>-<kind>-<number>-<class>.png``.

    Raises
    ------
    InputError
        If one of the files is there and may not be overwritten, or the folder cannot be made;
        nothing is written then.
    """
    named = [(folder / n, p) for task in report.tasks for n, p in _named(task, report)]
    files = [path.with_name(f"{path.name}{s}") for path, _ in named for s in (".png", ".svg")]
    if taken := [path for path in files if path.exists() and not overwrite]:
        raise InputError(
            f"{taken[0]} is there already and is not overwritten.",
            "Choose another folder for --plots, or allow it with --overwrite.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made: {error.strerror}.") from None
    for path, picture in named:
        plots.save_png(picture.chart, path.with_name(f"{path.name}.png"))
        with atomic_path(path.with_name(f"{path.name}.svg")) as temporary:
            temporary.write_text(plots.to_svg(picture.chart), encoding="utf-8")
    return tuple(files)


def _named(task: TaskReport, report: Report) -> Iterator[tuple[str, Picture]]:
    numbers: dict[str, int] = {}
    for picture in pictures(task, report.settings.unit):
        name = f"{task.task}-{picture.kind}"
        if picture.of:
            # numbered, since two classes may differ only in what a file's name cannot hold
            number = numbers[picture.kind] = numbers.get(picture.kind, 0) + 1
            name += f"-{number}-{_safe(picture.of)}"
        yield name, picture


def _safe(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    kept = "".join(c if c.isalnum() else "_" for c in plain)
    return kept[:_NAME].strip("_") or "class"
