"""Where the training of one network stands, on the disk, so that it can go on.

Writing takes at most a fiftieth of the time: where epochs are shorter than that lets them be, only
some of them are written down.

Arrays and JSON in one ``.npz`` a phase, written whole or not at all; nothing is pickled. The best
epoch's weights lie in a file of their own, written only when there is a better one.
"""

from __future__ import annotations

import json
import math
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import InputError
from xraybatch.core.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

History = list[dict[str, float | str]]

SHARE = 0.02  # of the time, at most, in which an unfinished phase is written down

_ABOUT, _WEIGHT, _OPTIMIZER = "about", "w", "o"


@dataclass
class Stand:
    """Where a phase stands.

    Attributes
    ----------
    rows : list of dict
        A row for each epoch that is done.
    over : bool
        No further epoch is wanted.
    best : float or None
        Of what the best epoch is chosen by.
    best_epoch, wait : int
        As Keras' early stopping counts them.
    """

    rows: History = field(default_factory=list)
    over: bool = False
    best: float | None = None
    best_epoch: int = 0
    wait: int = 0


class PhaseState:
    """The stand of one phase of training.

    Parameters
    ----------
    folder : Path or None
        None: nothing is kept.
    phase : str
    """

    def __init__(self, folder: Path | None, phase: str) -> None:
        self._folder = folder
        self._phase = phase
        self._next = -math.inf  # when it is time to write again
        self._written: int | None = None  # the best epoch whose weights lie there for certain

    @property
    def _path(self) -> Path | None:
        return None if self._folder is None else self._folder / f"{self._phase}.npz"

    def restore(self, model: Any, stop: Any) -> Stand:
        """Put a compiled model where the phase stands; `Stand` of no epoch where it has not begun.

        Raises
        ------
        InputError
            If what lies there is of another network.
        """
        if self._path is None or not self._path.exists():
            return Stand()
        stored = _read(self._path)
        stand = Stand(**json.loads(bytes(stored[_ABOUT]).decode()))
        best = self._best(stand)
        if best is not None:
            kept = _read(best)
            stop.best_weights = [kept[f"{_WEIGHT}{i}"] for i in range(len(kept))]
            self._written = stand.best_epoch
        _assign(model.variables, stored, _WEIGHT)
        if stand.over:
            if stop.best_weights is not None:
                model.set_weights(stop.best_weights)
        else:
            model.optimizer.build(model.trainable_variables)
            _assign(model.optimizer.variables, stored, _OPTIMIZER)
        stop.best, stop.best_epoch, stop.wait = stand.best, stand.best_epoch, stand.wait
        return stand

    def keeper(self, rows: History, stop: Any, epochs: int, begun: Stand) -> Any:
        """A callback that writes down each epoch; it stands behind `stop` among the callbacks."""
        from keras import callbacks

        best_weights = stop.best_weights

        class Keeper(callbacks.Callback):  # type: ignore[misc]
            def on_train_begin(_self, logs: Any = None) -> None:  # noqa: N805
                # Keras' early stopping has just forgotten everything
                stop.best, stop.best_epoch = begun.best, begun.best_epoch
                stop.wait, stop.best_weights = begun.wait, best_weights

            def on_epoch_end(_self, epoch: int, logs: Any = None) -> None:  # noqa: N805
                over = bool(_self.model.stop_training) or epoch + 1 >= epochs
                best = None if stop.best is None else float(stop.best)
                stand = Stand(rows, over, best, stop.best_epoch, stop.wait)
                self._write(_self.model, stop, stand)

        return Keeper()

    def _write(self, model: Any, stop: Any, stand: Stand) -> None:
        if self._path is None or self._folder is None:
            return
        if not all(
            math.isfinite(float(row["loss"])) for row in stand.rows
        ):  # what has run away is not gone on with
            return
        begun = time.monotonic()
        if begun < self._next and not stand.over:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        best = self._best_path(stand.best_epoch)
        # what lies there can be of an epoch that was trained before a kill, and anew since
        if stop.best_weights is not None and self._written != stand.best_epoch:
            _save(best, {f"{_WEIGHT}{i}": array for i, array in enumerate(stop.best_weights)})
            self._written = stand.best_epoch
        arrays: dict[str, NDArray[Any]] = {
            _ABOUT: np.frombuffer(json.dumps(vars(stand)).encode(), np.uint8)
        }
        arrays |= _named(model.variables, _WEIGHT)
        if not stand.over:
            arrays |= _named(model.optimizer.variables, _OPTIMIZER)
        _save(self._path, arrays)
        for path in self._folder.glob(f"{self._phase}-best-*.npz"):
            if path != best:
                path.unlink()
        done = time.monotonic()
        self._next = done + (done - begun) / SHARE

    def _best(self, stand: Stand) -> Path | None:
        path = self._best_path(stand.best_epoch)
        return path if path.exists() else None

    def _best_path(self, epoch: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{self._phase}-best-{epoch}.npz"


def is_over(path: Path) -> bool:
    """Whether a phase whose stand lies at `path` is trained to its end."""
    with np.load(path, allow_pickle=False) as stored:  # reads nothing but what is asked for
        return _ABOUT in stored and bool(json.loads(bytes(stored[_ABOUT]).decode())["over"])


def _named(variables: Sequence[Any], letter: str) -> dict[str, NDArray[Any]]:
    from keras import ops

    return {f"{letter}{i}": ops.convert_to_numpy(v) for i, v in enumerate(variables)}


def _assign(variables: Sequence[Any], stored: dict[str, NDArray[Any]], letter: str) -> None:
    found = [stored.get(f"{letter}{i}") for i in range(len(variables))]
    more = f"{letter}{len(variables)}" in stored
    for variable, array in zip(variables, found, strict=True):
        if more or array is None or tuple(array.shape) != tuple(variable.shape):
            raise InputError(
                "What was learned so far is of another network than the one that was built now.",
                "Did the plugin or Keras change since? Train again.",
            )
        variable.assign(array)


def _save(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"What was learned so far cannot be read: {path.name} is damaged.",
            "Delete the unfinished run and train again.",
        ) from error
