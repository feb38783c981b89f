"""``xraybatch plugins``."""

from __future__ import annotations

import click

KINDS = ("architecture", "preset", "exporter", "metric", "reader")


@click.command()
@click.argument("kind", required=False, type=click.Choice(KINDS))
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(kind: str | None, as_json: bool) -> None:
    """List architectures, exporters, metrics and readers.

    Every plugin that is installed is loaded and each of its hooks is called; one that is broken is
    listed with the reason. XRAYBATCH_BLOCK=distribution:name keeps a plugin from being loaded.

    \b
    Examples:
      xraybatch plugins
      xraybatch plugins architecture
    """
    from xraybatch.extension.registry import registry

    rows = registry().rows
    if as_json:
        import json

        from xraybatch.cli.plugin_rows import as_dicts

        click.echo(json.dumps(as_dicts(rows, kind), indent=2))
        return
    from xraybatch.cli.console import stdout
    from xraybatch.cli.plugin_rows import tables

    for table in tables(rows, kind):
        stdout().print(table)
