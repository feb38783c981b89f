"""The model that predicted a results table: named by a person or looked for, known by its seal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xraybatch.core.errors import ModelError
from xraybatch.models.choice import model_of_seal, named_model
from xraybatch.models.model import Model, as_sealed, load_model
from xraybatch.prediction.record import record_path


def model_behind(record: Mapping[str, Any], results: Path, named: Path | None = None) -> Model:
    """The model that predicted a results table, known by the seal in its run record.

    Parameters
    ----------
    record : mapping
        The run record; empty where there is none.
    results : Path
        The table, beside which the model is looked for first.
    named : Path, optional
        The model file or run folder that a person says it is.

    Raises
    ------
    ModelError
        If the record does not say which model predicted, the model named is another one, or
        nobody named it and it is not found.
    """
    told = record.get("model")
    told = told if isinstance(told, dict) else {}
    seal, file = told.get("seal"), told.get("file")
    folds = told.get("folds")
    if isinstance(folds, list):
        raise ModelError(
            f"{results.name} was answered by the models of {len(folds)} folds, not by one.",
            "Leave --heatmap out, or score the results of one fold.",
        )
    if not isinstance(seal, str) or not seal:
        raise ModelError(
            f"Which model predicted {results.name} is not known: no run record beside it says so.",
            f"`xraybatch predict` writes {record_path(results).name} for heat maps and others.",
        )
    card = record.get("card")
    card = card if isinstance(card, dict) else {}
    if named is None:
        name = Path(file).name if isinstance(file, str) else ""
        if found := model_of_seal(seal, card, results.parent, name):
            return found
        raise ModelError(
            f"The model that predicted {results.name} ({name or 'without a name'}, seal "
            f"{seal[:12]}) was not found.",
            "Name it with --model.",
        )
    model = load_model(named_model(named))
    same = as_sealed(model, seal, card)
    if same is None:
        raise ModelError(
            f"{named} is not the model that predicted {results.name}: its seal is "
            f"{model.seal[:12] or 'missing'}, the run record has {seal[:12]}.",
            "Name the one that predicted, or predict again with this one.",
        )
    return same
