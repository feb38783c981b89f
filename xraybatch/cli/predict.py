"""``xraybatch predict``."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xraybatch.cli import completion
from xraybatch.cli.engine_options import engine_options
from xraybatch.cli.io_options import io_options
from xraybatch.cli.manifest_options import films_to_predict, manifest_options
from xraybatch.cli.options import (
    device_option,
    log_file,
    model_option,
    quiet_option,
    reading_options,
)
from xraybatch.cli.outputs import OutputPath, ResultsPath
from xraybatch.core.counting import counted

if TYPE_CHECKING:
    from xraybatch.images.asked import Asked
    from xraybatch.sources.fetch import IoOptions


@click.command()
@click.argument("films", nargs=-1, shell_complete=completion.paths)
@click.option(
    "-o",
    "--out",
    type=ResultsPath(),
    required=True,
    help="Results: .csv, .parquet or .jsonl; s3://, gs:// and az:// need --job.",
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
    "--threads",
    type=click.IntRange(1),
    help="Threads of the model; of one batch at most as many as films.  [default: the cores]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds that one film may take to decode.",
)
@manifest_options
@reading_options
@io_options
@engine_options
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
    out: Path | str,
    model: Path | None,
    device: str,
    batch_size: int | None,
    workers: int | None,
    threads: int | None,
    timeout: float,
    manifest: Path | None,
    shard: str | None,
    max_pixels: int,
    frames: str,
    where: tuple[str, ...],
    tags: str | None,
    dicom_ids: bool,
    salt_file: Path | None,
    io: IoOptions,
    engine: str,
    address: str | None,
    actors: int | None,
    gpus_per_actor: float,
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
    patterns like 'a/*.dcm', prefixes of object stores (s3://, gs://, az://), https:// addresses of
    single films, or @list.txt with one of these a line. A film that cannot be read has its row
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
      xraybatch predict s3://bucket/films/ --out results.csv
      xraybatch predict ./folder --out results.csv --update
      xraybatch predict ./folder --out results.csv --retry-failed --timeout 600
      xraybatch predict --manifest films.parquet --out results.csv --shard 0/4
      xraybatch predict /archive --out results.csv --engine ray --address head:6379
    """
    import json

    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.cli.predict_summary import show_forecast, show_summary
    from xraybatch.core.errors import InputError
    from xraybatch.core.log import log_result, logged
    from xraybatch.models.choice import DEMONSTRATION, DEMONSTRATION_TITLE, choose_model
    from xraybatch.prediction.bar import check_bar, parse_bar
    from xraybatch.prediction.dry_run import dry_run as foretell
    from xraybatch.prediction.into_store import predict_into_store, staged_path
    from xraybatch.prediction.options import PredictOptions
    from xraybatch.prediction.portion import placed
    from xraybatch.prediction.run import predict_items
    from xraybatch.prediction.sharding.shards import parse_shard
    from xraybatch.prediction.summary import summary
    from xraybatch.sources.fetch import AnyFetch

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
        shard=None if shard is None else parse_shard(shard),
        engine=engine,
        address=address,
        actors=actors,
        gpus_per_actor=gpus_per_actor,
    )
    items, skipped, signed = films_to_predict(films, manifest, progress, io)
    fetch = AnyFetch(io, signed)
    chosen = choose_model(model, allow_broken_seal=allow_broken_seal)
    if chosen.why:
        progress.note(chosen.why)
    if chosen.model.card.demonstration:
        progress.warn(DEMONSTRATION_TITLE, DEMONSTRATION)
    if dry_run:
        forecast = foretell(
            items,
            chosen.model,
            staged_path(out, options) if isinstance(out, str) else out,
            options=options,
            skipped=skipped,
            progress=progress,
            fetch=fetch,
        )
        log_result(f"{counted(forecast.films, 'film')} found", by_status=forecast.by_status)
        if as_json:
            click.echo(json.dumps(forecast.to_dict(), indent=2))
        else:
            show_forecast(forecast, stdout())
        return
    predict = (
        partial(predict_into_store, address=out, io=io)
        if isinstance(out, str)
        else partial(predict_items, out=out)
    )
    record = predict(
        items,
        chosen.model,
        options=options,
        skipped=skipped,
        progress=progress,
        fetch=fetch,
    )
    log_result(counted(record.films, "row"), by_status=record.by_status, skipped=record.skipped)
    if not isinstance(out, str):
        out, options = placed(out, options)
    with suppress(OSError):  # the table is written; nobody reads the summary
        if as_json:
            kept = None if discard_job else options.job or Path(f"{out}.job")
            click.echo(json.dumps(summary(record, out, kept, options.embeddings), indent=2))
        elif not quiet:
            show_summary(record, out, stdout(), options.embeddings)
    check_bar(options.max_failures, record.failed, record.films, str(out))
    if said := record.nothing_classified:
        why = f"The rows in {out} say why."
        if options.shard is None:
            raise InputError(said, why)
        progress.warn("No answer", f"{said} {why}")  # whether it is a fault, merge can tell


def _asked(
    where: tuple[str, ...], tags: str | None, salt_file: Path | None, *, dicom_ids: bool
) -> Asked:
    from xraybatch.core.errors import UsageError
    from xraybatch.images.asked import Asked, parse_tags, parse_where, read_salt

    if salt_file is not None and not dicom_ids:
        raise UsageError("--salt-file is for --dicom-ids, which is not given.", "Give both.")
    salt = read_salt(salt_file) if dicom_ids else b""
    return Asked(parse_where(where), () if tags is None else parse_tags(tags), salt)
