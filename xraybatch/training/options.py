"""What a person may ask of a training run; each field is an option of ``xraybatch train``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from xraybatch.core.errors import UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.extension.records import Architecture, Option, OptionValue, TrainingDefaults
from xraybatch.images.rule import DecodingRule

WEIGHTS = ("auto", "imagenet", "none")
GROUPINGS = ("patient", "study", "film")
TOLERANCE = 2e-4

_SIZE = re.compile(r"(\d+)(?:[xX](\d+))?\Z")


@dataclass(frozen=True)
class TrainOptions:
    """How to train. None: what the architecture wants.

    Attributes
    ----------
    plugin : str
        Name of an architecture.
    data : Path or None
        Class folders, or films that `labels` names; None: the synthetic sample films.
    labels : Path or None
        A labels table; None: ``labels.csv`` in `data` where there is one, else class folders.
    path_column, label_column, patient_column : str or None
        Of the labels table; None: the names that DESIGN gives them.
    label_map : str or None
        ``0=normal,1=abnormal``; nothing after ``=``: not labelled.
    task : tuple of str
        ``NAME[:KIND[=class,class…]]``.
    positive : str or None
        The class that sensitivity speaks of.
    out : Path or None
        The run folder; None: the next ``runs/<date>-<plugin>-<n>``.
    epochs, batch_size, patience, fine_tune : int or None
    optimizer : str or None
    learning_rate, weight_decay : float or None
    weights : str
        ``auto``, ``imagenet``, ``none``, or a Keras weights file.
    val_split : float or None
    test_split : float
        Shares of the patients; 0: none.
    group_by : str
        ``patient``, ``study`` or ``film``: what never stands on two sides of a split.
    seed : int
    image_size : str or None
        ``H`` or ``HxW``.
    resize : str
        ``stretch``, ``pad`` or ``crop``.
    device : str
        ``auto``, ``cpu`` or ``gpu``.
    no_cache, no_class_weights, no_hashes : bool
    tolerance : float
        Largest difference of a probability that the parity gate lets through.
    workers : int or None
        Processes that decode.
    source, licence, citation : str
        Of the films, for the card.
    option : tuple of str
        ``key=value`` for the architecture.
    """

    plugin: str
    data: Path | None = None
    labels: Path | None = None
    path_column: str = "path"
    label_column: str | None = None
    patient_column: str | None = None
    label_map: str | None = None
    task: tuple[str, ...] = ()
    positive: str | None = None
    out: Path | None = None
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    patience: int | None = None
    fine_tune: int | None = None
    weights: str = "auto"
    val_split: float | None = None
    test_split: float = 0.2
    group_by: str = "patient"
    seed: int = 0
    image_size: str | None = None
    resize: str = "stretch"
    device: str = "auto"
    no_cache: bool = False
    no_class_weights: bool = False
    no_hashes: bool = False
    tolerance: float = TOLERANCE
    workers: int | None = None
    source: str = ""
    licence: str = ""
    citation: str = ""
    option: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _at_least("epochs", self.epochs, 1)
        _at_least("batch-size", self.batch_size, 1)
        _at_least("patience", self.patience, 1)
        _at_least("fine-tune", self.fine_tune, 0)
        _at_least("seed", self.seed, 0)
        for name, share in (("val-split", self.val_split), ("test-split", self.test_split)):
            if share is not None and not 0 <= share < 1:
                raise UsageError(f"--{name} {share:g} is no share.", "Give 0 to below 1.")
        if self.test_split + (self.val_split or 0) >= 1:
            raise UsageError(
                "--val-split and --test-split leave no film to train on.", "Lower one of them."
            )
        for name, rate in (("learning-rate", self.learning_rate), ("tolerance", self.tolerance)):
            if rate is not None and not 0 < rate < float("inf"):
                raise UsageError(f"--{name} {rate:g} is out of range.", "Give more than 0.")
        if self.group_by not in GROUPINGS:
            raise UsageError(
                f"--group-by {self.group_by} is not known.", f"Use {', '.join(GROUPINGS)}."
            )


class TrainKeywords(TypedDict, total=False):
    """The options that `xraybatch.train` hands on as they are; `TrainOptions` describes them."""

    path_column: str
    label_column: str | None
    patient_column: str | None
    positive: str | None
    epochs: int | None
    batch_size: int | None
    optimizer: str | None
    learning_rate: float | None
    weight_decay: float | None
    patience: int | None
    fine_tune: int | None
    weights: str
    val_split: float | None
    test_split: float
    group_by: str
    seed: int
    image_size: str | None
    resize: str
    device: str
    no_cache: bool
    no_class_weights: bool
    no_hashes: bool
    tolerance: float
    workers: int | None
    source: str
    licence: str
    citation: str


@dataclass(frozen=True)
class Settings:
    """Options and an architecture's defaults together: every value known.

    Attributes
    ----------
    rule : DecodingRule
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
    values: Mapping[str, OptionValue] = field(default_factory=dict)


def settle(options: TrainOptions, architecture: Architecture) -> Settings:
    """What the run is made with: options where they are given, defaults where not.

    Raises
    ------
    UsageError
        If the image size or an option of the architecture is not understood.
    """
    defaults = architecture.defaults
    height, width = _size(options.image_size, defaults)

    def given(name: str) -> OptionValue:
        asked = getattr(options, name)
        found: OptionValue = getattr(defaults, name) if asked is None else asked
        return found

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
        dropout=defaults.dropout,
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


def _size(text: str | None, defaults: TrainingDefaults) -> tuple[int, int]:
    if text is None:
        return defaults.height, defaults.width
    match = _SIZE.match(text)
    if not match:
        raise UsageError(f"--image-size {text} is no size.", "Write 224 or 256x192 (HxW).")
    return int(match[1]), int(match[2] or match[1])


def _at_least(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise UsageError(f"--{name} {value} is too small.", f"Give {least} or more.")
