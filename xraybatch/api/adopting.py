"""`xraybatch.adopt`: an ONNX classifier from elsewhere to a sealed model file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from xraybatch.core.errors import UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tasks import DEFAULT_TASK
from xraybatch.training.adoption.adopt import Adopted
from xraybatch.training.adoption.adopt import adopt as use_case
from xraybatch.training.adoption.asked import LAYOUTS, PRESETS, RANGES, AdoptOptions
from xraybatch.training.options import TOLERANCE


def adopt(
    file: str | Path,
    *,
    out: str | Path,
    classes: Sequence[str] = (),
    task: str = DEFAULT_TASK,
    positive: str | None = None,
    layout: str | None = None,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    preset: str | None = None,
    range: str | None = None,  # noqa: A002
    mean: float | Sequence[float] = (),
    std: float | Sequence[float] = (),
    resize: str | None = None,
    crop_from: int | None = None,
    answers: Literal["logits", "probabilities"] | None = None,
    output: str | None = None,
    name: str = "",
    source: str = "",
    licence: str = "",
    tolerance: float = TOLERANCE,
    progress: Progress | None = None,
) -> Adopted:
    """Make a sealed model of an ONNX classifier from elsewhere.

    What ``xraybatch adopt`` does. What the file tells of itself is read; all else has to be said.

    Parameters
    ----------
    file : path
        An ONNX file of Ultralytics, torch, tf2onnx or another program.
    out : path
        The new model file.
    classes : sequence of str
        In the order of the network's outputs.
    task : str
        ``NAME[:KIND[=class,class…]]``.
    positive : str, optional
        Of two classes, the one that sensitivity speaks of.
    layout : {"nchw", "nhwc"}, optional
        Where the graph does not show it.
    size : int or tuple of int, optional
        Height and width, where the graph leaves them open.
    channels : {1, 3}, optional
        Where the graph leaves them open.
    preset : {"imagenet", "timm-inception", "keras-caffe", "none"}, optional
        How grey values are scaled, by name.
    range : {"0-255", "0-1", "-1-1"}, optional
        What grey 0 and 255 become, before `mean` and `std`.
    mean, std : float or sequence of float
        One a channel, or one for all.
    resize : {"stretch", "pad", "crop"}, optional
        How another aspect ratio is met.
    crop_from : int, optional
        Films are cropped to a square of so many pixels, of which the network sees the middle.
    answers : {"logits", "probabilities"}, optional
        What the outputs are, where the graph does not show it.
    output : str, optional
        The output that answers, of several.
    name, source, licence : str
        For its card.
    tolerance : float
        By which a probability may differ from the original's.
    progress : Progress, optional

    Returns
    -------
    Adopted
        With ``path``, ``card`` and ``parity``.

    Raises
    ------
    XraybatchError
        With the sentence and hint that the command would print.
    """
    for word, value, known in (
        ("layout", layout, LAYOUTS),
        ("preset", preset, PRESETS),
        ("range", range, RANGES),
        ("answers", answers, ("logits", "probabilities")),
    ):
        if value is not None and value not in known:
            raise UsageError(f"{word}={value!r} is not known.", did_you_mean(str(value), known))
    options = AdoptOptions(
        task=task,
        classes=tuple(classes),
        positive=positive,
        layout=layout,
        size=(size, size) if isinstance(size, int) else size,
        channels=channels,
        preset=preset,
        range=range,
        mean=_numbers(mean),
        std=_numbers(std),
        resize=resize,
        crop_from=crop_from,
        answers=answers,
        output=output,
        name=name,
        source=source,
        licence=licence,
        tolerance=tolerance,
    )
    return use_case(Path(file), Path(out), options=options, progress=progress or SILENT)


def _numbers(values: float | Sequence[float]) -> tuple[float, ...]:
    if isinstance(values, int | float):
        return (float(values),)
    return tuple(float(value) for value in values)
