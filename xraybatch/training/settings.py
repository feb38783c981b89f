"""What a run is made with: options where they are given, the architecture's defaults where not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from xraybatch.core.errors import UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.extension.records import Architecture, Option, OptionValue, TrainingDefaults
from xraybatch.images.rule import DecodingRule
from xraybatch.training.augment import POLICIES
from xraybatch.training.options import TrainOptions

IMBALANCE = ("class-weights", "oversample", "focal", "none")
SCHEDULES = ("constant", "cosine")
KEPT = ("best", "last")
MONITORS = ("loss", "accuracy", "balanced-accuracy", "macro-auc", "kappa")

_SIZE = re.compile(r"(\d+)(?:[xX](\d+))?\Z")


@dataclass(frozen=True)
class Settings:
    """Options and an architecture's defaults together: every value known.

    Attributes
    ----------
    rule : DecodingRule
    epochs, batch_size : int
    optimizer : str
    learning_rate, weight_decay : float
    val_split : float
    patience, fine_tune : int
    dropout : float
        Before each head.
    augment : str
        A name of `augment.POLICIES`.
    flip : bool
        Whether films are also mirrored left to right.
    views : int
        Augmented views of each film that a frozen backbone is run over.
    imbalance, schedule, monitor, keep : str
        As `IMBALANCE`, `SCHEDULES`, `MONITORS`, `KEPT` have them.
    label_smoothing : float
    values : mapping of str to OptionValue
        The architecture's own options.
    """

    rule: DecodingRule
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    val_split: float
    patience: int
    fine_tune: int
    dropout: float
    augment: str = "none"
    flip: bool = False
    views: int = 1
    imbalance: str = "class-weights"
    schedule: str = "constant"
    monitor: str = "loss"
    keep: str = "best"
    label_smoothing: float = 0.0
    values: Mapping[str, OptionValue] = field(default_factory=dict)


def settle(options: TrainOptions, architecture: Architecture) -> Settings:
    """Every setting of a run.

    Raises
    ------
    UsageError
        If the image size, a name, or an option of the architecture is not understood.
    """
    defaults = architecture.defaults
    height, width = _size(options.image_size, defaults)

    def given(name: str) -> OptionValue:
        asked = getattr(options, name)
        found: OptionValue = getattr(defaults, name) if asked is None else asked
        return found

    def one_of(name: str, known: tuple[str, ...]) -> str:
        value = str(given(name))
        if value not in known:
            raise UsageError(f"There is no --{name} {value}.", did_you_mean(value, known))
        return value

    return Settings(
        rule=DecodingRule(height, width, options.resize),
        epochs=int(given("epochs")),
        batch_size=int(given("batch_size")),
        optimizer=str(given("optimizer")).lower(),
        learning_rate=float(given("learning_rate")),
        weight_decay=float(given("weight_decay")),
        val_split=float(given("val_split")),
        patience=int(given("patience")),
        fine_tune=int(given("fine_tune")),
        dropout=float(given("dropout")),
        augment=one_of("augment", tuple(POLICIES)),
        flip=options.flip,
        views=options.views,
        imbalance=one_of("imbalance", IMBALANCE),
        schedule=one_of("schedule", SCHEDULES),
        monitor=one_of("monitor", MONITORS),
        keep=one_of("keep", KEPT),
        label_smoothing=options.label_smoothing,
        values=parse_values(options.option, architecture.options),
    )


def parse_values(given: tuple[str, ...], known: tuple[Option, ...]) -> dict[str, OptionValue]:
    """Read ``key=value`` pairs by the options that an architecture or exporter declares.

    Raises
    ------
    UsageError
        If a key is not known or a value is not of its type or choices.
    """
    by_name = {option.name: option for option in known}
    found = {option.name: option.default for option in known}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"-O {text} has no '='.", "Write -O name=value.")
        if name not in by_name:
            raise UsageError(f"There is no option '{name}'.", did_you_mean(name, by_name))
        found[name] = _value(by_name[name], value)
    return found


def _value(option: Option, text: str) -> OptionValue:
    if option.choices and text not in option.choices:
        raise UsageError(
            f"-O {option.name}={text} is not allowed.", f"Use one of {', '.join(option.choices)}."
        )
    try:
        if option.type is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                text.lower()
            ]
        return option.type(text)
    except (ValueError, KeyError):
        raise UsageError(
            f"-O {option.name}={text} is no {option.type.__name__}.", option.help
        ) from None


def _size(asked: str | int | None, defaults: TrainingDefaults) -> tuple[int, int]:
    if asked is None:
        return defaults.height, defaults.width
    match = _SIZE.match(str(asked))
    if not match:
        raise UsageError(f"--image-size {asked} is no size.", "Write 224 or 256x192 (HxW).")
    return int(match[1]), int(match[2] or match[1])
