"""``xraybatch score``."""

from __future__ import annotations

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
@report_options("report")
@click.option(
    "--fail-under",
    "bars",
    multiple=True,
    metavar="NAME=VALUE",
    help="Leave with exit code 4 if a number lies below its bar, or is undefined. Repeatable.",
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
      xraybatch score results.csv hospital.csv --path-column file --label-column finding \\
          --label-map 0=normal,1=abnormal --patient-column mrn
      xraybatch score results.csv labels.csv --fail-under auc=0.9 --fail-under recall.normal=0.8
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
    for bar in bars:
        parse_bar(bar)
    report = score_tables(
        read_results(results),
        read_labels(labels),
        requests=[parse_task_request(text) for text in tasks],
        positive=positive,
        options=score_options(**values),
        progress=ConsoleProgress(quiet=as_json),
    )
    if as_json:
        click.echo(to_json(report), nl=False)
    else:
        print_report(report, stdout())
    for path in reports:
        write_report(report, path)
        click.echo(f"Report: {path}", err=True)
    check_bars(report, bars)
