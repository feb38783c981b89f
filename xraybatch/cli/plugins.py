"""``xraybatch plugins``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

KINDS = ("architecture", "preset", "exporter", "metric", "reader")


@click.command()
@click.argument("kind", required=False, type=click.Choice(KINDS))
@click.option(
    "--test",
    "tested",
    metavar="NAME",
    help="Run the contract suite on a record (NAME or KIND:NAME) or on all of a plugin "
    "(DISTRIBUTION:ENTRY_POINT).",
)
@click.option(
    "--example",
    "examples",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --test: a small file that the reader must read. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the list, or the checks, as JSON.")
def command(
    kind: str | None, tested: str | None, examples: tuple[Path, ...], as_json: bool
) -> None:
    """List architectures, exporters, metrics and readers.

    Every plugin that is installed is loaded and each of its hooks is called; one that is broken is
    listed with the reason. XRAYBATCH_BLOCK=distribution:name keeps a plugin from being loaded.

    With --test, a plugin is held to what it promises: a network of it is trained, exported and
    predicts, a format is written and read back, a reader gets damaged files. The exit code is 4 if
    a check fails.

    \b
    Examples:
      xraybatch plugins
      xraybatch plugins architecture
      xraybatch plugins --test resnet50
      xraybatch plugins --test reader:png
    """
    if tested is None:
        if examples:
            raise click.UsageError("--example goes with --test.")
        _list(kind, as_json=as_json)
        return
    from xraybatch.cli.plugin_guard import guarded

    if click.get_current_context().find_object(ExitStack) is not None and guarded():
        return
    from xraybatch.cli.plugin_tests import run_tests

    run_tests(tested, kind, examples, as_json=as_json)


def _list(kind: str | None, *, as_json: bool) -> None:
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
