"""``xraybatch score``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from xraybatch.cli.options import (
    interval_options,
    label_options,
    log_file,
    positive_option,
    report_options,
)

_A_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("results", type=_A_PATH)
@click.argument("labels", type=_A_PATH)
@label_options("LABELS", why_patients="; intervals know that films of one patient are alike")
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME[:KIND[=CLASS,…]]",
    help="A task of RESULTS, where no run record lies beside them. Repeatable.",
)
@positive_option
@click.option(
    "--by",
    type=click.Choice(["film", "study", "patient"]),
    default="film",
    show_default=True,
    help="Put the films of a study (a patient) together to one answer, and score these.",
)
@click.option(
    "--aggregate",
    type=click.Choice(["mean", "max", "vote", "noisy-or"]),
    default="mean",
    show_default=True,
    help="How, with --by: the mean of the probabilities, the highest of the positive class, the "
    "answer of most films, or one less the product of the probabilities of being negative.",
)
@click.option(
    "--by-column",
    metavar="COLUMN",
    help="Column of the study (patient) in either table.  [default: study (patient); without one, "
    "the folders of MURA]",
)
@click.option(
    "--save-aggregated",
    "aggregated",
    type=_A_PATH,
    metavar="FILE",
    help="Write what --by put together: the unit, n_films, its answers (CSV).",
)
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="RULE",
    help="Numbers at a threshold of its own: youden, f1, cost=5:1, 'sensitivity>=0.95', "
    "'specificity>=0.9', or a number. Repeatable.  [default with --threshold-from: youden]",
)
@click.option(
    "--threshold-from",
    type=_A_PATH,
    metavar="VAL.csv",
    help="Results on other films, which --threshold chooses on; without it, on the scored films "
    "themselves, which is optimistic and said so.",
)
@click.option(
    "--threshold-labels",
    type=_A_PATH,
    metavar="FILE",
    help="Labels of these films.  [default: LABELS]",
)
@click.option(
    "--prevalence",
    type=float,
    metavar="SHARE",
    help="PPV and NPV also where the positive class is as common as this, for example 0.05.",
)
@click.option(
    "--slice",
    "slices",
    multiple=True,
    metavar="COLUMN",
    help="Main numbers for each value of a column of either table (a site, a sex, a tag.*), the "
    "worst first, each tested against all other films. Repeatable.",
)
@click.option(
    "--min-slice",
    default=20,
    show_default=True,
    type=click.IntRange(min=1),
    help="Films that a slice needs to be shown.",
)
@click.option(
    "--reader",
    "readers",
    multiple=True,
    metavar="COLUMN",
    help="A column of LABELS with a reader's answers: everybody's agreement with everybody. "
    "Repeatable.",
)
@report_options("report", ".html, .md, .json")
@click.option(
    "--images",
    type=_A_PATH,
    metavar="FOLDER",
    help="Show the films of the worst mistakes in the .html report; FOLDER is the one that was "
    "predicted. The page then holds films of patients.",
)
@click.option(
    "--no-images",
    is_flag=True,
    help="List the worst mistakes in the .html report by their paths, without films.",
)
@click.option(
    "--max-images",
    default=200,
    show_default=True,
    type=click.IntRange(min=1),
    help="Mistakes to show at most, shared by the tasks.",
)
@click.option(
    "--plots",
    type=_A_PATH,
    metavar="FOLDER",
    help="Write every picture of the report as PNG and SVG into FOLDER.",
)
@click.option(
    "--fail-under",
    "bars",
    multiple=True,
    metavar="NAME=VALUE",
    help="Leave with exit code 4 if a number lies below its bar, or is undefined; NAME:low is the "
    "lower end of its interval. Repeatable.",
)
@interval_options
@log_file
def command(
    results: Path,
    labels: Path,
    tasks: tuple[str, ...],
    positive: str | None,
    as_json: bool,
    reports: tuple[Path, ...],
    images: Path | None,
    no_images: bool,
    max_images: int,
    plots: Path | None,
    aggregated: Path | None,
    threshold_from: Path | None,
    threshold_labels: Path | None,
    overwrite: bool,
    bars: tuple[str, ...],
    **values: Any,
) -> None:
    """Compare results with labels: numbers with intervals.

    RESULTS is what `xraybatch predict` wrote; LABELS is a table with the columns 'path', the truth
    (named like the task, or 'label') and, better, 'patient': CSV, Parquet or JSON Lines. First
    comes how many films the two have in common, then every number with its interval and its
    denominator. What is undefined is said, never shown as 0.

    \b
    Examples:
      xraybatch score results.csv labels.csv
      xraybatch score results.csv labels.csv --report score.md --report score.json
      xraybatch score results.csv labels.csv --report score.html --images films/ --plots plots/
      xraybatch score results.csv hospital.csv --path-column file --label-column finding \\
          --label-map 0=normal,1=abnormal --patient-column mrn
      xraybatch score results.csv labels.csv --fail-under auc:low=0.9 --fail-under recall.normal=0.8
      xraybatch score results.csv labels.csv --threshold-from val.csv --threshold youden
      xraybatch score results.csv labels.csv --by study --slice site --reader dr_a --reader dr_b
      xraybatch score other.csv labels.csv --task label:ordinal=mild,moderate,severe
    """
    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.core.errors import UsageError
    from xraybatch.core.tasks import parse_task_request
    from xraybatch.evaluation.bars import check_bars, parse_bar
    from xraybatch.prediction.record import record_path
    from xraybatch.reports.console import print_report
    from xraybatch.reports.files import check_report_path, write_report
    from xraybatch.reports.json_text import to_json
    from xraybatch.reports.mistakes import gallery_of
    from xraybatch.reports.pictures import save_plots
    from xraybatch.reports.scoring import (
        read_labels,
        read_results,
        score_options,
        score_tables,
    )

    # what is mistyped is said before a million rows are read
    inputs = {p.resolve() for p in (results, labels, record_path(results))}
    for path in reports:
        if path.resolve() in inputs or reports.count(path) > 1:
            raise UsageError(
                f"--report {path} is one of the tables, their record, or given twice.",
                "Choose another name.",
            )
        check_report_path(path, overwrite=overwrite)
    _check_aggregated(aggregated, values["by"], {*inputs, *reports}, overwrite)
    _check_images(images, no_images, reports)
    for bar in bars:
        parse_bar(bar)
    if threshold_labels is not None and threshold_from is None:
        raise UsageError("--threshold-labels is for --threshold-from.", "Give both.")
    if threshold_from is not None and not values["thresholds"]:
        values["thresholds"] = ("youden",)
    asked: dict[str, Any] = {
        "requests": [parse_task_request(text) for text in tasks],
        "positive": positive,
        "options": score_options(**values),
        "progress": ConsoleProgress(quiet=as_json),
    }
    tables = read_results(results), read_labels(labels)
    chosen_on = None
    if threshold_from is not None:
        of_them = tables[1] if threshold_labels is None else read_labels(threshold_labels)
        chosen_on = (read_results(threshold_from), of_them)
    report = score_tables(*tables, chosen_on=chosen_on, aggregated=aggregated, **asked)
    wrong = None
    if images is not None or no_images:
        wrong = gallery_of(*tables, root=images, most=max_images, **asked)
    if as_json:
        click.echo(to_json(report), nl=False)
    else:
        print_report(report, stdout())
    for path in reports:
        write_report(report, path, wrong)
        click.echo(f"Report: {path}", err=True)
    if plots is not None:
        files = save_plots(report, plots, overwrite=overwrite)
        click.echo(f"Plots: {plots} ({len(files)} files)", err=True)
    check_bars(report, bars)


def _check_images(images: Path | None, no_images: bool, reports: tuple[Path, ...]) -> None:
    from xraybatch.core.errors import InputError, UsageError
    from xraybatch.reports.files import is_page

    if images is not None and no_images:
        raise UsageError("--images and --no-images exclude each other.", "Give one of them.")
    if (images is not None or no_images) and not any(map(is_page, reports)):
        raise UsageError(
            "The worst mistakes are shown only in an HTML report.", "Add --report score.html."
        )
    if images is not None and not images.is_dir():
        raise InputError(f"--images {images} is not a folder.", "Name the one that was predicted.")


def _check_aggregated(path: Path | None, by: str, taken: Collection[Path], overwrite: bool) -> None:
    from xraybatch.core.errors import InputError, UsageError

    if path is None:
        return
    if by == "film":
        raise UsageError("--save-aggregated needs something put together.", "Add --by study.")
    if path in taken or path.resolve() in taken:
        raise UsageError(f"--save-aggregated {path} is a table or report of this command.",
                         "Choose another name.")  # fmt: skip
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} is there already and is not overwritten.",
            "Choose another --save-aggregated, or allow it with --overwrite.",
        )
