"""What a person may name to be compared: a run folder, or a results table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.comparison.tries import TRIES, read_tries
from xraybatch.core.errors import InputError, ModelError
from xraybatch.core.status import FilmStatus
from xraybatch.core.tables import read_table
from xraybatch.evaluation.candidates import Cost
from xraybatch.models.model import load_model
from xraybatch.models.runs import FOLDS, MODEL_FILE
from xraybatch.models.size import count_parameters
from xraybatch.reports.given import Given, read_results
from xraybatch.reports.recorded import DEMONSTRATION

if TYPE_CHECKING:
    import pandas as pd

HISTORY, SPLIT = "history.csv", "split.csv"
OUT_OF_FOLD, TABLE = "predictions.csv", "folds.csv"  # of a cross-validation
# results of a run, and the part of its films that they are of
_PARTS = {"predictions-test.csv": "test", "predictions-validation.csv": "val"}
OPTIMISTIC = "its films are validation films, on which its best epoch was chosen: optimistic."
RETRAINING = (
    "cross-validation: that another training, or other folds, would give other models is in none "
    "of its intervals and tests."
)


@dataclass(frozen=True)
class Contender:
    """A run or results table, read.

    Attributes
    ----------
    name : str
        What a person named it, without folders.
    given : Given
        Its results.
    truth : pandas.DataFrame or None
        Labels of the films in its results, of a run; None for a results table.
    cost : Cost
    sentences : tuple of str
    """

    name: str
    given: Given
    truth: pd.DataFrame | None
    cost: Cost
    sentences: tuple[str, ...]


def read_contender(path: Path) -> Contender:
    """Read a run folder (or the model file in it), or a results table.

    Raises
    ------
    InputError, ModelError
        If it is neither, or something of it cannot be read.
    """
    if path.is_dir():
        return _run(path)
    if path.name == MODEL_FILE:
        return _run(path.parent)
    given = read_results(path)
    if "status" not in given.table or "path" not in given.table:
        raise InputError(
            f"{path} is no results table: it has no columns 'path' and 'status'.",
            "Name run folders, or what `xraybatch predict` wrote; labels come with --labels.",
        )
    if not len(given.table):
        raise InputError(f"{path} has no rows.", "Below the header there is one for every film.")
    return Contender(path.stem, given, None, _of_record(given.record), _warnings(given))


def _run(folder: Path) -> Contender:
    if (folder / FOLDS).is_dir() and (folder / OUT_OF_FOLD).is_file():
        return _cross_validation(folder)
    if not (folder / MODEL_FILE).is_file():
        raise ModelError(
            f"{folder} is no finished run: it has no {MODEL_FILE}.",
            "Name a folder that `xraybatch train` wrote.",
        )
    part = next((name for name in _PARTS if (folder / name).is_file()), None)
    if part is None:
        raise InputError(
            f"{folder} has no predictions of held-back films.",
            "Predict a labelled folder with each model, and compare the results with --labels.",
        )
    given = read_results(folder / part)
    split = _table_of_run(folder / SPLIT)
    truth = split[split["split"] == _PARTS[part]].reset_index(drop=True)
    cost, unknown = _of_run(folder, given.record)
    said = (*_warnings(given), *((OPTIMISTIC,) if _PARTS[part] == "val" else ()), *unknown)
    return Contender(folder.resolve().name, given, truth, cost, said)


def _cross_validation(folder: Path) -> Contender:
    """All films, each answered by the fold that held it back."""
    given = read_results(folder / OUT_OF_FOLD)
    runs = sorted(path for path in (folder / FOLDS).iterdir() if (path / MODEL_FILE).is_file())
    if not runs:
        raise InputError(f"{folder / FOLDS} has no finished fold.", "Train again.")
    costs, unknown = zip(*(_of_run(run, {}) for run in runs), strict=True)
    tries = sum(one.tries for one in costs)
    cost = replace(
        _of_record(given.record),
        parameters=costs[0].parameters,
        training_seconds=round(sum(one.training_seconds or 0.0 for one in costs), 3),
        tries=tries,
        seconds_of_tries=round(sum(one.seconds_of_tries or 0.0 for one in costs), 3)
        if tries
        else None,
    )
    what = "seconds and the settings that it tried" if tries else "seconds"
    told = (
        f"cross-validation: its {what} are those of {len(runs)} folds.",
        RETRAINING,
        *_warnings(given),
        *dict.fromkeys(sentence for of_fold in unknown for sentence in of_fold),
    )
    return Contender(folder.resolve().name, given, _table_of_run(folder / TABLE), cost, told)


def _of_record(record: Mapping[str, Any]) -> Cost:
    films = record.get("films")
    return Cost(
        films_per_second=_above_0(record.get("films_per_second")),
        network_films_per_second=_of_network(record),
        films=films if isinstance(films, int) else None,
        device=str(record.get("processor") or record.get("device") or ""),
    )


def _of_network(record: Mapping[str, Any]) -> float | None:
    """Answered films by the seconds that the network took; of a run in one go."""
    seconds, status = record.get("seconds"), record.get("by_status")
    if record.get("resumed") or not isinstance(seconds, dict) or not isinstance(status, dict):
        return None
    took, answered = _above_0(seconds.get("classifying")), status.get(FilmStatus.OK)
    if took is None or not isinstance(answered, int) or not answered:
        return None
    return round(answered / took, 2)


def _above_0(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _of_run(folder: Path, record: Mapping[str, Any]) -> tuple[Cost, tuple[str, ...]]:
    """What it cost, and what of that is not known."""
    parameters = count_parameters(load_model(folder / MODEL_FILE).content)
    cost = replace(_of_record(record), parameters=parameters)
    unknown: tuple[str, ...] = ()
    if (folder / TRIES).is_file():
        try:
            tried = read_tries(folder).grids[-1].settings
        except InputError:
            unknown = (f"its {TRIES} cannot be read: of how many settings it is the best is lost.",)
        else:
            seconds = round(sum(one.seconds for one in tried), 3)
            cost = replace(cost, tries=len(tried), seconds_of_tries=seconds)
    history = folder / HISTORY
    if not history.is_file():
        return cost, unknown
    table = read_table(history)
    try:
        seconds = sum(float(cell) for cell in table["seconds"])
        kept = table["epoch"][table["kept"] == "1"].tolist() if "kept" in table else []
        best = int(float(kept[-1])) if kept else None
    except (KeyError, ValueError):
        raise InputError(f"{history} is not what a training run writes.") from None
    cost = replace(cost, epochs=len(table), best_epoch=best, training_seconds=round(seconds, 3))
    return cost, unknown


def _warnings(given: Given) -> tuple[str, ...]:
    found = []
    card = given.record.get("card")
    if isinstance(card, dict) and card.get("demonstration"):
        found.append(DEMONSTRATION)
    if given.record.get("results_sha256", given.digest) != given.digest:
        found.append("its results were changed after prediction.")
    if "seen_in_training" in given.table:
        seen = int((given.table["seen_in_training"] == "1").sum())
        if seen:
            found.append(f"it was trained on {seen:,} of its films, which flatters it.")
    return tuple(found)


def _table_of_run(path: Path) -> pd.DataFrame:
    """A run's table of films; where it knows studies alone, each counts as a patient."""
    table = read_table(path)
    if "patient" in table or "study" not in table:
        return table
    return table.rename(columns={"study": "patient"})
