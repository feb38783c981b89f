"""Training itself: a frozen backbone is run once, then what is behind it learns; or all of it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import ModelError, UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.core.progress import Progress, Stage
from xraybatch.training.batches import Source, batches
from xraybatch.training.features import Features, stored_features
from xraybatch.training.heads import Head
from xraybatch.training.monitor import judge
from xraybatch.training.network import INPUT, Assembly, flat, thaw
from xraybatch.training.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE, HEAD, FINE_TUNE = "whole", "head", "fine-tune"
_SLOWER = 0.1  # learning rate of fine-tuning, of the one that the head was trained with

History = list[dict[str, float | str]]


@dataclass(frozen=True)
class Material:
    """What is learned from.

    Attributes
    ----------
    films : Source
        uint8 ``(n, height, width, 1)`` by position.
    targets, weights : mapping of str to ndarray
        By task, one row a film, as its head makes them.
    train, val : ndarray of int64
        Positions; `val` may be empty. A film that is shown several times an epoch stands several
        times in `train`.
    codes : mapping of str to ndarray of int64
        The truth by task, one row a film.
    augmentation : keras layer or None
        Of `augment.augmenter`, for a frozen backbone; `whole` has its own inside.
    """

    films: Source
    targets: Mapping[str, NDArray[np.float32]]
    weights: Mapping[str, NDArray[np.float32]]
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    codes: Mapping[str, NDArray[np.int64]]
    augmentation: Any = None


def fit(
    assembly: Assembly,
    heads: Sequence[Head],
    material: Material,
    settings: Settings,
    *,
    frozen: bool,
    seed: int,
    scratch: Path,
    progress: Progress,
) -> History:
    """Train an assembly; its `inference` has learned afterwards.

    Parameters
    ----------
    assembly : Assembly
    heads : sequence of Head
    material : Material
    settings : Settings
    frozen : bool
        Whether the backbone is pretrained: then it is run once and stays as it is, but for
        `settings.fine_tune` layers at the end.
    seed : int
        Of the order of films.
    scratch : Path
        Folder for the features of the films, which may be larger than memory.
    progress : Progress

    Returns
    -------
    list of dict
        A row an epoch: ``epoch``, ``phase``, ``loss`` …, ``val_loss`` …, ``seconds``, ``kept``
        (1: its weights are those that the phase ended with).

    Raises
    ------
    ModelError
        If the loss is no number.
    """
    history: History = []
    if not frozen:
        _train(assembly.whole, heads, material, settings, WHOLE, seed, history, progress)
        return history
    assembly.backbone.trainable = False
    with stored_features(
        assembly,
        material.films,
        np.union1d(material.train, material.val),
        augmentation=material.augmentation,
        views=settings.views if material.augmentation is not None else 1,
        batch_size=settings.batch_size,
        scratch=scratch,
        progress=progress,
    ) as stored:
        _train(
            assembly.rest, heads, material, settings, HEAD, seed, history, progress, stored=stored
        )
    if settings.fine_tune:
        count = thaw(assembly.backbone, settings.fine_tune)
        progress.note(f"Fine-tuning the last {count} layers of the backbone, in the whole network.")
        _train(assembly.whole, heads, material, settings, FINE_TUNE, seed, history, progress)
    return history


def check_optimizer(name: str) -> None:
    """Raise `UsageError` if Keras has no optimizer of that name."""
    from keras import optimizers

    known = sorted(
        entry.lower()
        for entry, kind in vars(optimizers).items()
        if isinstance(kind, type) and issubclass(kind, optimizers.Optimizer)
    )
    if name not in known:
        raise UsageError(f"Keras has no optimizer '{name}'.", did_you_mean(name, known))


def _train(
    model: Any,
    heads: Sequence[Head],
    material: Material,
    settings: Settings,
    phase: str,
    seed: int,
    history: History,
    progress: Progress,
    stored: Features | None = None,
) -> None:
    from keras import callbacks, metrics

    factor = _SLOWER if phase == FINE_TUNE else 1.0
    steps = settings.epochs * -(-len(material.train) // settings.batch_size)
    model.compile(
        optimizer=_optimizer(settings, factor, steps),
        loss={head.task.name: head.loss for head in heads},
        weighted_metrics={
            head.task.name: [metrics.MeanMetricWrapper(head.hits, name="accuracy")]
            for head in heads
        },
    )
    films = {INPUT: material.films}
    learned = stored.for_training(seed) if stored else films
    made = partial(
        batches, targets=material.targets, weights=material.weights, size=settings.batch_size
    )
    val = made(stored.as_they_are if stored else films, films=material.val)
    monitor, judges = "loss", []
    if len(material.val):
        monitor = f"val_{settings.monitor}"
        if settings.monitor != "loss":
            codes = {name: values[material.val] for name, values in material.codes.items()}
            judges = [judge(settings.monitor, heads, codes, val)]
    stop = callbacks.EarlyStopping(
        monitor=monitor,
        mode="min" if monitor.endswith("loss") else "max",
        patience=settings.patience,
        restore_best_weights=True,
        start_from_epoch=_settling(model, settings, len(material.train)) if phase == WHOLE else 0,
    )
    with progress.stage("training", settings.epochs, unit="epochs") as stage:
        rows: History = []
        model.fit(
            made(learned, films=material.train, seed=seed),
            validation_data=val if len(material.val) else None,
            epochs=settings.epochs,
            verbose=0,
            callbacks=[
                *judges,
                _record(rows, phase, len(history), stage),
                stop,
                callbacks.TerminateOnNaN(),
            ],
        )
    # without a best epoch, the weights of the last one stay
    kept = stop.best_epoch if stop.best_weights is not None else len(rows) - 1
    history += [{**row, "kept": int(i == kept)} for i, row in enumerate(rows)]
    if not rows or not all(math.isfinite(float(row["loss"])) for row in rows):
        raise ModelError(
            "The loss is no number any more: training has run away.",
            "Lower --learning-rate.",
        )
    if len(rows) < settings.epochs:
        progress.note(
            f"Stopped after {len(rows)} of {settings.epochs} epochs: {monitor} has not become "
            f"better for {settings.patience}; the best epoch's weights are kept."
        )


def _settling(model: Any, settings: Settings, films: int) -> int:
    """Epochs until the running statistics of batch normalisation mean anything.

    Before that, what a network says to validation films is not what it has learned, and the best
    epoch would be the first. At most half of all epochs.
    """
    from keras import layers

    kinds = layers.BatchNormalization
    momenta = [layer.momentum for layer in flat(model) if isinstance(layer, kinds)]
    if not momenta:
        return 0
    steps = 3 / (1 - max(momenta))  # what they began with has faded to a twentieth
    epochs = math.ceil(steps / math.ceil(films / settings.batch_size))
    return min(int(epochs), settings.epochs // 2)


def _record(rows: History, phase: str, before: int, stage: Stage) -> Any:
    """A callback that keeps each epoch's figures and tells them."""
    from keras import callbacks

    class Record(callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.begun = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            figures = {name: float(value) for name, value in (logs or {}).items()}
            took = round(time.perf_counter() - self.begun, 3)
            number = before + epoch + 1
            rows.append({"epoch": number, "phase": phase, **figures, "seconds": took})
            said = f"loss {figures.get('loss', math.nan):.3f}"
            if "val_loss" in figures:
                said += f" val {figures['val_loss']:.3f}"
            stage.advance(detail=said)

    return Record()


def _optimizer(settings: Settings, factor: float, steps: int) -> Any:
    from keras import optimizers

    rate: Any = settings.learning_rate * factor
    if settings.schedule == "cosine":
        rate = optimizers.schedules.CosineDecay(rate, decay_steps=steps)
    config: dict[str, Any] = {"learning_rate": rate}
    if settings.weight_decay:
        config["weight_decay"] = settings.weight_decay
    # not by `get`, which wants a schedule as a dictionary
    kinds = {name.lower(): kind for name, kind in vars(optimizers).items()}
    return kinds[settings.optimizer](**config)
