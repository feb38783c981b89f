"""What a person says about a foreign model, and who said what in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xraybatch.core.tasks import DEFAULT_TASK
from xraybatch.training.options import TOLERANCE

LAYOUTS = ("nchw", "nhwc")
# word → what uint8 grey values are divided by, and what is added after
RANGES = {"0-255": (1.0, 0.0), "0-1": (255.0, 0.0), "-1-1": (127.5, -1.0)}

LOGITS = "logits"
PROBABILITIES = "probabilities"
LOG_PROBABILITIES = "log-probabilities"

# who said it
BY_GRAPH = "read from the graph"
BY_FILE = "read from the file's metadata"
BY_OPTION = "given by option"
BY_ULTRALYTICS = "as Ultralytics prepares images"


@dataclass(frozen=True)
class Scaling:
    """How a family of networks wants its pixels.

    Attributes
    ----------
    range : str or None
        One of `RANGES`; None: to be said.
    mean, std : tuple of float
        One a channel, in units of the range; none: nothing is subtracted and divided by.
    summary : str
    """

    range: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    summary: str


PRESETS = {
    "imagenet": Scaling(
        "0-1", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "torchvision and most of timm"
    ),
    "timm-inception": Scaling("0-1", (0.5,) * 3, (0.5,) * 3, "timm's other half: ViT, Inception"),
    "keras-caffe": Scaling(
        "0-255", (103.939, 116.779, 123.68), (1.0,) * 3, "Keras' ResNet and VGG of ImageNet"
    ),
    "none": Scaling(None, (), (), "nothing is subtracted and divided by; with --range"),
}


@dataclass(frozen=True)
class Said:
    """One fact of a foreign model: what, which value, and who says so."""

    what: str
    value: str
    by: str


@dataclass(frozen=True)
class AdoptOptions:
    """What a person says about a foreign model; None and empty: nothing.

    Attributes
    ----------
    task : str
        ``NAME[:KIND[=class,class…]]``.
    classes : tuple of str
        In the order of the network's outputs.
    positive : str or None
        Of two classes, the one that sensitivity speaks of.
    layout : str or None
        One of `LAYOUTS`.
    size : tuple of int or None
        Height and width of the network's input, where the graph leaves them open.
    channels : int or None
        1 or 3, where the graph leaves them open.
    preset : str or None
        One of `PRESETS`; `range`, `mean` and `std` may say parts of it.
    range : str or None
        One of `RANGES`: the values that grey 0 and 255 become before mean and std.
    mean, std : tuple of float
        One a channel, or one for all.
    resize : str or None
        ``stretch``, ``pad`` or ``crop``, as of a decoding rule.
    crop_from : int or None
        Films are cropped to a square of so many pixels, of which the network sees the middle.
    answers : str or None
        What the outputs are: ``logits`` or ``probabilities``.
    output : str or None
        Name of the output that is the answer, where there are several.
    name : str
        Of the model; the file's stem if empty.
    source, licence : str
        Where the model comes from, for its card.
    tolerance : float
        By which a probability may differ from the original's.
    """

    task: str = DEFAULT_TASK
    classes: tuple[str, ...] = ()
    positive: str | None = None
    layout: str | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    preset: str | None = None
    range: str | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: str | None = None
    crop_from: int | None = None
    answers: Literal["logits", "probabilities"] | None = None
    output: str | None = None
    name: str = ""
    source: str = ""
    licence: str = ""
    tolerance: float = TOLERANCE
