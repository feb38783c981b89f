"""What a person may ask of a training run; each field is an option of ``xraybatch train``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from xraybatch.core.errors import UsageError

WEIGHTS = ("auto", "imagenet", "none")
GROUPINGS = ("patient", "study", "film")
ERROR, DROP = SETTLEMENTS = ("error", "drop")
TOLERANCE = 2e-4
LARGEST_SEED = 2**32 - 1  # of numpy's and TensorFlow's generators


@dataclass(frozen=True)
class TrainOptions:
    """How to train. None: what the architecture wants.

    Attributes
    ----------
    plugin : str
        Name of an architecture.
    preset : str
        Of which the options were taken that nobody gave; empty: none.
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
    learning_rate, weight_decay, dropout : float or None
    augment : str or None
        A policy of `xraybatch.training.augment.POLICIES`.
    flip : bool
        Also mirror films left to right.
    views : int
        Augmented views of each film for a frozen backbone.
    imbalance : str or None
        ``class-weights``, ``oversample``, ``focal`` or ``none``.
    schedule : str or None
        Of the learning rate: ``constant`` or ``cosine``.
    monitor : str or None
        What the best epoch is chosen by: ``loss``, ``accuracy``, ``balanced-accuracy``,
        ``macro-auc`` or ``kappa``, of the validation films.
    keep : str or None
        Whose weights are kept: the ``best`` epoch's, or the ``last`` one's.
    label_smoothing : float
    weights : str
        ``auto``, ``imagenet``, ``none``, or a Keras weights file.
    val_split : float or None
    test_split : float
        Shares of the patients; 0: none.
    folds : int or None
        Cross-validation by so many folds; None: one split.
    refit : bool
        Train on all films too, after the folds.
    tries : tuple of str
        ``learning-rate=1e-3,1e-4``: a grid of settings, chosen by the validation films.
    leak_check : bool or None
        Also find what a random split of films would have claimed; None: where it is cheap.
    group_by : str
        ``patient``, ``study`` or ``film``: what never stands on two sides of a split.
    on_leak : str
        ``error`` or ``drop``: what becomes of films whose patient or pixels stand in a part that
        judges, in a split that came with the films.
    on_conflict : str
        ``error`` or ``drop``: what becomes of films with the same pixels and other labels.
    seed : int
        0 to `LARGEST_SEED`.
    image_size : str, int or None
        ``H`` or ``HxW``.
    resize : str
        ``stretch``, ``pad`` or ``crop``.
    device : str
        ``auto``, ``cpu``, ``gpu``, or ``gpu:all``: each batch is shared by all GPUs.
    deterministic : bool
        Only operations that give the same bits each time.
    mixed_precision : bool
        Compute in half precision, export in float32.
    no_cache, no_hashes : bool
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
    preset: str = ""
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
    dropout: float | None = None
    augment: str | None = None
    flip: bool = False
    views: int = 1
    imbalance: str | None = None
    schedule: str | None = None
    monitor: str | None = None
    keep: str | None = None
    label_smoothing: float = 0.0
    patience: int | None = None
    fine_tune: int | None = None
    weights: str = "auto"
    val_split: float | None = None
    test_split: float = 0.2
    folds: int | None = None
    refit: bool = False
    tries: tuple[str, ...] = ()
    leak_check: bool | None = None
    group_by: str = "patient"
    on_leak: str = ERROR
    on_conflict: str = ERROR
    seed: int = 0
    image_size: str | int | None = None
    resize: str = "stretch"
    device: str = "auto"
    deterministic: bool = False
    mixed_precision: bool = False
    no_cache: bool = False
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
        if self.seed > LARGEST_SEED:
            raise UsageError(f"--seed {self.seed} is too large.", f"Give {LARGEST_SEED} or less.")
        _at_least("views", self.views, 1)
        _at_least("folds", self.folds, 2)
        if self.refit and not self.folds:
            raise UsageError(
                "--refit trains on all films after the folds, and there are none.", "Give --folds."
            )
        for name, share in (
            *(("val-split", self.val_split), ("test-split", self.test_split)),
            *(("dropout", self.dropout), ("label-smoothing", self.label_smoothing)),
        ):
            if share is not None and not 0 <= share < 1:
                raise UsageError(f"--{name} {share:g} is no share.", "Give 0 to below 1.")
        held_back = 1 / self.folds if self.folds else self.test_split
        if held_back + (self.val_split or 0) >= 1:
            raise UsageError(
                "--val-split and --test-split leave no film to train on.", "Lower one of them."
            )
        for name, rate in (("learning-rate", self.learning_rate), ("tolerance", self.tolerance)):
            if rate is not None and not 0 < rate < float("inf"):
                raise UsageError(f"--{name} {rate:g} is out of range.", "Give more than 0.")
        decay = self.weight_decay
        if decay is not None and not 0 <= decay < float("inf"):
            raise UsageError(f"--weight-decay {decay:g} is out of range.", "Give 0 or more.")
        if self.group_by not in GROUPINGS:
            raise UsageError(
                f"--group-by {self.group_by} is not known.", f"Use {', '.join(GROUPINGS)}."
            )
        for name, word in (("on-leak", self.on_leak), ("on-conflict", self.on_conflict)):
            if word not in SETTLEMENTS:
                raise UsageError(
                    f"--{name} {word} is not known.", f"Use {' or '.join(SETTLEMENTS)}."
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
    dropout: float | None
    augment: str | None
    flip: bool
    views: int
    imbalance: str | None
    schedule: str | None
    monitor: str | None
    keep: str | None
    label_smoothing: float
    patience: int | None
    fine_tune: int | None
    weights: str
    val_split: float | None
    test_split: float
    folds: int | None
    refit: bool
    tries: tuple[str, ...]
    leak_check: bool | None
    group_by: str
    on_leak: str
    on_conflict: str
    seed: int
    image_size: str | int | None
    resize: str
    device: str
    deterministic: bool
    mixed_precision: bool
    no_cache: bool
    no_hashes: bool
    tolerance: float
    workers: int | None
    source: str
    licence: str
    citation: str


def _at_least(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise UsageError(f"--{name} {value} is too small.", f"Give {least} or more.")
