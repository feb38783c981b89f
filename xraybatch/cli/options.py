"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from xraybatch.cli import completion
from xraybatch.cli.counts import Count
from xraybatch.cli.outputs import OutputPath

Decorate = Callable[[Callable[..., Any]], Callable[..., Any]]


def together(*options: Decorate) -> Decorate:
    """Options as one decorator; the help has them in the order given."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _open_log(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is None or context.resilient_parsing:
        return
    from importlib.metadata import version

    from xraybatch.core.log import log_begin, log_to

    open_until_the_end = context.find_object(ExitStack) or context.find_root()
    if isinstance(open_until_the_end, ExitStack):
        open_until_the_end.enter_context(log_to(path))
    else:  # called without `main`
        open_until_the_end.with_resource(log_to(path))
    log_begin(f"xraybatch {version('xraybatch')} {context.info_name}")


log_file = click.option(
    "--log-file",
    type=OutputPath(folder=False),
    expose_value=False,
    callback=_open_log,
    help="Append what is said, with times, as JSON lines; no film's name is in it, and of an error "
    "only its kind and place.",
)


quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="No progress and no summary; warnings stay."
)

model_option = click.option(
    "-m",
    "--model",
    type=click.Path(path_type=Path),
    shell_complete=completion.models,
    help="Model file or run folder.  [default: $XRAYBATCH_MODEL, else the newest run in ./runs, "
    "else the bundled demonstration model]",
)

device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    shell_complete=completion.words("auto", "cpu", "cuda"),
    help="Where to compute; a device asked for by name and not there is an error. `predict` takes "
    "several GPUs: cuda:0,1.",
)

positive_option = click.option(
    "--positive", metavar="CLASS", help="The class, of two, that sensitivity speaks of."
)


def label_options(table: str, truth: str = "truth", why_patients: str = "") -> Decorate:
    """How a table of labels is read.

    Parameters
    ----------
    table : str
        What the help calls it.
    truth : str
        What it calls that which the labels say of a film.
    why_patients : str
        What patients are good for, put behind their column.
    """
    return together(
        click.option(
            "--path-column",
            default="path",
            show_default=True,
            help=f"Column of the paths in {table}.",
        ),
        click.option(
            "--label-column",
            help=f"Column of the {truth} in {table}.  [default: the task's name, else 'label']",
        ),
        click.option(
            "--patient-column",
            help=f"Column of the patients in {table}{why_patients}.  [default: patient, if any]",
        ),
        click.option(
            "--label-map",
            metavar="VALUE=CLASS,…",
            help=f"Classes that the values of {table} mean; nothing after '=': not labelled.",
        ),
    )


def report_options(report: str, forms: str) -> Decorate:
    """Where a report goes; `report` is what the help calls it, `forms` its suffixes."""
    return together(
        click.option("--json", "as_json", is_flag=True, help=f"Print the {report} as JSON."),
        click.option(
            "--report",
            "reports",
            type=OutputPath(),
            multiple=True,
            metavar="FILE",
            shell_complete=completion.paths,
            help=f"Write the {report}; the suffix decides: {forms}. Repeatable.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace files that are there already."),
    )


interval_options = together(
    click.option("--confidence", default=0.95, show_default=True, help="Level of the intervals."),
    click.option(
        "--resamples", default=2000, show_default=True, help="Resamples of the bootstrap."
    ),
    click.option("--seed", default=0, show_default=True, help="Seed of the bootstrap."),
)

reading_options = together(
    click.option(
        "--max-pixels",
        type=Count("pixels"),
        default=100_000_000,
        metavar="N",
        help="Height times width of a film (or frame), such as 50M or 5e7; what its header says "
        "to be larger is not decoded.  [default: 100M]",
    ),
    click.option(
        "--frames",
        type=click.Choice(["first", "all"]),
        default="first",
        show_default=True,
        help="Of a DICOM or TIFF with several films: the first, or a row for each.",
    ),
    click.option(
        "--where",
        multiple=True,
        metavar="TAG=VALUE,…",
        help="Take only films whose DICOM tag has one of the values; the others are counted. "
        "Repeatable.",
    ),
    click.option(
        "--tags",
        metavar="TAG,…",
        help="DICOM tags as columns tag.TAG; none that identifies a person is allowed.",
    ),
    click.option(
        "--dicom-ids",
        is_flag=True,
        help="Columns patient and study: hashes with your own salt, from XRAYBATCH_SALT or "
        "--salt-file.",
    ),
    click.option(
        "--salt-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File with the salt for --dicom-ids.",
    ),
)
