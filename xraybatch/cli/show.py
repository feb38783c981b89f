"""``xraybatch show``."""

from __future__ import annotations

from pathlib import Path

import click

from xraybatch.cli import completion
from xraybatch.cli.options import device_option, log_file, model_option
from xraybatch.cli.outputs import OutputPath

_A_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("film", type=_A_PATH, shell_complete=completion.paths)
@model_option
@click.option(
    "--heatmap",
    is_flag=True,
    help="Show where the answer is sensitive: by the network's last maps where the model gives "
    "them, else by covering one place after the other.",
)
@click.option(
    "--class",
    "of_class",
    metavar="NAME",
    help="Class that the heat map is about.  [default: the answer]",
)
@click.option(
    "--task", metavar="NAME", help="Task that the heat map is about.  [default: the first]"
)
@click.option(
    "--by",
    type=click.Choice(["activation", "occlusion"]),
    help="How the heat map is made: by the last maps, quick and coarse, or by covering.  [default: "
    "activation, where the model gives maps]",
)
@click.option(
    "--frame", type=click.IntRange(0), default=0, show_default=True, help="Frame, from 0."
)
@click.option(
    "-o", "--out", type=OutputPath(), shell_complete=completion.paths, help="Picture: .png."
)
@click.option("--overwrite", is_flag=True, help="Replace a picture that is there already.")
@device_option
@click.option(
    "--allow-broken-seal", is_flag=True, help="Run a model file that was changed since it was made."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress; warnings stay.")
@log_file
def command(
    film: Path,
    model: Path | None,
    heatmap: bool,
    of_class: str | None,
    task: str | None,
    by: str | None,
    frame: int,
    out: Path | None,
    overwrite: bool,
    device: str,
    allow_broken_seal: bool,
    quiet: bool,
) -> None:
    """Show one film with the model's answer, and where it is sensitive.

    A heat map shows where the answer changes with the film. It says nothing about why, and explains
    no disease: a model that looks at a side marker has a bright side marker. It is made from the
    model file alone, and laid over the film in its own size and orientation.

    \b
    Examples:
      xraybatch show film.png
      xraybatch show film.png --model runs/2026-11-21-cnn-1 --heatmap --out film-shown.png
      xraybatch show film.dcm --heatmap --class osteoporosis --by occlusion
    """
    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.core.errors import InputError, UsageError
    from xraybatch.core.log import logged
    from xraybatch.models.choice import DEMONSTRATION, DEMONSTRATION_TITLE, choose_model
    from xraybatch.reports.film_console import print_view
    from xraybatch.viewing.view import view_film

    if not heatmap and (of_class or task or by):
        raise UsageError("--class, --task and --by are about the heat map.", "Add --heatmap.")
    if out is not None and out.suffix.lower() != ".png":
        raise UsageError(f"A picture cannot be written as '{out.name}'.", "Name it .png.")
    if out is not None and out.exists() and not overwrite:
        raise InputError(
            f"{out} is there already and is not overwritten.",
            "Choose another --out, or allow it with --overwrite.",
        )
    progress = logged(ConsoleProgress(quiet=quiet))
    chosen = choose_model(model, allow_broken_seal=allow_broken_seal)
    if chosen.why:
        progress.note(chosen.why)
    if chosen.model.broken_seal:
        progress.warn("Note", chosen.model.broken_seal)
    if chosen.model.card.demonstration:
        progress.warn(DEMONSTRATION_TITLE, DEMONSTRATION)
    view = view_film(
        film,
        chosen.model,
        frame=frame,
        heatmap=heatmap,
        task=task,
        of_class=of_class,
        method=by,
        device=device,
        progress=progress,
    )
    print_view(view, stdout())
    if out is not None:
        from xraybatch.reports.film import picture
        from xraybatch.reports.plots import save_png

        save_png(picture(view), out)
        click.echo(f"Picture: {out}", err=True)
