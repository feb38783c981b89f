"""``xraybatch list``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from xraybatch.cli import completion
from xraybatch.cli.io_options import io_options
from xraybatch.cli.options import log_file, quiet_option
from xraybatch.cli.outputs import OutputPath
from xraybatch.cli.pacs_options import query_option

if TYPE_CHECKING:
    from xraybatch.sources.dicomweb.query import Query
    from xraybatch.sources.fetch import IoOptions


@click.command()
@click.argument("sources", nargs=-1, required=True, shell_complete=completion.paths)
@click.option(
    "--manifest",
    type=OutputPath(),
    required=True,
    help="List to write: .parquet.",
)
@click.option("--overwrite", is_flag=True, help="Replace a manifest that is there already.")
@query_option
@io_options
@click.option("--json", "as_json", is_flag=True, help="Print what was listed as JSON.")
@quiet_option
@log_file
def command(
    sources: tuple[str, ...],
    manifest: Path,
    overwrite: bool,
    query: Query | None,
    io: IoOptions,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write down which films there are, for machines that share a run.

    SOURCES are what predict takes: folders, files, ZIP archives, patterns like 'a/*.dcm', prefixes
    of object stores, or @list.txt; or one address of a PACS. The manifest has the place, size and
    time of every film, in the order of the results, and a hash of the whole. predict --manifest
    takes it in place of films, so that many machines neither search the same folders nor disagree
    about what is in them.

    \b
    Examples:
      xraybatch list /archive --manifest films.parquet
      xraybatch predict --manifest films.parquet --out results.csv --shard 0/4
      xraybatch merge results.csv --manifest films.parquet
      xraybatch list dicomweb+https://pacs/dicom-web --study-date 20240131 --manifest films.parquet
    """
    import json
    from contextlib import suppress

    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.cli.manifest_summary import listed_as_json, show_listed
    from xraybatch.core.counting import counted
    from xraybatch.core.log import log_result, logged
    from xraybatch.sources.listing import list_films

    progress = logged(ConsoleProgress(quiet=quiet))
    listed = list_films(
        sources, manifest, overwrite=overwrite, progress=progress, io=io, query=query
    )
    log_result(counted(listed.facts.films, "film"), skipped=listed.facts.skipped)
    with suppress(OSError):  # the manifest is written; nobody reads the summary
        if as_json:
            click.echo(json.dumps(listed_as_json(listed), indent=2))
        elif not quiet:
            show_listed(listed, stdout())
