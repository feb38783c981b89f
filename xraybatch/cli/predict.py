"""``xraybatch predict``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xraybatch.cli import completion
from xraybatch.cli.options import (
    device_option,
    log_file,
    model_option,
    quiet_option,
    reading_options,
)
from xraybatch.cli.outputs import OutputPath
from xraybatch.core.counting import counted, verb

if TYPE_CHECKING:
    from rich.console import Console

    from xraybatch.images.asked import Asked
    from xraybatch.prediction.record import PredictionRecord


@click.command()
@click.argument("films", nargs=-1, required=True, shell_complete=completion.paths)
@click.option(
    "-o",
    "--out",
    type=OutputPath(),
    required=True,
    help="Results: .csv, .parquet or .jsonl.",
)
@model_option
@device_option
@click.option("--batch-size", type=int, help="Films a batch, 2 or more.  [default: 16, GPU 32]")
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Processes that decode; 0: none, but threads.  [default: the cores]",
)
@click.option(
    "--threads", type=click.IntRange(1), help="Threads of the model.  [default: the cores]"
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds that one film may take to decode.",
)
@reading_options
@click.option("--overwrite", is_flag=True, help="Replace results that are there already.")
@click.option(
    "--job",
    type=OutputPath(),
    help="Where the state of the run is kept.  [default: <out>.job]",
)
@click.option("--discard-job", is_flag=True, help="Remove the state when the results are written.")
@click.option(
    "--max-failures",
    type=click.IntRange(0),
    metavar="N",
    help="Leave with exit code 4 if more films than this have no result.",
)
@click.option(
    "--allow-broken-seal",
    is_flag=True,
    help="Run a model file that was changed since it was made; the run record says so.",
)
@quiet_option
@log_file
def command(
    films: tuple[str, ...],
    out: Path,
    model: Path | None,
    device: str,
    batch_size: int | None,
    workers: int | None,
    threads: int | None,
    timeout: float,
    max_pixels: int,
    frames: str,
    where: tuple[str, ...],
    tags: str | None,
    dicom_ids: bool,
    salt_file: Path | None,
    overwrite: bool,
    job: Path | None,
    discard_job: bool,
    max_failures: int | None,
    allow_broken_seal: bool,
    quiet: bool,
) -> None:
    """Classify films: one row for every film.

    FILMS are folders (searched with everything below them), files, ZIP archives (read in place),
    patterns like 'a/*.dcm', or @list.txt with a path a line. A film that cannot be read has its row
    with the reason; where not one has an answer, the exit code is 3. A run that was stopped or
    killed goes on when the same command is given again, and ends in the same bytes.

    \b
    Examples:
      xraybatch predict ./folder --out results.csv
      xraybatch predict ./folder --out results.parquet --model runs/2026-11-21-cnn-1
      xraybatch predict a.png b.dcm --out results.csv --device cpu
      xraybatch predict archive/ --out results.csv --where Modality=CR,DX
      xraybatch predict archive.zip --out results.csv --frames all --tags ViewPosition
    """
    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.core.errors import BarMissed, InputError
    from xraybatch.core.log import log_result, logged
    from xraybatch.models.choice import DEMONSTRATION, DEMONSTRATION_TITLE, choose_model
    from xraybatch.prediction.options import PredictOptions
    from xraybatch.prediction.run import predict_items
    from xraybatch.sources.films import find_films

    progress = logged(ConsoleProgress(quiet=quiet))
    asked = _asked(where, tags, salt_file, dicom_ids=dicom_ids)
    options = PredictOptions(
        *(device, batch_size, workers, threads, timeout, overwrite, job, discard_job),
        max_pixels=max_pixels,
        frames=frames,
        asked=asked,
    )
    found = find_films(films, archives=True)
    chosen = choose_model(model, allow_broken_seal=allow_broken_seal)
    if chosen.why:
        progress.note(chosen.why)
    if chosen.model.card.demonstration:
        progress.warn(DEMONSTRATION_TITLE, DEMONSTRATION)
    record = predict_items(
        found.items,
        chosen.model,
        out,
        options=options,
        skipped=found.skipped,
        progress=progress,
    )
    log_result(counted(record.films, "row"), by_status=record.by_status, skipped=record.skipped)
    if not quiet:
        with suppress(OSError):  # the table is written; nobody reads the summary
            show_summary(record, out, stdout())
    if max_failures is not None and record.failed > max_failures:
        raise BarMissed(
            f"{counted(record.failed, 'film')} {verb('has', record.failed)} no result; "
            f"--max-failures allows {max_failures:,}.",
            f"Their rows in {out} say why.",
        )
    if said := record.nothing_classified:
        raise InputError(said, f"The rows in {out} say why.")


def _asked(
    where: tuple[str, ...], tags: str | None, salt_file: Path | None, *, dicom_ids: bool
) -> Asked:
    from xraybatch.core.errors import UsageError
    from xraybatch.images.asked import Asked, parse_tags, parse_where, read_salt

    if salt_file is not None and not dicom_ids:
        raise UsageError("--salt-file is for --dicom-ids, which is not given.", "Give both.")
    salt = read_salt(salt_file) if dicom_ids else b""
    return Asked(parse_where(where), () if tags is None else parse_tags(tags), salt)


def show_summary(record: PredictionRecord, out: Path, console: Console) -> None:
    """Print what a run did: films, classes, failures and skipped files by reason, time by stage."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")

    def counts(found: dict[str, int]) -> str:
        return escape("   ".join(f"{name} {count:,}" for name, count in found.items()))

    ok = record.by_status.get("ok", 0)
    table.add_row(
        "films", f"{record.films:,} ({ok:,} classified, {record.failed:,} without result)"
    )
    for task, found in record.classes.items():
        table.add_row(escape(task), counts(found))
    failures = {name: n for name, n in record.by_status.items() if name != "ok"}
    if failures:
        table.add_row("[yellow]no result[/]", counts(failures))
    if record.skipped:
        table.add_row("skipped", counts(record.skipped))
    for sentence, count in record.film_notes.items():
        table.add_row("note", escape(f"{counted(count, 'film')}: {sentence}"))
    seconds = record.seconds
    where = counted(record.workers, "process") if record.workers else "threads"
    table.add_row(
        "speed",
        f"{record.films_per_second:,.1f} films/s on {record.device}; {seconds['total']:.1f} s "
        f"(decoding {seconds['decoding']:.1f} s in {where}, "
        f"classifying {seconds['classifying']:.1f} s)",
    )
    table.add_row("results", escape(str(out)))
    table.add_row("record", escape(f"{out}.run.json"))
    console.print(table)
    if ok:
        console.print(f"[dim]Next:[/] xraybatch score {escape(str(out))} YOUR-LABELS.csv")
