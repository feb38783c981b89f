"""``xraybatch sample``."""

from __future__ import annotations

from pathlib import Path

import click

from xraybatch.cli import completion
from xraybatch.cli.outputs import OutputPath


@click.command()
@click.argument("folder", type=OutputPath(), shell_complete=completion.folders)
def command(folder: Path) -> None:
    """Write the synthetic sample films into a folder.

    Some 140 knee phantoms of 60 made-up patients (normal, osteopenia, osteoporosis) as PNG, JPEG
    and DICOM, and labels.csv. FOLDER is made where it is missing; nothing in it is overwritten. The
    films are drawn by a program: no person's films, not for diagnosis.

    \b
    Examples:
      xraybatch sample films
      xraybatch predict films --out results.csv
      xraybatch score results.csv films/labels.csv
    """
    from xraybatch.core.errors import InputError
    from xraybatch_samples import write

    if folder.is_dir() and any(folder.iterdir()) and not _holds_samples(folder):
        raise InputError(
            f"{folder} is a folder with other files: sample films do not belong among them.",
            "Choose an empty folder.",
        )
    try:
        count = write(folder)
    except FileExistsError as error:
        raise InputError(
            f"{error.filename or error} is there already and is another file.",
            "Choose an empty folder.",
        ) from None
    except NotADirectoryError:
        raise InputError(f"{folder} is not a folder.", "Choose another name.") from None
    click.echo(f"{count} synthetic films and labels.csv are in {folder}.")
    click.echo(f"Next: xraybatch predict {folder} --out results.csv")


def _holds_samples(folder: Path) -> bool:
    """Whether the sample films were written there before."""
    try:
        return (folder / "README.md").read_text(encoding="utf-8").startswith("# Synthetic knee")
    except (OSError, UnicodeDecodeError):
        return False
