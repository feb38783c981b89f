"""Training itself: a frozen backbone is run once, then what is behind it learns; or all of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import ModelError
from xraybatch.core.progress import Progress, Stage
from xraybatch.training.backend import replicas
from xraybatch.training.batches import Source, batches
from xraybatch.training.features import Bank, Features
from xraybatch.training.heads import Head
from xraybatch.training.monitor import judge
from xraybatch.training.network import INPUT, Assembly, flat, settle_statistics, thaw
from xraybatch.training.optimizer import make_optimizer
from xraybatch.training.settings import Settings
from xraybatch.training.state import History, PhaseState

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE, HEAD, FINE_TUNE = "whole", "head", "fine-tune"
_SLOWER = 0.1  # learning rate of fine-tuning, of the one that the head was trained with


class RanAway(ModelError):
    """The loss is no number any more.

    Parameters
    ----------
    history : list of dict
        As `Taught` has it, of the epochs until then.
    """

    def __init__(self, history: History) -> None:
        super().__init__(
            "The loss is no number any more: training has run away.", "Lower --learning-rate."
        )
        self.history = history

    def __reduce__(self) -> tuple[type[RanAway], tuple[History]]:  # type: ignore[override]
        return type(self), (self.history,)


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
    rows : ndarray of int64
        What tells decoded films apart, one a film.
    augmentation : keras layer or None
        Of `augment.augmenter`, for a frozen backbone; `whole` has its own inside.
    """

    films: Source
    targets: Mapping[str, NDArray[np.float32]]
    weights: Mapping[str, NDArray[np.float32]]
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    codes: Mapping[str, NDArray[np.int64]]
    rows: NDArray[np.int64]
    augmentation: Any = None


@dataclass(frozen=True)
class Stored:
    """Where features are kept, and what they depend on beside the films."""

    bank: Bank
    key: Hashable


@dataclass(frozen=True)
class Taught:
    """How training went.

    Attributes
    ----------
    history : list of dict
        A row an epoch: ``epoch``, ``phase``, ``loss`` …, ``val_loss`` …, ``seconds``.
    monitor : str
        The column that the best epoch was chosen by.
    best : float or None
        Its value in the epoch of the last phase whose weights were kept.
    """

    history: History
    monitor: str
    best: float | None


def fit(
    assembly: Assembly,
    heads: Sequence[Head],
    material: Material,
    settings: Settings,
    *,
    frozen: bool,
    seed: int,
    stored: Stored,
    state: Path | None,
    progress: Progress,
) -> Taught:
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
    stored : Stored
        Where features of the films are kept.
    state : Path or None
        Folder of where training stands; what lies there is gone on with. None: kept nowhere.
    progress : Progress

    Raises
    ------
    RanAway
        If the loss is no number.
    """
    course = _Course(heads, material, settings, seed, state, progress)
    if not frozen:
        return course.train(assembly.whole, WHOLE)
    assembly.backbone.trainable = False

    def features() -> Features:
        return stored.bank.features(
            assembly,
            material.films,
            material.rows,
            np.union1d(material.train, material.val),
            key=stored.key,
            augmentation=material.augmentation,
            views=settings.views if material.augmentation is not None else 1,
            batch_size=settings.batch_size,
            progress=progress,
        )

    taught = course.train(assembly.rest, HEAD, features)
    if settings.fine_tune:
        count = thaw(assembly.backbone, settings.fine_tune)
        progress.note(f"Fine-tuning the last {count} layers of the backbone, in the whole network.")
        taught = course.train(assembly.whole, FINE_TUNE)
    return taught


class _Course:
    """The phases of one network's training."""

    def __init__(
        self,
        heads: Sequence[Head],
        material: Material,
        settings: Settings,
        seed: int,
        state: Path | None,
        progress: Progress,
    ) -> None:
        self.heads = heads
        self.material = material
        self.settings = settings
        self.seed = seed
        self.state = state
        self.progress = progress
        self.history: History = []

    def train(
        self, model: Any, phase: str, features: Callable[[], Features] | None = None
    ) -> Taught:
        from keras import callbacks, metrics

        heads, material, settings = self.heads, self.material, self.settings
        monitor = f"val_{settings.monitor}" if len(material.val) else "loss"
        epoch = batches({}, {}, {}, material.train, settings.batch_size, shares=replicas())
        steps = len(epoch)
        settling = min(settle_statistics(model, steps), settings.epochs // 2)
        model.compile(
            optimizer=make_optimizer(
                settings,
                _SLOWER if phase == FINE_TUNE else 1.0,
                settings.epochs * steps,
                scaled=any(layer.compute_dtype == "float16" for layer in flat(model)),
            ),
            loss={head.task.name: head.loss for head in heads},
            weighted_metrics={
                head.task.name: [metrics.MeanMetricWrapper(head.hits, name="accuracy")]
                for head in heads
            },
        )
        stop = callbacks.EarlyStopping(
            monitor=monitor,
            mode="min" if monitor.endswith("loss") else "max",
            patience=settings.epochs if settings.keep == "last" else settings.patience,
            restore_best_weights=settings.keep == "best",
            start_from_epoch=settling,
        )
        kept = PhaseState(self.state, phase)
        stand = kept.restore(model, stop)
        rows = list(stand.rows)
        if rows and not stand.over:
            self.progress.note(f"Training goes on after epoch {len(self.history) + len(rows)}.")
        if not stand.over:
            films = {INPUT: material.films}
            stored = features() if features else None
            made = partial(
                batches,
                targets=material.targets,
                weights=material.weights,
                size=settings.batch_size,
                shares=replicas(),
            )
            val = made(stored.as_they_are if stored else films, films=material.val)
            judges = []
            if len(material.val) and settings.monitor != "loss":
                codes = {name: values[material.val] for name, values in material.codes.items()}
                judges = [judge(settings.monitor, heads, codes, val)]
            with self.progress.stage("training", settings.epochs, unit="epochs") as stage:
                if rows:
                    stage.advance(len(rows))
                model.fit(
                    made(
                        stored.for_training if stored else films,
                        films=material.train,
                        seed=self.seed,
                        epoch=len(rows),
                    ),
                    validation_data=val if len(material.val) else None,
                    initial_epoch=len(rows),
                    epochs=settings.epochs,
                    shuffle=False,  # the order is the batches' own, or going on would change it
                    verbose=0,
                    callbacks=[
                        *judges,
                        _record(rows, phase, len(self.history), stage),
                        stop,
                        _stop_when_lost(),
                        kept.keeper(rows, stop, settings.epochs, stand),
                    ],
                )
        # without a best epoch, or if nobody asked for it, the weights of the last one stay
        best_row = stop.best_epoch if stop.best_weights is not None else len(rows) - 1
        self.history += [{**row, "kept": int(i == best_row)} for i, row in enumerate(rows)]
        if not rows or not all(math.isfinite(float(row["loss"])) for row in rows):
            raise RanAway(self.history)
        if len(rows) < settings.epochs:
            self.progress.note(
                f"Stopped after {len(rows)} of {settings.epochs} epochs: {monitor} has not become "
                f"better for {settings.patience}; the best epoch's weights are kept."
            )
        value = float(rows[best_row].get(monitor, math.nan))
        return Taught(self.history, monitor, value if math.isfinite(value) else None)


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


def _stop_when_lost() -> Any:
    """A callback that stops where the loss is no number, as Keras' own, which prints that."""
    from keras import callbacks

    class Stop(callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if not math.isfinite(float((logs or {}).get("loss", 0.0))):
                self.model.stop_training = True

    return Stop()
