"""``xraybatch score``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
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
from xraybatch.cli.score_options import asked_options, capsule_options, picture_options
from xraybatch.core.counting import counted

_A_PATH = click.Path(path_type=Path)
_WITH_CAPSULES = {"results", "labels", "as_json", "reports", "plots", "overwrite", "bars",
                  "images", "no_images", "max_images", "heatmap", "model", "log_file"}  # fmt: skip


@click.command()
@click.argument("results", type=_A_PATH)
@click.argument("labels", type=_A_PATH, required=False)
@label_options("LABELS", why_patients="; intervals know that films of one patient are alike")
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME[:KIND[=CLASS,…]]",
    help="A task of RESULTS, where no run record lies beside them. Repeatable.",
)
@positive_option
@asked_options
@report_options("report", ".html, .md, .json")
@picture_options
@capsule_options
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
@click.pass_context
def command(
    context: click.Context,
    /,
    results: Path,
    labels: Path | None,
    tasks: tuple[str, ...],
    positive: str | None,
    as_json: bool,
    reports: tuple[Path, ...],
    images: Path | None,
    no_images: bool,
    max_images: int,
    heatmap: bool,
    model: Path | None,
    plots: Path | None,
    aggregated: Path | None,
    threshold_from: Path | None,
    threshold_labels: Path | None,
    capsule: Path | None,
    hash_names: Path | None,
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
      xraybatch score results.csv labels.csv --report score.html --images films/ --heatmap
      xraybatch score results.csv hospital.csv --path-column file --label-column finding \\
          --label-map 0=normal,1=abnormal --patient-column mrn
      xraybatch score results.csv labels.csv --fail-under auc:low=0.9 --fail-under recall.normal=0.8
      xraybatch score results.csv labels.csv --threshold-from val.csv --threshold youden
      xraybatch score results.csv labels.csv --by study --slice site --reader dr_a --reader dr_b
      xraybatch score results.csv labels.csv --capsule paper.zip --hash-names paper.key
      xraybatch score paper.zip
      xraybatch score other.csv labels.csv --task label:ordinal=mild,moderate,severe
    """
    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.core.errors import BarMissed, InputError, UsageError
    from xraybatch.evaluation.bars import check_bars, parse_bar
    from xraybatch.prediction.record import record_path
    from xraybatch.reports.asked import Scoring
    from xraybatch.reports.capsule import (
        CHOSEN_LABELS,
        CHOSEN_ON,
        LABELS,
        RESULTS,
        SUFFIX,
        differences,
        open_capsule,
        why_differing,
    )
    from xraybatch.reports.console import print_report
    from xraybatch.reports.files import check_report_path, write_report
    from xraybatch.reports.json_text import to_json
    from xraybatch.reports.keyed_names import read_key
    from xraybatch.reports.mistakes import gallery_of
    from xraybatch.reports.picture_files import save_plots

    # what is mistyped is said before a million rows are read
    inputs = {p.resolve() for p in (results, labels, record_path(results)) if p is not None}
    for path in reports:
        if path.resolve() in inputs or reports.count(path) > 1:
            raise UsageError(
                f"--report {path} is one of the tables, their record, or given twice.",
                "Choose another name.",
            )
        check_report_path(path, overwrite=overwrite)
    taken = {*inputs, *reports}
    if aggregated is not None and values["by"] == "film":
        raise UsageError("--save-aggregated needs something put together.", "Add --by study.")
    _check_new("--save-aggregated", aggregated, taken, overwrite)
    _check_new("--capsule", capsule, taken, overwrite)
    if capsule is not None and capsule.suffix.lower() != SUFFIX:
        raise UsageError(f"A capsule is a {SUFFIX} file, not '{capsule.name}'.", "Rename it.")
    if hash_names is not None:
        if capsule is None:
            raise UsageError("--hash-names is for --capsule.", "Give both.")
        if hash_names.resolve() in {p.resolve() for p in (capsule, *taken)}:
            raise UsageError(
                f"--hash-names {hash_names} is another file of this command.", "Choose another."
            )
        read_key(hash_names)
    _check_images(images, no_images, reports)
    if heatmap and images is None:
        raise UsageError("--heatmap is about the films of --images.", "Give both.")
    if model is not None and not heatmap:
        raise UsageError("--model is for --heatmap.", "Give both.")
    for bar in bars:
        parse_bar(bar)
    if threshold_labels is not None and threshold_from is None:
        raise UsageError("--threshold-labels is for --threshold-from.", "Give both.")
    if threshold_from is not None and not values["thresholds"]:
        values["thresholds"] = ("youden",)

    progress = ConsoleProgress(quiet=as_json)
    asked = {**values, "tasks": tasks, "positive": positive}
    differing: list[str] | None = None
    names: Mapping[str, str] | None = None
    with ExitStack() as stack:
        if labels is None:
            _check_capsule_alone(context, results)
            opened = stack.enter_context(open_capsule(results))
            tables, asked = dict(opened.tables), dict(opened.asked)
            names = opened.names
        else:
            if results.suffix.lower() == SUFFIX:
                raise UsageError(
                    f"{results} is no results table; a capsule has its own labels.",
                    f"Score it alone: xraybatch score {results}",
                )
            tables = {RESULTS: results, LABELS: labels}
            if threshold_from is not None:
                tables |= {CHOSEN_ON: threshold_from, CHOSEN_LABELS: threshold_labels or labels}
        try:
            scoring = Scoring(tables, asked, progress, names)
        except (AttributeError, KeyError, TypeError, ValueError):
            if labels is not None:
                raise
            raise InputError(
                f"The options in {results.name} are none that a score takes.",
                "Was it made by a newer xraybatch?",
            ) from None
        if bars:
            scoring.check_bars(bars)
        behind = None
        if heatmap:
            from xraybatch.reports.heat_maps import with_heat_maps
            from xraybatch.reports.predictor import model_behind

            behind = model_behind(scoring.results.record, tables[RESULTS], model)
        report = scoring.report(aggregated)
        if labels is None:
            differing = differences(opened.expected, report)
        wrong = None
        if images is not None or no_images:
            wrong = gallery_of(
                scoring.results, scoring.labels, root=images, most=max_images, **scoring.how
            )
        if wrong is not None and images is not None and behind is not None:
            wrong = with_heat_maps(wrong, images, behind, progress)
        if capsule is not None:
            scoring.pack(capsule, report, hash_names)
            click.echo(f"Capsule: {capsule}", err=True)
    if as_json:
        click.echo(to_json(report), nl=False)
    else:
        print_report(report, stdout())
    for path in reports:
        write_report(report, path, wrong)
        click.echo(f"Report: {path}", err=True)
    if plots is not None:
        files = save_plots(report, plots, overwrite=overwrite)
        click.echo(f"Plots: {plots} ({counted(len(files), 'file')})", err=True)
    if differing is not None:
        if differing:
            raise BarMissed(
                f"The tables in {results.name} do not give the report in it. Places that differ: "
                f"{len(differing):,}, such as {'; '.join(differing[:3])}.",
                why_differing(opened.expected, report),
            )
        click.echo(f"The same numbers as in {results.name}.", err=True)
    check_bars(report, bars)


def _check_capsule_alone(context: click.Context, results: Path) -> None:
    from click.core import ParameterSource

    from xraybatch.core.errors import UsageError
    from xraybatch.reports.capsule import SUFFIX

    if results.suffix.lower() != SUFFIX:
        raise UsageError(
            "The labels are missing.",
            "xraybatch score results.csv labels.csv; of a capsule alone: xraybatch score paper.zip",
        )
    given = [
        option.opts[0]
        for option in context.command.params
        if option.name
        and option.name not in _WITH_CAPSULES
        and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise UsageError(
            f"A capsule is scored with its own options, not with {given[0]}.",
            "Unpack it and score its tables to ask something else.",
        )


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


def _check_new(option: str, path: Path | None, taken: Collection[Path], overwrite: bool) -> None:
    from xraybatch.core.errors import InputError, UsageError
    from xraybatch.core.log import is_open_log

    if path is None:
        return
    if path in taken or path.resolve() in taken or is_open_log(path):
        raise UsageError(f"{option} {path} is a table or report of this command.",
                         "Choose another name.")  # fmt: skip
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} is there already and is not overwritten.",
            f"Choose another {option}, or allow it with --overwrite.",
        )
