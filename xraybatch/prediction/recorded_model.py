"""The model of a results table: found by its seal, or named and compared with the run record."""

from __future__ import annotations

from pathlib import Path

from xraybatch.core.errors import ModelError
from xraybatch.models.choice import model_of_seal, named_model
from xraybatch.models.model import Model, as_sealed, load_model
from xraybatch.prediction.record import PredictionRecord


def model_of_record(record: PredictionRecord, table: Path, named: Path | None) -> Model:
    """The model that a table was made with, under the card that it had then.

    Parameters
    ----------
    record : PredictionRecord
    table : Path
    named : Path or None
        A model file or run folder; None: it is looked for by its seal.

    Raises
    ------
    ModelError
        If it is not found, or what was named is another model.
    """
    if record.model.get("folds"):
        raise ModelError(
            f"{table} was pooled over the folds of a cross-validation, each with its own model.",
            "Give the table of one fold: folds/0/predictions-test.csv.",
        )
    seal, file = record.model["seal"], record.model["file"]
    if named is None:
        found = model_of_seal(seal, record.card, table.parent, file)
        if found is None:
            raise ModelError(
                f"The model of {table}, {file}, is not where it is looked for.",
                "Name it with --model.",
            )
        return found
    broken = bool(record.model["broken_seal"])
    given = load_model(named_model(named), allow_broken_seal=broken)
    found = as_sealed(given, seal, record.card)
    if found is None:
        raise ModelError(
            f"{named} is not the model of {table}: its seal is another.",
            f"Its name was '{record.model['name']}', its file {file}.",
        )
    return found
