"""``xraybatch adopt``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from xraybatch.cli import completion
from xraybatch.cli.options import positive_option, quiet_option
from xraybatch.cli.outputs import OutputPath

_A_PATH = click.Path(path_type=Path)
_RANGES = {"0-255": "0-255", "0-1": "0-1", "-1-1": "-1-1", "0..255": "0-255", "0..1": "0-1"} | {
    "-1..1": "-1-1"
}


def _numbers(_: click.Context, __: click.Parameter, text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"'{text}' is no list of numbers like 0.485,0.456,0.406") from None


def _words(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...]:
    import csv

    return tuple(part.strip() for part in next(csv.reader([text]))) if text else ()


def _size(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    match = re.match(r"(\d{1,5})(?:x(\d{1,5}))?\Z", text)
    if not match:
        raise click.BadParameter(f"'{text}' is no size; write 224 or 256x192 (HxW)")
    return int(match[1]), int(match[2] or match[1])


def _range(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text and text not in _RANGES:
        raise click.BadParameter(f"'{text}' is none of 0-255, 0-1, -1-1")
    return _RANGES[text] if text else None


@click.command()
@click.argument("file", type=_A_PATH, shell_complete=completion.paths)
@click.option("-o", "--out", type=OutputPath(), required=True, help="The new model file, .onnx.")
@click.option(
    "--classes",
    metavar="CLASS,…",
    callback=_words,
    help="In the order of the network's outputs; of a single output, the class that it is the "
    "probability of comes second.",
)
@click.option(
    "--task",
    default="label",
    show_default=True,
    metavar="NAME[:KIND[=CLASS,…]]",
    help="What the network answers; kinds: binary, multiclass, ordinal, multilabel. A softmax or "
    "sigmoid at the end of the graph says the kind too.",
)
@positive_option
@click.option(
    "--preset",
    metavar="imagenet|timm-inception|keras-caffe|none",
    type=click.Choice(["imagenet", "timm-inception", "keras-caffe", "none"]),
    help="How grey values are scaled, by name: imagenet is range 0-1, mean 0.485,0.456,0.406, std "
    "0.229,0.224,0.225 (torchvision, most of timm); timm-inception is range 0-1, mean and std 0.5; "
    "keras-caffe is range 0-255, mean 103.939,116.779,123.68; none is --range alone.",
)
@click.option(
    "--range",
    "range_",
    metavar="0-255|0-1|-1-1",
    callback=_range,
    help="What grey 0 and 255 become, before mean and std.",
)
@click.option("--mean", metavar="X[,X,X]", callback=_numbers, help="Subtracted, one a channel.")
@click.option("--std", metavar="X[,X,X]", callback=_numbers, help="Divided by, one a channel.")
@click.option(
    "--resize",
    type=click.Choice(["stretch", "pad", "crop"]),
    metavar="stretch|pad|crop",
    help="What was done with another aspect ratio: distort, add black borders, cut the middle out.",
)
@click.option(
    "--crop-from",
    type=click.IntRange(8, 8192),
    metavar="PIXELS",
    help="Films were brought to this size and the middle was cut out of it: 256 where torchvision "
    "has Resize(256), CenterCrop(224).",
)
@click.option(
    "--logits/--probabilities",
    "logits",
    default=None,
    help="What the outputs are, where the graph does not show it.",
)
@click.option(
    "--layout",
    type=click.Choice(["nchw", "nhwc"]),
    metavar="nchw|nhwc",
    help="Channels first or last, where the graph does not show it.",
)
@click.option(
    "--size",
    metavar="H[xW]",
    callback=_size,
    help="Of the network's pictures, where the graph leaves it open.",
)
@click.option(
    "--channels",
    type=click.IntRange(1, 3),
    metavar="1|3",
    help="Of its pictures, where the graph leaves them open.",
)
@click.option("--output", metavar="NAME", help="The output that answers, of several.")
@click.option("--name", default="", help="Of the model, in its card.  [default: the file's]")
@click.option("--source", default="", metavar="TEXT", help="Where it comes from, for its card.")
@click.option("--licence", default="", metavar="TEXT", help="Its licence, for its card.")
@click.option(
    "--tolerance",
    type=float,
    default=2e-4,
    show_default=True,
    help="By which a probability of the new file may differ from the original's.",
)
@quiet_option
def command(
    file: Path,
    out: Path,
    classes: tuple[str, ...],
    task: str,
    positive: str | None,
    preset: str | None,
    range_: str | None,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    resize: str | None,
    crop_from: int | None,
    logits: bool | None,
    layout: str | None,
    size: tuple[int, int] | None,
    channels: int | None,
    output: str | None,
    name: str,
    source: str,
    licence: str,
    tolerance: float,
    quiet: bool,
) -> None:
    """Make a sealed model of an ONNX classifier from elsewhere.

    FILE was exported by Ultralytics, timm, torchvision, Keras or another program. How it wants its
    films goes into the new graph, which takes them as they are decoded and gives probabilities.
    What the file itself tells is read and shown; all else has to be said by an option, and what is
    missing is asked for by name. The new file answers random films as the original does when these
    are prepared for it by hand, or it is not written.

    \b
    Examples:
      xraybatch adopt yolo-cls.onnx --out chest.onnx
      xraybatch adopt resnet.onnx --classes normal,pneumonia --positive pneumonia \\
          --preset imagenet --resize crop --crop-from 256 --out chest.onnx
      xraybatch adopt keras.onnx --task grade:ordinal=0,1,2,3,4 --range -1-1 --preset none \\
          --resize stretch --out knee.onnx
    """
    from xraybatch.cli.console import ConsoleProgress, stdout
    from xraybatch.reports.origin import origin_table
    from xraybatch.training.adoption.adopt import adopt
    from xraybatch.training.adoption.asked import AdoptOptions

    options = AdoptOptions(
        task=task,
        classes=classes,
        positive=positive,
        layout=layout,
        size=size,
        channels=channels,
        preset=preset,
        range=range_,
        mean=mean,
        std=std,
        resize=resize,
        crop_from=crop_from,
        answers=None if logits is None else "logits" if logits else "probabilities",
        output=output,
        name=name,
        source=source,
        licence=licence,
        tolerance=tolerance,
    )
    done = adopt(file, out, options=options, progress=ConsoleProgress(quiet=quiet))
    if not quiet:
        stdout().print(origin_table(done.card))
        click.echo(f"Written: {done.path}")
        click.echo(f"Next: xraybatch predict FILMS --model {done.path} --out results.csv", err=True)
