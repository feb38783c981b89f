"""``xraybatch calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xraybatch.cli import completion
from xraybatch.cli.options import interval_options, label_options, log_file, quiet_option
from xraybatch.cli.outputs import OutputPath

_A_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_A_PATH, shell_complete=completion.models)
@click.argument("results", type=_A_PATH, shell_complete=completion.paths)
@click.argument("labels", type=_A_PATH, shell_complete=completion.paths)
@click.option("-o", "--out", type=OutputPath(), required=True, help="The new model file, .onnx.")
@click.option(
    "--method",
    default="temperature",
    show_default=True,
    type=click.Choice(["temperature", "platt", "isotonic", "none"]),
    help="How probabilities are calibrated. temperature: surer or less sure; platt: also higher or "
    "lower on the whole, as after training with class weights, for binary and multilabel tasks; "
    "isotonic: any rising curve, from 1,000 films up.",
)
@click.option(
    "--threshold",
    metavar="RULE",
    help="youden, f1, cost=FN:FP, 'sensitivity>=X', 'specificity>=X', or a number; for binary and "
    "multilabel tasks.  [default: 0.5]",
)
@click.option(
    "--coverage",
    type=float,
    metavar="SHARE",
    help="Let predict write sets of classes that hold the truth of this share of films, and which "
    "films are for a person.",
)
@click.option(
    "--sets",
    default="lac",
    show_default=True,
    type=click.Choice(["lac", "aps"]),
    help="lac: the smallest sets; aps: larger ones for harder films, and none is empty.",
)
@click.option("--by-class", is_flag=True, help="Hold the coverage for the films of each class.")
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="Only this task. Repeatable.")
@label_options("LABELS", why_patients="; coverage and intervals count patients")
@click.option("--allow-seen", is_flag=True, help="Fit on films that the model was trained on, too.")
@click.option("--overwrite", is_flag=True, help="Replace a model file that is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@interval_options
@quiet_option
@log_file
def command(
    model: Path,
    results: Path,
    labels: Path,
    out: Path,
    method: str,
    threshold: str | None,
    coverage: float | None,
    sets: str,
    by_class: bool,
    tasks: tuple[str, ...],
    allow_seen: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **values: Any,
) -> None:
    """Fit probabilities, thresholds and sets of classes to labelled films.

    RESULTS is what `xraybatch predict` wrote with MODEL for films that training held back, and that
    it will not be judged by: films of training are refused, and so are those of validation, which
    chose the model. LABELS is their truth, as `xraybatch score` takes it. The new file has the same
    graph; what was fitted stands in its card, with the table that it comes from, and predict and
    show apply it.

    \b
    Examples:
      xraybatch calibrate model.onnx held-back.csv labels.csv --out calibrated.onnx
      xraybatch calibrate model.onnx held-back.csv labels.csv --out careful.onnx \\
          --threshold 'sensitivity>=0.95' --coverage 0.9
      xraybatch calibrate model.onnx held-back.csv labels.csv --out sets.onnx --method none \\
          --coverage 0.9 --by-class
    """
    import json

    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.reports.calibration_console import print_calibration
    from xraybatch.reports.given import read_labels, read_results
    from xraybatch.reports.scoring import score_options
    from xraybatch.training.calibrate import CalibrateOptions, calibrate, check_may_write

    options = CalibrateOptions(
        method=method,
        threshold=threshold,
        coverage=coverage,
        sets=sets,
        by_class=by_class,
        tasks=tasks,
        allow_seen=allow_seen,
        overwrite=overwrite,
        scoring=score_options(**values),
    )
    check_may_write(out, overwrite=overwrite)
    _, report = calibrate(
        model,
        read_results(results),
        read_labels(labels),
        out,
        options=options,
        progress=ConsoleProgress(quiet=quiet or as_json),
    )
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2, allow_nan=False))
        return
    if not quiet:
        print_calibration(report, stdout())
        click.echo(f"Written: {out}")
        click.echo(f"Next: xraybatch predict FILMS --model {out} --out results.csv", err=True)
