"""``xraybatch audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from xraybatch.cli import completion
from xraybatch.cli.options import label_options, log_file, quiet_option, report_options
from xraybatch.cli.outputs import OutputPath
from xraybatch.core.counting import counted

if TYPE_CHECKING:
    from xraybatch.auditing.record import Audit

_A_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("folders", nargs=-1, required=True, shell_complete=completion.paths)
@click.option(
    "--labels",
    type=_A_PATH,
    shell_complete=completion.paths,
    help="Table of labels.  [default: labels.csv in the folder, else class folders]",
)
@label_options("--labels", "class", ", whose films must not stand on two sides of a split")
@click.option("--split-column", help="Column of the parts in --labels.  [default: split, if any]")
@click.option(
    "-o",
    "--out",
    type=OutputPath(),
    shell_complete=completion.paths,
    help="Table to write: one row a film, as CSV.",
)
@report_options("audit", ".html, .md, .json")
@click.option(
    "--fail-on",
    metavar="leak,conflict,shortcut",
    shell_complete=completion.words("leak", "conflict", "shortcut"),
    help="Leave with exit code 4 where any of these is found.",
)
@click.option(
    "--near/--no-near",
    default=True,
    show_default=True,
    help="Look for copies that were changed, too: mirrored, re-encoded, moved.",
)
@click.option(
    "--permutations",
    type=click.IntRange(0, 100_000),
    default=200,
    show_default=True,
    help="Permutations of the labels in the test for shortcuts; 0: no test.",
)
@click.option(
    "--thumbnails",
    type=click.IntRange(0),
    default=200,
    show_default=True,
    help="Most films that an HTML report shows; 0: it holds none.",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Processes that decode.  [default: one a core]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds that one film may take.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the test.")
@quiet_option
@log_file
def command(
    folders: tuple[str, ...],
    labels: Path | None,
    path_column: str,
    label_column: str | None,
    patient_column: str | None,
    label_map: str | None,
    split_column: str | None,
    out: Path | None,
    as_json: bool,
    reports: tuple[Path, ...],
    overwrite: bool,
    fail_on: str | None,
    near: bool,
    permutations: int,
    thumbnails: int,
    workers: int | None,
    timeout: float,
    seed: int,
    quiet: bool,
) -> None:
    """Look for what spoils a folder of films before anyone trains on it.

    Every film is read once. It is told what cannot be read and why; what files are outside their
    pixels (format, size, compression …), crossed with the labels, and whether that alone gives the
    label away; films that are one film, with different labels or on two sides of a split; nearly
    constant films, negatives, and burnt-in writing. Nothing is changed.

    \b
    Examples:
      xraybatch audit ./films
      xraybatch audit ./films --labels hospital.csv --label-column finding --patient-column mrn
      xraybatch audit ./films --out audit.csv --report audit.html
      xraybatch audit ./films --fail-on leak,conflict,shortcut --json
    """
    from xraybatch.auditing.record import BARS
    from xraybatch.auditing.run import AuditOptions
    from xraybatch.auditing.table import write_table
    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.core.errors import UsageError
    from xraybatch.core.log import log_result, logged
    from xraybatch.core.names import did_you_mean, listed_words
    from xraybatch.reports.audit_console import print_audit
    from xraybatch.reports.audit_files import write_audit
    from xraybatch.reports.json_text import to_json
    from xraybatch.training.audited import LabelsAsked, audit_folders

    bars = () if fail_on is None else listed_words(fail_on, "--fail-on")
    for bar in bars:
        if bar not in BARS:
            raise UsageError(f"--fail-on {bar} is not known.", did_you_mean(bar, BARS))
    _check_places(out, reports, labels, overwrite=overwrite)
    asked = LabelsAsked(labels, path_column, label_column, patient_column, split_column, label_map)
    options = AuditOptions(near, permutations, seed, workers, timeout, hashed=out is not None)
    audited = audit_folders(folders, asked, options, logged(ConsoleProgress(quiet=quiet)))
    log_result(counted(audited.audit.films, "film"))
    if out is not None:
        write_table(audited, out)
        click.echo(f"Table: {out}", err=True)
    for path in reports:
        write_audit(audited, path, thumbnails=thumbnails)
        click.echo(f"Report: {path}", err=True)
    if as_json:
        click.echo(to_json(audited.audit), nl=False)
    elif not quiet:
        print_audit(audited.audit, stdout())
    _check_bars(audited.audit, bars)


def _check_places(
    out: Path | None, reports: tuple[Path, ...], labels: Path | None, *, overwrite: bool
) -> None:
    """Say before a film is read what cannot be written."""
    from xraybatch.core.errors import InputError, UsageError
    from xraybatch.core.log import is_open_log
    from xraybatch.reports.audit_files import FORMS_OF_AUDIT
    from xraybatch.reports.files import check_report_path

    places = [path.resolve() for path in (out, labels, *reports) if path is not None]
    if len(set(places)) < len(places):
        raise UsageError("Two of --labels, --out and --report name one file.", "Name two.")
    if out is not None and (out.suffix.lower() != ".csv" or is_open_log(out)):
        raise UsageError(f"A table cannot be written as '{out.name}'.", "Name it .csv.")
    if out is not None and out.exists() and not overwrite:
        raise InputError(
            f"{out} is there already and is not overwritten.",
            "Choose another --out, or allow it with --overwrite.",
        )
    for path in reports:
        check_report_path(path, overwrite=overwrite, forms=FORMS_OF_AUDIT)


def _check_bars(audit: Audit, bars: tuple[str, ...]) -> None:
    from xraybatch.core.errors import BarMissed

    failed = [bar for bar in audit.failures() if bar in bars]
    if failed:
        raise BarMissed(
            f"The audit found what --fail-on names: {', '.join(failed)}.",
            "The audit says which films; leave them out or put them right.",
        )
    unchecked = {bar: why for bar, why in audit.unchecked().items() if bar in bars}
    if unchecked:
        raise BarMissed(
            "What --fail-on names could not be looked for: "
            f"{'; '.join(f'{bar}, because {why}' for bar, why in unchecked.items())}.",
            "Give what is missing (--labels, a split, --permutations), or leave it out.",
        )
