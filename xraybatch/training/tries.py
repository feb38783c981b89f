"""A grid of settings tried on the validation films; the held-back films meet the winner alone."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from xraybatch.core.errors import ModelError, UsageError
from xraybatch.core.files import write_text
from xraybatch.core.names import did_you_mean
from xraybatch.extension.records import Architecture
from xraybatch.training.fit import RanAway
from xraybatch.training.learn import Workshop, learn
from xraybatch.training.options import TrainOptions
from xraybatch.training.part_names import VALIDATION
from xraybatch.training.prepare import Prepared
from xraybatch.training.settings import Settings, settle

TRIES = "tries.csv"
_WHOLE = ("batch_size", "epochs", "patience", "fine_tune", "views")
_REAL = ("learning_rate", "weight_decay", "dropout", "label_smoothing")
_WORDS = ("optimizer", "augment", "imbalance", "schedule", "keep")
# what changes the loss itself, so that losses cannot be compared
_OTHER_LOSS = ("imbalance", "label_smoothing")


@dataclass(frozen=True)
class Try:
    """One point of the grid.

    Attributes
    ----------
    values : mapping of str to str
        What was tried, as a person wrote it.
    options : TrainOptions
    settings : Settings
    """

    values: Mapping[str, str]
    options: TrainOptions
    settings: Settings

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.values.items())


@dataclass(frozen=True)
class TryLine:
    """How one point of the grid did.

    Attributes
    ----------
    values : mapping of str to str
    monitor : str
    best : float or None
        The kept epoch's `monitor`; None: undefined, and `reason` says why.
    epochs : int
        Trained, which patience may make fewer than tried.
    seconds : float
    chosen : bool
    reason : str
        Why there is no `best`.
    """

    values: Mapping[str, str]
    monitor: str
    best: float | None
    epochs: int
    seconds: float
    chosen: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Chosen:
    """The winner, where its training stands, and what it won against."""

    options: TrainOptions
    settings: Settings
    state: Path
    lines: tuple[TryLine, ...] = ()
    how: str = ""


def grid(options: TrainOptions, architecture: Architecture) -> list[Try]:
    """Every combination of what is to be tried; empty where nothing is.

    Raises
    ------
    UsageError
        If a setting is not known, or cannot be compared.
    """
    axes: dict[str, list[str]] = {}
    for text in options.tries:
        name, equals, values = text.partition("=")
        found = [value.strip() for value in values.split(",") if value.strip()]
        if not equals or not found:
            raise UsageError(
                f"--try {text} names no values.", "Write --try learning-rate=1e-3,1e-4."
            )
        if _field(name) in map(_field, axes):
            raise UsageError(f"--try {name} is given twice.", "Put all its values into one.")
        axes[name] = found
    if not axes:
        return []
    if len({field for name in axes if (field := _field(name)) in _OTHER_LOSS}) and (
        settle(options, architecture).monitor == "loss"
    ):
        raise UsageError(
            "Losses cannot be compared where --try changes how the loss is made.",
            "Choose by something else: --monitor macro-auc or balanced-accuracy.",
        )
    tries = []
    for point in itertools.product(*axes.values()):
        named = dict(zip(axes, point, strict=True))
        asked = _with(options, named, architecture)
        tries.append(Try(named, asked, settle(asked, architecture)))
    return tries


def choose(shop: Workshop, prepared: Prepared, settings: Settings, state: Path) -> Chosen:
    """Try all, and choose by the validation films.

    Parameters
    ----------
    shop : Workshop
    prepared : Prepared
    settings : Settings
    state : Path
        Folder of where training stands; of each try in a folder of its own.

    Raises
    ------
    UsageError
        If there is no validation film.
    ModelError
        If none of them has a figure: one that runs away is left out.
    """
    tries = grid(shop.options, shop.architecture.record)
    if not tries:
        return Chosen(shop.options, settings, state)
    films = len(prepared.split.where(VALIDATION))
    if not films:
        raise UsageError(
            "--try chooses by the validation films, and there are none.", "Give a --val-split."
        )
    lines, places = [], []
    for number, one in enumerate(tries, start=1):
        place = state / f"try-{number}"
        shop.progress.note(f"Try {number} of {len(tries)}: {one}.")
        line = _tried(shop, prepared, one, place)
        if line.best is None:
            shop.progress.note(f"Try {number} cannot be chosen: {line.reason}")
        lines.append(line)
        places.append(place)
    sign = 1 if settings.monitor == "loss" else -1
    known = {i: sign * line.best for i, line in enumerate(lines) if line.best is not None}
    if not known:
        raise ModelError(
            f"None of the {len(tries)} settings can be chosen. {lines[0].reason}",
            "Try a lower learning rate.",
        )
    winner = min(known, key=known.__getitem__)
    lines[winner] = replace(lines[winner], chosen=True)
    line = lines[winner]
    how = (
        f"{len(tries)} settings were tried; this one, {tries[winner]}, had the best {line.monitor}"
        f" ({line.best:.4g}) on {films:,} validation films"
    )
    shop.progress.note(f"{how[0].upper()}{how[1:]}.")
    return Chosen(tries[winner].options, tries[winner].settings, places[winner], tuple(lines), how)


def _tried(shop: Workshop, prepared: Prepared, one: Try, place: Path) -> TryLine:
    monitor = f"val_{one.settings.monitor}"
    try:
        taught = learn(replace(shop, options=one.options), prepared, one.settings, place).taught
        history, best, reason = taught.history, taught.best, f"Its {monitor} is no number."
    except RanAway as error:  # must not cost what the others learned
        history, best, reason = error.history, None, error.message
    seconds = sum(float(row["seconds"]) for row in history)
    return TryLine(
        *(one.values, monitor, best, len(history), seconds),
        reason=reason if best is None else "",
    )


def write_tries(folder: Path, lines: tuple[TryLine, ...]) -> None:
    """``tries.csv``: the number of each, its settings, its figure or why it has none, its cost."""
    import pandas as pd

    rows = []
    for number, line in enumerate(lines, start=1):
        found = {
            line.monitor: line.best,
            "epochs_trained": line.epochs,
            "seconds": round(line.seconds, 3),
            "chosen": int(line.chosen),
            "reason": line.reason,
        }
        # an architecture may call its options what it likes
        taken = {"try", *found}
        named = {f"{k} tried" if k in taken else k: value for k, value in line.values.items()}
        rows.append({"try": number, **named, **found})
    write_text(folder / TRIES, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))


def _field(name: str) -> str:
    return name.replace("-", "_")


def _with(
    options: TrainOptions, values: Mapping[str, str], architecture: Architecture
) -> TrainOptions:
    own = {option.name for option in architecture.options}
    changed: dict[str, Any] = {
        entry.name: getattr(options, entry.name) for entry in fields(options)
    }
    changed["tries"] = ()
    for name, value in values.items():
        field = _field(name)
        if field in _WHOLE or field in _REAL:
            kind = int if field in _WHOLE else float
            try:
                changed[field] = kind(value)
            except ValueError:
                raise UsageError(
                    f"--try {name}={value} is no number.", "Write --try learning-rate=1e-3,1e-4."
                ) from None
        elif field in _WORDS:
            changed[field] = value
        elif name in own:
            changed["option"] = (*changed["option"], f"{name}={value}")
        else:
            known = [entry.replace("_", "-") for entry in (*_WHOLE, *_REAL, *_WORDS)]
            raise UsageError(
                f"--try {name} is nothing that can be tried.", did_you_mean(name, [*known, *own])
            )
    return TrainOptions(**changed)
