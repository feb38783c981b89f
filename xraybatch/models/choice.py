"""Which model runs when nobody names one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file
from pathlib import Path
from typing import Any

from xraybatch.core.errors import ModelError
from xraybatch.models.model import Model, as_sealed, load_model
from xraybatch.models.runs import MODEL_FILE, RUNS, newest_run, unfinished, without_model

MODEL_VARIABLE = "XRAYBATCH_MODEL"
DEMONSTRATION_TITLE = "demonstration, synthetic"
DEMONSTRATION = (
    "This model was trained on synthetic sample films. It shows how the program works; "
    "its answers mean nothing for real films."
)


@dataclass(frozen=True)
class ChosenModel:
    """A model, and the sentence that says why it was taken (empty where it was named)."""

    model: Model
    why: str


def choose_model(
    named: Path | None, *, runs: Path = Path(RUNS), allow_broken_seal: bool = False
) -> ChosenModel:
    """The model named, else that of ``XRAYBATCH_MODEL``, the newest run, or the bundled one.

    Parameters
    ----------
    named : Path or None
        A model file, or a run folder.
    runs : Path
        Where runs are looked for.
    allow_broken_seal : bool

    Raises
    ------
    ModelError
        If the model cannot be used, or there is none at all.
    """

    def load(path: Path) -> Model:
        return load_model(named_model(path), allow_broken_seal=allow_broken_seal)

    if named is not None:
        return ChosenModel(load(named), "")
    if variable := os.environ.get(MODEL_VARIABLE):
        return ChosenModel(load(Path(variable)), f"Model from {MODEL_VARIABLE}: {variable}.")
    if run := newest_run(runs):
        why = f"Model of the newest run: {run.model}."
        if run.passed_over is not None:
            why = (
                f"{run.passed_over} is newer, but a cross-validation without a model of all films "
                f"(train --refit makes one), so this is the model of {run.folder}."
            )
        return ChosenModel(load(run.model), why)
    from xraybatch_samples import model_file

    with as_file(model_file()) as bundled:
        if bundled.exists():
            why = "No --model and no run in ./runs: the bundled demonstration model is used."
            return ChosenModel(load(bundled), why)
    raise ModelError("There is no model here.", "Train one, or name one with --model.")


def model_of_seal(
    seal: str, card: Mapping[str, Any], near: Path, file: str, *, runs: Path = Path(RUNS)
) -> Model | None:
    """The model that has a seal; None where it is in none of the places that it may be in.

    Parameters
    ----------
    seal : str
    card : mapping
        What it had then, as `as_sealed` takes it.
    near : Path
        A folder that is looked into first, and then this one, the runs, what ``XRAYBATCH_MODEL``
        names, and the bundled model.
    file : str
        What the model file was called, without folders.
    runs : Path
    """
    from xraybatch_samples import model_file

    names = dict.fromkeys(filter(None, (file, MODEL_FILE)))
    places = [folder / name for folder in (near, Path()) for name in names]
    places += sorted(runs.glob(f"*/{MODEL_FILE}"))
    if variable := os.environ.get(MODEL_VARIABLE):
        places.append(Path(variable))
    with as_file(model_file()) as bundled:
        for place in (*places, bundled):
            if not place.exists():
                continue
            try:
                found = load_model(named_model(place))
            except ModelError:  # not the one that is looked for, then
                continue
            if same := as_sealed(found, seal, card):
                return same
    return None


def named_model(path: Path) -> Path:
    """The model file of a run folder that a person named, or the file that it is already.

    Raises
    ------
    ModelError
        If the folder is a cross-validation without a model of all films, or the run was not
        finished.
    """
    if path.is_dir() and without_model(path):
        raise ModelError(
            f"{path} is a cross-validation and has no model of all films.",
            f"Train with --refit, or name the model of one fold: {path / 'folds' / '0'}.",
        )
    if run := unfinished(path):
        raise ModelError(
            f"The run {run} is not finished, so it has no model yet.",
            f"Go on with it: xraybatch train --resume {run}",
        )
    return path / MODEL_FILE if path.is_dir() else path
