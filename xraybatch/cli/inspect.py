"""``xraybatch inspect``."""

from __future__ import annotations

from pathlib import Path

import click

from xraybatch.cli import completion


@click.command()
@click.argument(
    "model", type=click.Path(path_type=Path), required=False, shell_complete=completion.models
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the card as JSON, without the hashes of training films.",
)
def command(model: Path | None, as_json: bool) -> None:
    """Show a model's card and check its seal.

    MODEL is a model file or a run folder; without it, the model that `xraybatch predict` would use.
    Leaves with exit code 3 where the seal is broken. Nothing is computed with the model.

    \b
    Examples:
      xraybatch inspect runs/2026-11-21-cnn-1
      xraybatch inspect model.onnx --json
    """
    import json

    from xraybatch.core.errors import ModelError
    from xraybatch.models.choice import choose_model

    chosen = choose_model(model, allow_broken_seal=True)
    if as_json:
        click.echo(json.dumps(chosen.model.card.to_dict(hashes=False), indent=2, sort_keys=True))
    else:
        from xraybatch.cli.console import stdout
        from xraybatch.reports.card_console import card_tables

        if chosen.why:
            click.echo(chosen.why, err=True)
        for part in card_tables(chosen.model):
            stdout().print(part)
    if chosen.model.broken_seal:
        raise ModelError(chosen.model.broken_seal, "Copy the model again from its run folder.")
