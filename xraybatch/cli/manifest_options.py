"""``--manifest`` and ``--shard`` of ``xraybatch predict``, and which films they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xraybatch.cli import completion
from xraybatch.cli.options import together

if TYPE_CHECKING:
    from xraybatch.core.progress import Progress
    from xraybatch.sources.fetch import IoOptions
    from xraybatch.sources.item import Item

manifest_options = together(
    click.option(
        "--manifest",
        type=click.Path(path_type=Path),
        shell_complete=completion.paths,
        help="Films that xraybatch list wrote down, in place of FILMS.",
    ),
    click.option(
        "--shard",
        metavar="I/N|auto",
        help="Of --manifest, part I (from 0) of N alone, into <out>.shard-I-of-N; auto: as the "
        "job array of Slurm, LSF or Kubernetes says.",
    ),
)


def films_to_predict(
    films: tuple[str, ...], manifest: Path | None, progress: Progress, io: IoOptions
) -> tuple[Sequence[Item], Mapping[str, int], Mapping[str, str]]:
    """The films that a person named, what of it is none by reason, and addresses as signed.

    Raises
    ------
    UsageError
        If they are named twice, or not at all.
    InputError
        If they cannot be found or read.
    """
    from xraybatch.core.errors import UsageError
    from xraybatch.sources.films import find_films
    from xraybatch.sources.manifest import open_manifest

    if manifest is not None:
        if films:
            raise UsageError(
                "FILMS and --manifest are both given, and each says which films are meant.",
                "Leave one out.",
            )
        listed = open_manifest(manifest)
        return listed, listed.skipped, {}
    if not films:
        raise UsageError(
            "No films are named.", "Name a folder, or a --manifest that xraybatch list wrote."
        )
    found = find_films(films, archives=True, progress=progress, io=io)
    return found.items, found.skipped, found.signed
