"""Options of ``xraybatch train``: which films and tasks, how they are split, on what machine."""

from __future__ import annotations

from pathlib import Path

import click

from xraybatch.cli import completion
from xraybatch.cli.options import label_options, quiet_option, together
from xraybatch.cli.outputs import OutputPath
from xraybatch.cli.train_settings import FROM_PLUGIN, settings_options

_A_PATH = click.Path(path_type=Path)


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


train_options = together(
    click.option(
        "--preset",
        default="",
        is_eager=True,
        callback=_read_preset,
        metavar="NAME",
        shell_complete=completion.presets,
        help="A published project, listed by `xraybatch plugins preset`; other options change "
        "parts.",
    ),
    click.option(
        "--plugin",
        required=True,
        metavar="NAME",
        shell_complete=completion.architectures,
        help="Architecture, listed by `xraybatch plugins architecture`; --preset or --config may "
        "name it.",
    ),
    click.option(
        "--config",
        type=_A_PATH,
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="TOML file with these options as keys, without '--': epochs = 30. The command line "
        "wins.",
    ),
    click.option(
        "--data",
        type=_A_PATH,
        shell_complete=completion.paths,
        help="Folder of films, or an archive or address, which is prepared first.  [default: "
        "synthetic sample films]",
    ),
    click.option(
        "--labels",
        type=_A_PATH,
        help="Table of labels: CSV, Parquet or JSON Lines.  [default: labels.csv in --data, else "
        "class folders]",
    ),
    label_options("the labels", truth="classes"),
    click.option(
        "--task",
        multiple=True,
        metavar="NAME[:KIND[=CLASS,…]]",
        help="What to learn; kinds: binary, multiclass, ordinal, multilabel. Repeatable.  "
        "[default: label]",
    ),
    click.option(
        "--positive",
        metavar="CLASS",
        help="The class, of two, that sensitivity speaks of.  [default: not 'normal' or the like]",
    ),
    click.option(
        "-o",
        "--out",
        type=OutputPath(),
        help="The run folder.  [default: runs/<date>-<plugin>-<n>]",
    ),
    settings_options,
    click.option(
        "--val-split",
        type=float,
        help=f"Share of the films that the best epoch is chosen by.{FROM_PLUGIN}",
    ),
    click.option(
        "--test-split",
        type=float,
        default=0.2,
        show_default=True,
        help="Share of the films held back for the score; 0: none.",
    ),
    click.option(
        "--folds",
        type=int,
        metavar="K",
        help="Cross-validation: K networks, each held to account on films that it did not learn "
        "from; a column 'fold' of the labels is honoured.",
    ),
    click.option("--refit", is_flag=True, help="After the folds, train the model on all films."),
    click.option(
        "--try",
        "tries",
        multiple=True,
        metavar="SETTING=VALUE,…",
        help="Try each value, and every combination of several --try, on the validation films: "
        "learning-rate=1e-3,1e-4. The held-back films meet the best alone. Repeatable.",
    ),
    click.option(
        "--leak-check/--no-leak-check",
        default=None,
        help="Also say what a random split of films would have claimed.  [default: where a frozen "
        "backbone makes it cheap]",
    ),
    click.option(
        "--group-by",
        default="patient",
        show_default=True,
        metavar="patient|study|film",
        shell_complete=completion.words("patient", "study", "film"),
        help="What never stands on two sides of a split.",
    ),
    click.option(
        "--on-leak",
        default="error",
        show_default=True,
        metavar="error|drop",
        shell_complete=completion.words("error", "drop"),
        help="A split that came with the films and shares patients or films between its parts: "
        "stop, or leave them out of training.",
    ),
    click.option(
        "--on-conflict",
        default="error",
        show_default=True,
        metavar="error|drop",
        shell_complete=completion.words("error", "drop"),
        help="Identical films with different labels: stop, or leave all of them out.",
    ),
    click.option(
        "--seed", type=int, default=0, show_default=True, help="Seed of split and training."
    ),
    click.option(
        "--image-size", metavar="H[xW]", help=f"Pixels that films are brought to.{FROM_PLUGIN}"
    ),
    click.option(
        "--resize",
        default="stretch",
        show_default=True,
        metavar="stretch|pad|crop",
        shell_complete=completion.words("stretch", "pad", "crop"),
        help="What is done with another aspect ratio: distort, add black borders, cut the middle "
        "out.",
    ),
    click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="auto|cpu|gpu|gpu:all",
        shell_complete=completion.words("auto", "cpu", "gpu", "gpu:all"),
        help="Where to train; a GPU asked for by name and not there is an error. gpu:all: each "
        "batch is shared by all of them.",
    ),
    click.option(
        "--deterministic",
        is_flag=True,
        help="The same weights each time, on one kind of processor with one set of versions; "
        "slower.",
    ),
    click.option(
        "--mixed-precision",
        is_flag=True,
        help="Compute in float16 on a GPU, bfloat16 on a CPU; the model file is in float32.",
    ),
    click.option(
        "--no-cache",
        is_flag=True,
        help="Keep no decoded films for the next run, and unpack no archives.",
    ),
    click.option(
        "--no-hashes", is_flag=True, help="Keep no hashes of training films in the model."
    ),
    click.option(
        "--tolerance",
        type=float,
        default=2e-4,
        show_default=True,
        help="By which a probability of the exported file may differ from Keras.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(0),
        help="Processes that decode; 0: none but this one.  [default: the cores]",
    ),
    click.option("--source", default="", help="Where the films come from, for the card."),
    click.option("--licence", default="", help="Licence of the films, for the card."),
    click.option("--citation", default="", help="What to cite for the films, for the card."),
    click.option(
        "-O",
        "--option",
        multiple=True,
        metavar="KEY=VALUE",
        help="Option of the architecture, listed by `xraybatch plugins architecture`. Repeatable.",
    ),
    click.option(
        "--resume",
        type=_A_PATH,
        metavar="RUN",
        is_eager=True,
        callback=_read_resume,
        shell_complete=completion.folders,
        help="Go on with a run that was stopped, as it was asked for; with another --tolerance if "
        "you give one.",
    ),
    click.option(
        "--preview",
        type=OutputPath(),
        metavar="FILE.png",
        help="Train nothing; draw what augmentation makes of training films.",
    ),
    quiet_option,
)
