"""``xraybatch compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from xraybatch.cli import completion
from xraybatch.cli.options import log_file

if TYPE_CHECKING:
    from xraybatch.evaluation.comparison import Comparison
    from xraybatch.evaluation.tries import Tries

_A_PATH = click.Path(path_type=Path)


@click.command()
@click.argument(
    "runs", type=_A_PATH, nargs=-1, required=True, metavar="RUN…", shell_complete=completion.models
)
@click.option(
    "--labels",
    type=_A_PATH,
    shell_complete=completion.paths,
    help="Table with the truth; needed for results tables, and goes before what runs were scored "
    "by.",
)
@click.option(
    "--path-column", default="path", show_default=True, help="Column of the paths in --labels."
)
@click.option(
    "--label-column",
    help="Column of the truth in --labels.  [default: the task's name, else 'label']",
)
@click.option(
    "--patient-column", help="Column of the patients in --labels.  [default: patient, if any]"
)
@click.option(
    "--label-map",
    metavar="VALUE=CLASS,…",
    help="Classes that the values of --labels mean; nothing after '=': not labelled.",
)
@click.option("--positive", metavar="CLASS", help="The class, of two, that sensitivity speaks of.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@click.option(
    "--report",
    "reports",
    type=_A_PATH,
    multiple=True,
    metavar="FILE",
    shell_complete=completion.paths,
    help="Write the comparison; the suffix decides: .md, .json. Repeatable.",
)
@click.option("--overwrite", is_flag=True, help="Replace reports that are there already.")
@click.option("--confidence", default=0.95, show_default=True, help="Level of the intervals.")
@click.option("--resamples", default=2000, show_default=True, help="Resamples of the bootstrap.")
@click.option("--seed", default=0, show_default=True, help="Seed of the bootstrap.")
@log_file
def command(
    runs: tuple[Path, ...],
    labels: Path | None,
    path_column: str,
    label_column: str | None,
    patient_column: str | None,
    label_map: str | None,
    positive: str | None,
    as_json: bool,
    reports: tuple[Path, ...],
    overwrite: bool,
    confidence: float,
    resamples: int,
    seed: int,
) -> None:
    """Set models side by side on the same films, with what they cost.

    RUN is a run folder, which is compared on its held-back films, or a results table of `xraybatch
    predict`, for which --labels has the truth. Numbers are of the films that every model was given;
    where these are not the same, it is said. Differences are to the first model, drawn in pairs
    from the same patients. One run alone, of `train --try`, shows the settings that were tried.
    Nothing is trained and nothing predicted.

    \b
    Examples:
      xraybatch compare runs/2026-11-21-cnn-1 runs/2026-11-21-narrow-1
      xraybatch compare runs/2026-11-21-cnn-1 runs/2026-11-21-narrow-1 --report models.md
      xraybatch compare one.csv other.csv --labels labels.csv --json
      xraybatch compare runs/2026-11-21-cnn-2
    """
    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.comparison.compare import compare_models
    from xraybatch.comparison.tries import read_tries
    from xraybatch.evaluation.columns import parse_label_map
    from xraybatch.evaluation.scoring import ScoreOptions
    from xraybatch.extension.records import Metric
    from xraybatch.extension.registry import registry
    from xraybatch.reports.comparison_console import print_comparison
    from xraybatch.reports.files import FORMS_OF_COMPARISON, check_report_path
    from xraybatch.reports.json_text import to_json
    from xraybatch.reports.tries import print_tries

    for path in reports:
        check_report_path(path, overwrite=overwrite, forms=FORMS_OF_COMPARISON)
    if len(runs) == 1 and labels is None:
        tried = read_tries(runs[0])
        if as_json:
            click.echo(to_json(tried), nl=False)
        else:
            print_tries(tried, stdout())
        _write(tried, reports)
        return
    found = compare_models(
        runs,
        labels,
        positive=positive,
        options=ScoreOptions(
            path_column=path_column,
            label_column=label_column,
            patient_column=patient_column,
            label_map=parse_label_map(label_map) if label_map else {},
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            metrics=[owned.record for owned in registry().records(Metric)],
        ),
        progress=ConsoleProgress(quiet=as_json),
    )
    if as_json:
        click.echo(to_json(found), nl=False)
    else:
        print_comparison(found, stdout())
    _write(found, reports)


def _write(found: Comparison | Tries, reports: tuple[Path, ...]) -> None:
    from xraybatch.reports.files import write_comparison

    for path in reports:
        write_comparison(found, path)
        click.echo(f"Report: {path}", err=True)
