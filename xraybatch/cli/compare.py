"""``xraybatch compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xraybatch.cli import completion
from xraybatch.cli.options import (
    interval_options,
    label_options,
    log_file,
    positive_option,
    report_options,
)
from xraybatch.cli.outputs import OutputPath

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
@label_options("--labels")
@positive_option
@click.option(
    "--primary",
    metavar="NUMBER",
    help="What the models are told apart by: auc, accuracy, kappa …, as --json calls it.  "
    "[default: auc, for ordered grades quadratic_kappa]",
)
@click.option(
    "--margin",
    type=float,
    help="How much worse than the first a model may be by that number, chosen beforehand: says "
    "whether it is shown to be no worse.",
)
@click.option(
    "--disagreements",
    type=OutputPath(),
    metavar="FILE",
    shell_complete=completion.paths,
    help="Write the films that the models answered differently, and who is right, as .csv.",
)
@report_options("comparison", ".html, .md, .json")
@interval_options
@log_file
def command(
    runs: tuple[Path, ...],
    labels: Path | None,
    positive: str | None,
    primary: str | None,
    margin: float | None,
    disagreements: Path | None,
    as_json: bool,
    reports: tuple[Path, ...],
    overwrite: bool,
    **values: Any,
) -> None:
    """Set models side by side on the same films, with what they cost.

    RUN is a run folder, which is compared on its held-back films, or a results table of `xraybatch
    predict`, for which --labels has the truth. Numbers are of the films that every model was given;
    where these are not the same, it is said. Models are tested against each other in pairs, by
    patient, and it is said which of them cannot be told apart on these films. One run alone, of
    `train --try`, shows the settings that were tried. Nothing is trained and nothing predicted.

    \b
    Examples:
      xraybatch compare runs/2026-11-21-cnn-1 runs/2026-11-21-narrow-1
      xraybatch compare runs/2026-11-21-cnn-1 runs/2026-11-21-narrow-1 --report models.html
      xraybatch compare one.csv other.csv --labels labels.csv --json
      xraybatch compare one.csv other.csv --labels labels.csv --margin 0.02
      xraybatch compare runs/2026-11-21-cnn-2
    """
    from xraybatch.cli.console import stdout
    from xraybatch.comparison.compare import compare_models
    from xraybatch.comparison.tries import tries_alone
    from xraybatch.evaluation.pairs import Wish
    from xraybatch.reports.comparison_console import print_comparison
    from xraybatch.reports.files import FORMS_OF_COMPARISON, check_report_path
    from xraybatch.reports.json_text import to_json
    from xraybatch.reports.scoring import score_options
    from xraybatch.reports.tries import print_tries

    for path in reports:
        check_report_path(path, overwrite=overwrite, forms=FORMS_OF_COMPARISON)
    if len(runs) == 1 and labels is None:
        wished = {"primary": primary, "margin": margin, "disagreements": disagreements}
        tried = tries_alone(runs[0], {"positive": positive, **wished, **values})
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
        options=score_options(**values),
        wish=Wish(primary, margin),
        disagreements=disagreements,
        overwrite=overwrite,
    )
    if disagreements is not None:
        click.echo(f"Disagreements: {disagreements}", err=True)
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
