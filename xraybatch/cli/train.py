"""``xraybatch train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xraybatch.cli.options import log_file
from xraybatch.cli.train_options import train_options

_BESIDE_RESUME = ("resume", "tolerance", "quiet", "log_file")


@click.command()
@train_options
@log_file
@click.pass_context
def command(
    context: click.Context, /, quiet: bool, resume: Path | None, preview: Path | None, **values: Any
) -> None:
    """Train a model on labelled films and seal it into one file.

    Films lie in class folders, or in any folders beside a table of labels with the columns 'path',
    'label' and, better, 'patient': films of one patient then never stand on both sides of a split.
    Without --data the synthetic sample films are used. The run folder holds the model, the split,
    curves, the score of the held-back films and a card that says how all this came to be.

    \b
    Examples:
      xraybatch train --plugin resnet50
      xraybatch train --plugin cnn --data ./films --labels labels.csv
      xraybatch train --plugin cnn --data ./films --labels hospital.csv --path-column file \\
          --label-column finding --label-map 0=normal,1=abnormal --patient-column mrn
      xraybatch train --preset knee-cnn --data ./osteoporosis
      xraybatch train --plugin narrow --task label --task view:multiclass --data ./films
      xraybatch train --plugin narrow --data ./films --folds 5 --refit
      xraybatch train --plugin cnn --data ./films --try learning-rate=1e-3,1e-4 \\
          --try batch-size=16,32
      xraybatch train --config runs/2026-11-21-cnn-1/config.toml --epochs 30
      xraybatch train --resume runs/2026-11-21-narrow-1
    """
    from xraybatch.cli.console import ConsoleProgress
    from xraybatch.cli.train_summary import show_run
    from xraybatch.core.log import log_result
    from xraybatch.training import train as training
    from xraybatch.training.options import TrainOptions

    progress = ConsoleProgress(quiet=quiet)
    if resume is not None:
        _check_alone(context)
        tolerance = values["tolerance"] if _is_given(context, "tolerance") else None
        run = training.resume(resume, progress, tolerance=tolerance)
    else:
        if values["preset"]:
            from xraybatch.training.presets import place_of, preset_options

            if not (values["data"] or values["labels"]):
                values["data"] = place_of(values["preset"])
            values["option"], left_out = preset_options(
                values["preset"], values["plugin"], values["option"]
            )
            if left_out:
                progress.note(left_out)
        options = TrainOptions(**values)
        if preview is not None:
            training.preview(options, preview, progress)
            progress.note(f"The preview is {preview}: a film on the left, then views of it.")
            return
        run = training.train(options, progress)
    log_result(f"run {run.folder.name}")
    if not quiet:
        show_run(run)


def _check_alone(context: click.Context) -> None:
    from xraybatch.core.errors import UsageError

    for name in context.params:
        if _is_given(context, name) and name not in _BESIDE_RESUME:
            raise UsageError(
                f"--{name.replace('_', '-')} is given beside --resume.",
                "A run goes on as it was asked for; leave the other options out.",
            )


def _is_given(context: click.Context, name: str) -> bool:
    from click.core import ParameterSource

    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE
