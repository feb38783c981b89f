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
from xraybatch.core.counting import counted

if TYPE_CHECKING:
    from xraybatch.images.asked import Asked


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
@click.option(
    "--embeddings",
    type=OutputPath(),
    help="Write the model's embedding of each classified film too: .parquet.",
)
@click.option("--overwrite", is_flag=True, help="Replace results that are there already.")
@click.option(
    "--update",
    is_flag=True,
    help="Bring the results of an earlier run up to date: films that are new or changed are read, "
    "those that are gone lose their row.",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Read the films of an earlier run again that have no answer; with a larger --timeout or "
    "--max-pixels, if you like.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what is there, what would fail by its header, and how long it would take; write "
    "nothing.",
)
@click.option(
    "--job",
    type=OutputPath(),
    help="Where the state of the run is kept.  [default: <out>.job]",
)
@click.option("--discard-job", is_flag=True, help="Remove the state when the results are written.")
@click.option(
    "--max-failures",
    metavar="N|P%",
    help="Stop with exit code 4 as soon as more films than this, or a larger share of all films, "
    "must have no result.",
)
@click.option(
    "--allow-broken-seal",
    is_flag=True,
    help="Run a model file that was changed since it was made; the run record says so.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a summary of the run, or of --dry-run, as JSON."
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
    embeddings: Path | None,
    overwrite: bool,
    update: bool,
    retry_failed: bool,
    dry_run: bool,
    job: Path | None,
    discard_job: bool,
    max_failures: str | None,
    allow_broken_seal: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Classify films: one row for every film.

    FILMS are folders (searched with everything below them), files, ZIP archives (read in place),
    patterns like 'a/*.dcm', or @list.txt with a path a line. A film that cannot be read has its row
    with the reason; where not one has an answer, the exit code is 3. A run that was stopped or
    killed goes on when the same command is given again, and ends in the same bytes. The results of
    a run that was finished follow their folder with --update.

    \b
    Examples:
      xraybatch predict ./folder --out results.csv
      xraybatch predict ./folder --out results.parquet --model runs/2026-11-21-cnn-1
      xraybatch predict a.png b.dcm --out results.csv --device cpu
      xraybatch predict archive/ --out results.csv --where Modality=CR,DX
      xraybatch predict archive.zip --out results.csv --frames all --tags ViewPosition
      xraybatch predict ./folder --out results.csv --embeddings embeddings.parquet
      xraybatch predict ./folder --out results.csv --update
      xraybatch predict ./folder --out results.csv --retry-failed --timeout 600
    """
    import json

    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.cli.predict_summary import show_forecast, show_summary
    from xraybatch.core.errors import InputError
    from xraybatch.core.log import log_result, logged
    from xraybatch.models.choice import DEMONSTRATION, DEMONSTRATION_TITLE, choose_model
    from xraybatch.prediction.bar import check_bar, parse_bar
    from xraybatch.prediction.dry_run import dry_run as foretell
    from xraybatch.prediction.options import PredictOptions
    from xraybatch.prediction.run import predict_items
    from xraybatch.prediction.summary import summary
    from xraybatch.sources.films import find_films

    progress = logged(ConsoleProgress(quiet=quiet))
    asked = _asked(where, tags, salt_file, dicom_ids=dicom_ids)
    options = PredictOptions(
        *(device, batch_size, workers, threads, timeout, overwrite, job, discard_job),
        max_pixels=max_pixels,
        frames=frames,
        asked=asked,
        update=update,
        retry_failed=retry_failed,
        max_failures=None if max_failures is None else parse_bar(max_failures),
        embeddings=embeddings,
    )
    found = find_films(films, archives=True, progress=progress)
    chosen = choose_model(model, allow_broken_seal=allow_broken_seal)
    if chosen.why:
        progress.note(chosen.why)
    if chosen.model.card.demonstration:
        progress.warn(DEMONSTRATION_TITLE, DEMONSTRATION)
    if dry_run:
        forecast = foretell(
            found.items,
            chosen.model,
            out,
            options=options,
            skipped=found.skipped,
            progress=progress,
        )
        log_result(f"{counted(forecast.films, 'film')} found", by_status=forecast.by_status)
        if as_json:
            click.echo(json.dumps(forecast.to_dict(), indent=2))
        else:
            show_forecast(forecast, stdout())
        return
    record = predict_items(
        found.items,
        chosen.model,
        out,
        options=options,
        skipped=found.skipped,
        progress=progress,
    )
    log_result(counted(record.films, "row"), by_status=record.by_status, skipped=record.skipped)
    with suppress(OSError):  # the table is written; nobody reads the summary
        if as_json:
            kept = None if discard_job else job or out.with_name(out.name + ".job")
            click.echo(json.dumps(summary(record, out, kept, embeddings), indent=2))
        elif not quiet:
            show_summary(record, out, stdout(), embeddings)
    check_bar(options.max_failures, record.failed, record.films, str(out))
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
