"""``xraybatch merge``."""

from __future__ import annotations

from pathlib import Path

import click

from xraybatch.cli import completion
from xraybatch.cli.options import log_file, quiet_option
from xraybatch.cli.outputs import OutputPath


@click.command()
@click.argument("out", type=OutputPath(), shell_complete=completion.paths)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    shell_complete=completion.paths,
    help="That of the run: every film is looked for by name. Else films are counted.",
)
@click.option("--overwrite", is_flag=True, help="Replace a table that is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary of the whole as JSON.")
@quiet_option
@log_file
def command(out: Path, manifest: Path | None, overwrite: bool, as_json: bool, quiet: bool) -> None:
    """Put the shards of a run together: the table of one run.

    The table is that of one run byte for byte. OUT is the name that predict --shard was given as
    --out; the shards lie beside it. They must be of one manifest, one model and the same options,
    unchanged, and have every film once. Where some are missing or not done, the commands that make
    them are printed, one a line, and the exit code is 3. The shards stay where they are.

    \b
    Examples:
      xraybatch merge results.csv
      xraybatch merge results.csv --manifest films.parquet
    """
    import json
    from contextlib import suppress

    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.cli.manifest_summary import merged_as_json, show_merged
    from xraybatch.core.counting import counted
    from xraybatch.core.errors import InputError
    from xraybatch.core.log import log_result, logged
    from xraybatch.prediction.sharding.files import MissingShards
    from xraybatch.prediction.sharding.merging import merge

    progress = logged(ConsoleProgress(quiet=quiet))
    try:
        record = merge(out, manifest=manifest, overwrite=overwrite, progress=progress)
    except MissingShards as missing:
        for line in missing.commands:
            click.echo(line)
        raise
    log_result(counted(record.films, "row"), by_status=record.by_status, skipped=record.skipped)
    with suppress(OSError):  # the table is written; nobody reads the summary
        if as_json:
            click.echo(json.dumps(merged_as_json(record, out), indent=2))
        elif not quiet:
            show_merged(record, out, stdout())
    if said := record.nothing_classified:
        raise InputError(said, f"The rows in {out} say why.")
