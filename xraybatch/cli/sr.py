"""``xraybatch sr``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xraybatch.cli import completion
from xraybatch.cli.io_options import io_options
from xraybatch.cli.options import log_file, quiet_option
from xraybatch.cli.outputs import OutputPath

if TYPE_CHECKING:
    from xraybatch.models.model import Model
    from xraybatch.reports.structured.write import Reported
    from xraybatch.sources.fetch import IoOptions

_A_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("results", type=_A_PATH, shell_complete=completion.paths)
@click.option(
    "-m",
    "--model",
    type=_A_PATH,
    shell_complete=completion.models,
    help="The model of RESULTS: file or run folder.  [default: found by its seal]",
)
@click.option(
    "-o",
    "--out",
    type=OutputPath(),
    required=True,
    help="Folder for the reports; nothing in it is overwritten.",
)
@click.option(
    "--films",
    multiple=True,
    shell_complete=completion.paths,
    help="What was given to predict as FILMS, where it was moved or the state of the run was "
    "discarded. Repeatable.",
)
@click.option(
    "--manifest",
    type=_A_PATH,
    shell_complete=completion.paths,
    help="The manifest that lists the films, in place of --films.",
)
@click.option(
    "--code",
    multiple=True,
    metavar="CLASS=VALUE:SCHEME:MEANING",
    help="A code that displays know for a class, TASK.CLASS or task, such as "
    "'fracture=72704001:SCT:Fracture'. Repeatable.  [default: a private code with its name]",
)
@io_options
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@quiet_option
@log_file
def command(
    results: Path,
    model: Path | None,
    out: Path,
    films: tuple[str, ...],
    manifest: Path | None,
    code: tuple[str, ...],
    io: IoOptions,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write results as DICOM structured reports, one for each film.

    RESULTS is what `xraybatch predict` wrote, with its run record beside it. Each DICOM film that
    was answered gets a report in its own study, marked as not for diagnosis, to be stored by your
    own tools (docs/structured-reports.md). The same command again makes the same files.

    Reports hold the patient's name and numbers, as the films do.

    \b
    Examples:
      xraybatch sr results.csv --out reports
      xraybatch sr results.csv --model model.onnx --out reports --films /mnt/archive
      xraybatch sr results.csv --out reports --code 'fracture=72704001:SCT:Fracture'
    """
    from xraybatch.cli.console import ConsoleProgress
    from xraybatch.core.errors import InputError, UsageError
    from xraybatch.core.log import log_result, logged
    from xraybatch.models.choice import DEMONSTRATION, DEMONSTRATION_TITLE
    from xraybatch.prediction.record import read_record
    from xraybatch.prediction.recorded_model import model_of_record
    from xraybatch.reports.structured.write import write_reports

    if films and manifest is not None:
        raise UsageError("--films and --manifest both say where the films lie.", "Give one.")
    progress = logged(ConsoleProgress(quiet=quiet))
    record = read_record(results)
    chosen = model_of_record(record, results, model)
    if chosen.card.demonstration:
        progress.warn(DEMONSTRATION_TITLE, DEMONSTRATION)
    done = write_reports(
        results,
        record,
        chosen,
        out,
        films=films,
        manifest=manifest,
        code=code,
        io=io,
        progress=progress,
    )
    log_result("reported", written=done.written, unchanged=done.unchanged, left_out=done.left_out)
    if as_json:
        model_facts = {"name": chosen.card.name, "seal": chosen.seal}
        told = {**done.to_dict(), "results": str(results), "out": str(out), "model": model_facts}
        click.echo(json.dumps(told, indent=2))
    elif not quiet:
        _show(done, out, chosen)
    if not done.reports:
        why = ", ".join(f"{count:,} {reason}" for reason, count in done.left_out.items())
        raise InputError(
            f"Not one report could be made of {results}: {why or 'it has no row'}.",
            "Reports are made of DICOM films that have an answer, where the films can be read.",
        )


def _show(done: Reported, out: Path, model: Model) -> None:
    from rich.markup import escape

    from xraybatch.cli.console import stdout
    from xraybatch.cli.predict_summary import two_columns
    from xraybatch.core.counting import counted

    table = two_columns()
    there = f", {done.unchanged:,} there already" if done.unchanged else ""
    table.add_row("reports", f"{counted(done.written, 'report')} written{there}")
    for reason, count in done.left_out.items():
        table.add_row("[yellow]no report[/]", escape(f"{counted(count, 'row')}: {reason}"))
    table.add_row("model", escape(f"{model.card.name}, seal {model.seal[:12]}"))
    table.add_row("folder", escape(str(out)))
    stdout().print(table)
    if done.reports:
        stdout().print("[dim]Not for diagnosis. They hold the patient's name, as the films do.[/]")
