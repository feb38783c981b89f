"""``xraybatch export``."""

from __future__ import annotations

from pathlib import Path

import click

from xraybatch.cli import completion
from xraybatch.cli.options import quiet_option
from xraybatch.cli.outputs import OutputPath

_A_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run", type=_A_PATH, shell_complete=completion.models)
@click.option(
    "--to",
    required=True,
    metavar="FORMAT",
    shell_complete=completion.exporters,
    help="Exporter, listed by `xraybatch plugins exporter`.",
)
@click.option(
    "-o", "--out", type=OutputPath(), help="What to write.  [default: RUN/exports/model.<suffix>]"
)
@click.option(
    "--tolerance",
    type=float,
    default=2e-4,
    show_default=True,
    help="By which a probability of the new file may differ from Keras.",
)
@click.option(
    "--max-changed",
    metavar="N|P%",
    default="1%",
    show_default=True,
    help="Validation films that may get another class in int8 or fp16; P% allows one at least.",
)
@click.option(
    "-O",
    "--option",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the exporter, listed by `xraybatch plugins exporter`. Repeatable.",
)
@quiet_option
def command(
    run: Path,
    to: str,
    out: Path | None,
    tolerance: float,
    max_changed: str,
    option: tuple[str, ...],
    quiet: bool,
) -> None:
    """Write a run's model in another format or precision.

    RUN is a run folder, or the model file in it. The new file answers the run's validation films as
    Keras did, or it is not written. In int8 or fp16 a few films may change: see docs/precision.md.

    \b
    Examples:
      xraybatch export runs/2026-11-21-cnn-1 --to saved_model
      xraybatch export runs/2026-11-21-cnn-1 --to h5 --out model.h5
      xraybatch export runs/2026-11-21-cnn-1 --to onnx --out model.onnx
      xraybatch export runs/2026-11-21-cnn-1 --to onnx-int8
    """
    from xraybatch.cli.console import ConsoleProgress
    from xraybatch.training.export import export

    progress = ConsoleProgress(quiet=quiet)
    done = export(
        run,
        to,
        out,
        values=option,
        tolerance=tolerance,
        max_changed=max_changed,
        progress=progress,
    )
    if not quiet:
        click.echo(f"Written: {done.path}")
