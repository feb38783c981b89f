"""``xraybatch train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xraybatch.cli import completion
from xraybatch.cli.options import log_file

if TYPE_CHECKING:
    from rich.table import Table

    from xraybatch.training.train import Run

_A_PATH = click.Path(path_type=Path)
_FROM_PLUGIN = "  [default: the plugin's]"


def _read_config(context: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Make a config file's values the defaults, so that the command line goes before them."""
    if path is not None and not context.resilient_parsing:
        from xraybatch.training.config import read_config

        context.default_map = {**(context.default_map or {}), **read_config(path)}
    return path


def _read_preset(context: click.Context, _: click.Parameter, name: str) -> str:
    """Make a preset's values the defaults; a config file and the command line go before them."""
    if name and not context.resilient_parsing:
        from xraybatch.training.presets import preset_values

        context.default_map = {**preset_values(name), **(context.default_map or {})}
    return name


def _read_resume(context: click.Context, _: click.Parameter, run: Path | None) -> Path | None:
    """A run that goes on needs no plugin named: it knows what it was asked for."""
    if run is not None:
        context.default_map = {"plugin": ""}
    return run


@click.command()
@click.option(
    "--preset",
    default="",
    is_eager=True,
    callback=_read_preset,
    metavar="NAME",
    shell_complete=completion.presets,
    help="A published project, listed by `xraybatch plugins preset`; other options change parts.",
)
@click.option(
    "--plugin",
    required=True,
    metavar="NAME",
    shell_complete=completion.architectures,
    help="Architecture, listed by `xraybatch plugins architecture`; --preset or --config may name "
    "it.",
)
@click.option(
    "--config",
    type=_A_PATH,
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="TOML file with these options as keys, without '--': epochs = 30. The command line wins.",
)
@click.option(
    "--data",
    type=_A_PATH,
    shell_complete=completion.paths,
    help="Folder of films, or an archive or address, which is prepared first.  [default: synthetic "
    "sample films]",
)
@click.option(
    "--labels",
    type=_A_PATH,
    help="Table of labels: CSV, Parquet or JSON Lines.  [default: labels.csv in --data, else class "
    "folders]",
)
@click.option(
    "--path-column", default="path", show_default=True, help="Column of the paths in the labels."
)
@click.option(
    "--label-column",
    help="Column of the classes in the labels.  [default: the task's name, else 'label']",
)
@click.option(
    "--patient-column", help="Column of the patients in the labels.  [default: patient, if any]"
)
@click.option(
    "--label-map",
    metavar="VALUE=CLASS,…",
    help="Classes that the values of the labels mean; nothing after '=': not labelled.",
)
@click.option(
    "--task",
    multiple=True,
    metavar="NAME[:KIND[=CLASS,…]]",
    help="What to learn; kinds: binary, multiclass, ordinal, multilabel. Repeatable.  "
    "[default: label]",
)
@click.option(
    "--positive",
    metavar="CLASS",
    help="The class, of two, that sensitivity speaks of.  [default: not 'normal' or the like]",
)
@click.option(
    "-o", "--out", type=_A_PATH, help="The run folder.  [default: runs/<date>-<plugin>-<n>]"
)
@click.option("--epochs", type=int, help=f"Times through the training films.{_FROM_PLUGIN}")
@click.option("--batch-size", type=int, help=f"Films a training step.{_FROM_PLUGIN}")
@click.option(
    "--optimizer",
    metavar="NAME",
    shell_complete=completion.words("adam", "adamw", "rmsprop", "sgd"),
    help=f"Any of Keras', like adam or sgd.{_FROM_PLUGIN}",
)
@click.option("--learning-rate", type=float, help=f"Of the optimizer.{_FROM_PLUGIN}")
@click.option("--weight-decay", type=float, help=f"Of the optimizer.{_FROM_PLUGIN}")
@click.option(
    "--patience",
    type=int,
    help=f"Stop after so many epochs without a better validation loss.{_FROM_PLUGIN}",
)
@click.option(
    "--schedule",
    metavar="constant|cosine",
    shell_complete=completion.words("constant", "cosine"),
    help=f"Course of the learning rate.{_FROM_PLUGIN}",
)
@click.option(
    "--monitor",
    metavar="loss|accuracy|balanced-accuracy|macro-auc|kappa",
    shell_complete=completion.words("loss", "accuracy", "balanced-accuracy", "macro-auc", "kappa"),
    help=f"What the best epoch is chosen by, on the validation films.{_FROM_PLUGIN}",
)
@click.option(
    "--imbalance",
    metavar="class-weights|oversample|focal|none",
    shell_complete=completion.words("class-weights", "oversample", "focal", "none"),
    help="Rare classes weigh more, are shown more often, or what is hard counts more (focal "
    f"loss).{_FROM_PLUGIN}",
)
@click.option(
    "--augment",
    metavar="none|mild|strong|scale-rotate",
    shell_complete=completion.words("none", "mild", "strong", "scale-rotate"),
    help="Turn, shift, scale and dim training films a little; never upside down.  "
    "[default: the plugin's]",
)
@click.option("--flip", is_flag=True, help="Also mirror them; not where left and right matter.")
@click.option(
    "--views",
    type=int,
    default=1,
    show_default=True,
    metavar="N",
    help="Of each film for a frozen backbone: itself, and N - 1 augmented ones.",
)
@click.option("--dropout", type=float, help=f"Before each head.{_FROM_PLUGIN}")
@click.option(
    "--label-smoothing",
    type=float,
    default=0.0,
    show_default=True,
    help="Share of each target that is spread over all classes.",
)
@click.option(
    "--fine-tune",
    type=int,
    metavar="N",
    help=f"Last layers of a pretrained backbone that train too; 0: none.{_FROM_PLUGIN}",
)
@click.option(
    "--weights",
    default="auto",
    show_default=True,
    metavar="auto|imagenet|none|PATH",
    shell_complete=completion.words("auto", "imagenet", "none", or_path=True),
    help="auto: ImageNet where they can be had. PATH: a Keras weights file.",
)
@click.option(
    "--val-split",
    type=float,
    help=f"Share of the films that the best epoch is chosen by.{_FROM_PLUGIN}",
)
@click.option(
    "--test-split",
    type=float,
    default=0.2,
    show_default=True,
    help="Share of the films held back for the score; 0: none.",
)
@click.option(
    "--folds",
    type=int,
    metavar="K",
    help="Cross-validation: K networks, each held to account on films that it did not learn from; "
    "a column 'fold' of the labels is honoured.",
)
@click.option("--refit", is_flag=True, help="After the folds, train the model on all films.")
@click.option(
    "--try",
    "tries",
    multiple=True,
    metavar="SETTING=VALUE,…",
    help="Try each value, and every combination of several --try, on the validation films: "
    "learning-rate=1e-3,1e-4. The held-back films meet the best alone. Repeatable.",
)
@click.option(
    "--leak-check/--no-leak-check",
    default=None,
    help="Also say what a random split of films would have claimed.  [default: where a frozen "
    "backbone makes it cheap]",
)
@click.option(
    "--group-by",
    default="patient",
    show_default=True,
    metavar="patient|study|film",
    shell_complete=completion.words("patient", "study", "film"),
    help="What never stands on two sides of a split.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of split and training.")
@click.option(
    "--image-size", metavar="H[xW]", help=f"Pixels that films are brought to.{_FROM_PLUGIN}"
)
@click.option(
    "--resize",
    default="stretch",
    show_default=True,
    metavar="stretch|pad|crop",
    shell_complete=completion.words("stretch", "pad", "crop"),
    help="What is done with another aspect ratio: distort, add black borders, cut the middle out.",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|gpu|gpu:all",
    shell_complete=completion.words("auto", "cpu", "gpu", "gpu:all"),
    help="Where to train; a GPU asked for by name and not there is an error. gpu:all: each batch "
    "is shared by all of them.",
)
@click.option(
    "--deterministic",
    is_flag=True,
    help="The same weights each time, on one kind of processor with one set of versions; slower.",
)
@click.option(
    "--mixed-precision",
    is_flag=True,
    help="Compute in float16 on a GPU, bfloat16 on a CPU; the model file is in float32.",
)
@click.option("--no-cache", is_flag=True, help="Keep no decoded films for the next run.")
@click.option("--no-hashes", is_flag=True, help="Keep no hashes of training films in the model.")
@click.option(
    "--tolerance",
    type=float,
    default=2e-4,
    show_default=True,
    help="By which a probability of the exported file may differ from Keras.",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Processes that decode; 0: none but this one.  [default: the cores]",
)
@click.option("--source", default="", help="Where the films come from, for the card.")
@click.option("--licence", default="", help="Licence of the films, for the card.")
@click.option("--citation", default="", help="What to cite for the films, for the card.")
@click.option(
    "-O",
    "--option",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the architecture, listed by `xraybatch plugins architecture`. Repeatable.",
)
@click.option(
    "--resume",
    type=_A_PATH,
    metavar="RUN",
    is_eager=True,
    callback=_read_resume,
    shell_complete=completion.folders,
    help="Go on with a run that was stopped, as it was asked for.",
)
@click.option(
    "--preview",
    type=_A_PATH,
    metavar="FILE.png",
    help="Train nothing; draw what augmentation makes of training films.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary; warnings stay.")
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
    from xraybatch.core.log import log_result
    from xraybatch.training import train as training
    from xraybatch.training.options import TrainOptions

    progress = ConsoleProgress(quiet=quiet)
    if resume is not None:
        _check_alone(context)
        run = training.resume(resume, progress)
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
    from click.core import ParameterSource

    from xraybatch.core.errors import UsageError

    for name in context.params:
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in ("resume", "quiet", "log_file"):
            raise UsageError(
                f"--{name.replace('_', '-')} is given beside --resume.",
                "A run goes on as it was asked for; leave the other options out.",
            )


def show_run(run: Run) -> None:
    """Print the score, where the run folder lies, and what to do next."""
    from rich.markup import escape

    from xraybatch.cli.console import stdout
    from xraybatch.reports.console import print_report
    from xraybatch.reports.cross_validation import print_folds

    console = stdout()
    if run.report is not None:
        console.print(escape(_whose_score(run)), style="bold")
        print_report(run.report, console)
        if run.tries:
            console.print()
            console.print(_tries(run))
        if run.folds:
            console.print()
            print_folds(run.report, run.folds, console)
    console.print()
    folder = escape(str(run.folder))
    console.print(f"[bold]Run folder:[/] {folder}", soft_wrap=True)
    following = f"xraybatch predict ./folder --out results.csv --model {folder}"
    if run.model is None:
        following = f"xraybatch score {folder}/predictions.csv labels.csv"
        console.print(
            "[bold]Model:[/]      none of all films (--refit makes one); each fold's is in "
            f"{folder}/folds",
            soft_wrap=True,
        )
    else:
        console.print(f"[bold]Model:[/]      {escape(str(run.model))}", soft_wrap=True)
    console.print(f"[dim]Next:[/] {following}", soft_wrap=True)


def _whose_score(run: Run) -> str:
    """Which films the figures are of, and which preset or network answered them."""
    if run.card is None or run.folds:
        return "Score of every film by the fold that held it back"
    preset = run.card.settings.get("preset")
    made = f"preset {preset}, {run.card.plugin['name']}" if preset else run.card.plugin["name"]
    return f"Score of the {run.card.scores['part']} ({made})"


def _tries(run: Run) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    first = run.tries[0]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Tried on the validation films")
    table.title_style, table.title_justify = "bold", "left"
    for name in (*first.values, first.monitor, "epochs", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for line in run.tries:
        figure = "–" if line.best is None else f"{line.best:.4f}"
        cells = [*line.values.values(), figure, str(line.epochs), f"{line.seconds:.1f}"]
        style = "bold" if line.chosen else ""
        table.add_row(*(Text(cell) for cell in cells), "chosen" if line.chosen else "", style=style)
    return table
