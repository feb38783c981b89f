"""What a plugin brings to training: architectures, the features they build, and presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xraybatch.extension.records.option import Option, OptionValue


@dataclass(frozen=True)
class TrainingDefaults:
    """How an architecture wants to be trained unless a person says otherwise.

    Attributes
    ----------
    height, width : int
        Film size in pixels.
    epochs, batch_size : int
    optimizer : str
        A name that ``keras.optimizers.get`` knows.
    learning_rate, weight_decay : float
    val_split : float
        Share of the patients held back for validation.
    patience : int
        Epochs without a better validation loss before training stops.
    fine_tune : int
        Layers of a frozen backbone, counted from its end, that train after the head did.
    dropout : float
        Before each head.
    augment : str
        ``none``, ``mild``, ``strong`` or ``scale-rotate``.
    imbalance : str
        ``class-weights``, ``oversample``, ``focal`` or ``none``.
    schedule : str
        Of the learning rate: ``constant`` or ``cosine``.
    monitor : str
        What the best epoch is chosen by: ``loss``, ``accuracy``, ``balanced-accuracy``,
        ``macro-auc`` or ``kappa``, of the validation films.
    keep : str
        ``best``: the weights of that epoch, and training stops where `patience` ends. ``last``:
        those of the last epoch, for a schedule that ends near zero: there single epochs differ by
        chance more than by merit.
    """

    height: int = 224
    width: int = 224
    epochs: int = 15
    batch_size: int = 32
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    val_split: float = 0.1
    patience: int = 5
    fine_tune: int = 0
    dropout: float = 0.0
    augment: str = "none"
    imbalance: str = "class-weights"
    schedule: str = "constant"
    monitor: str = "loss"
    keep: str = "best"


@dataclass(frozen=True)
class BuildOptions:
    """What `Architecture.build` is handed.

    Attributes
    ----------
    height, width : int
        Film size in pixels.
    weights : str or None
        ``imagenet``, the path of a Keras weights file, or None for random weights. An architecture
        without a pretrained backbone ignores ``imagenet``; anything that was asked for and cannot
        be loaded raises.
    values : mapping of str to OptionValue
        One entry for each of the architecture's options, checked and of its type.
    """

    height: int
    width: int
    weights: str | None = None
    values: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """Features, never outputs: xraybatch adds each task's head, loss and activation.

    Attributes
    ----------
    neck : keras.Model
        A functional model to an embedding ``[batch, D]``, float32. Its inputs are called ``films``
        (float32 in 0–255, ``[batch, height, width, 1 or 3]``), ``maps`` (the backbone's output), or
        both; their names say which they are.
    backbone : keras.Model or None
        From float32 films in 0–255 ``[batch, height, width, 1 or 3]`` to feature maps, its own
        normalisation inside. The only part that is frozen and whose output is cached.
    pretrained : bool
        Whether pretrained weights were really loaded into `backbone`.
    """

    neck: Any
    backbone: Any = None
    pretrained: bool = False


@dataclass(frozen=True)
class Architecture:
    """A network that can be trained: returned by ``register_architectures``.

    Attributes
    ----------
    name : str
        What ``--plugin`` takes: lower case, digits, hyphens.
    summary : str
        One line for the listing.
    build : callable
        ``build(options: BuildOptions) -> Network``. Imports Keras inside, never at module level.
    defaults : TrainingDefaults
    options : tuple of Option
    pretrained_on : str
        ``imagenet`` if `build` can load such weights, else empty.
    """

    name: str
    summary: str
    build: Callable[[BuildOptions], Network]
    defaults: TrainingDefaults = TrainingDefaults()
    options: tuple[Option, ...] = ()
    pretrained_on: str = ""


@dataclass(frozen=True)
class Preset:
    """A published project as one name: returned by ``register_presets``.

    Attributes
    ----------
    name, summary : str
    architecture : str
        Name of the architecture it trains.
    settings : mapping of str to value
        Options of ``xraybatch train`` by their long names, without the hyphens in front; those that
        can be repeated are tuples.
    data_form : str
        What ``xraybatch prepare`` finds at the source, in words.
    source, licence : str
        Where to get the data, and under which licence.
    default_place : str
        Folder that is looked in when no ``--data`` is given.
    """

    name: str
    summary: str
    architecture: str
    settings: Mapping[str, OptionValue | tuple[str, ...]]
    data_form: str
    source: str
    licence: str
    default_place: str
