"""``xraybatch inspect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xraybatch.cli import completion
from xraybatch.cli.io_options import io_options

if TYPE_CHECKING:
    from xraybatch.prediction.recomputing import Recomputed
    from xraybatch.sources.fetch import IoOptions


@click.command()
@click.argument(
    "what",
    metavar="[MODEL|RESULTS]",
    type=click.Path(path_type=Path),
    required=False,
    shell_complete=completion.models,
)
@click.option(
    "--recompute",
    type=click.IntRange(1),
    metavar="N",
    help="Compute N rows of RESULTS again, spread over the table, and say whether it still holds.",
)
@click.option(
    "-m",
    "--model",
    type=click.Path(path_type=Path),
    shell_complete=completion.models,
    help="The model of RESULTS, where it was moved.  [default: found by its seal]",
)
@click.option(
    "--films",
    multiple=True,
    shell_complete=completion.paths,
    help="What was given to predict as FILMS, where it was moved or the state of the run was "
    "discarded. Repeatable.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the choice of rows.")
@click.option(
    "--device",
    metavar="auto|cpu|cuda|cuda:N",
    shell_complete=completion.words("auto", "cpu", "cuda"),
    help="Where to compute rows again.  [default: as the run did]",
)
@io_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print as JSON: the card without the hashes of training films, the run record, or what "
    "came of --recompute.",
)
def command(
    what: Path | None,
    recompute: int | None,
    model: Path | None,
    films: tuple[str, ...],
    seed: int,
    device: str | None,
    io: IoOptions,
    as_json: bool,
) -> None:
    """Show a model's card and check its seal, or check a results table.

    MODEL is a model file or a run folder; without it, the model that `xraybatch predict` would use.
    Leaves with exit code 3 where the seal is broken. Nothing is computed with the model.

    RESULTS is what `xraybatch predict` wrote, with its run record beside it: shows what it was made
    with. With --recompute some of its rows are computed again; exit code 4 if they differ.

    \b
    Examples:
      xraybatch inspect runs/2026-11-21-cnn-1
      xraybatch inspect model.onnx --json
      xraybatch inspect results.csv
      xraybatch inspect results.csv --recompute 200
      xraybatch inspect results.csv --recompute 200 --films /mnt/archive --model model.onnx
    """
    from xraybatch.core.errors import UsageError
    from xraybatch.prediction.reading import is_results

    is_table = what is not None and is_results(what)
    if not is_table and (recompute is not None or model is not None or films):
        raise UsageError(
            "--recompute, --model and --films are for results of `xraybatch predict`.",
            f"{what} is no such table." if what is not None else "Name a table.",
        )
    if what is not None and is_table:
        _table(what, recompute, model, films, seed, device, io, as_json=as_json)
    else:
        _model(what, as_json=as_json)


def _model(path: Path | None, *, as_json: bool) -> None:
    from xraybatch.core.errors import ModelError
    from xraybatch.models.choice import choose_model

    chosen = choose_model(path, allow_broken_seal=True)
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


def _table(
    path: Path,
    count: int | None,
    named: Path | None,
    films: tuple[str, ...],
    seed: int,
    device: str | None,
    io: IoOptions,
    *,
    as_json: bool,
) -> None:
    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.cli.inspect_results import show_recomputed, show_results
    from xraybatch.core.errors import BarMissed, InputError
    from xraybatch.core.files import sha256_of
    from xraybatch.prediction.recomputing import recompute
    from xraybatch.prediction.record import read_record
    from xraybatch.prediction.recorded_model import model_of_record

    record = read_record(path)
    if count is None:
        if as_json:
            click.echo(json.dumps(record.to_dict(), indent=2, sort_keys=True))
        else:
            show_results(record, path, stdout())
        if sha256_of(path) != record.results_sha256:
            raise InputError(
                f"{path} is not byte for byte as the run wrote it.",
                "Somebody changed it, or the run record is of another table.",
            )
        return
    model = model_of_record(record, path, named)
    found: Recomputed = recompute(
        path,
        record,
        model,
        count,
        films=films,
        seed=seed,
        device=device or "",
        io=io,
        progress=ConsoleProgress(),
    )
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        show_recomputed(found, path, stdout())
    if not found.holds:
        raise BarMissed(
            f"{found.different:,} of {found.recomputed:,} rows of {path} came out otherwise.",
            "What is above says how.",
        )
