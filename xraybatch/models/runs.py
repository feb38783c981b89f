"""What a finished training run is, and which of them is the newest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from xraybatch.core.errors import ModelError
from xraybatch.models.card import card_from_json
from xraybatch.models.seal import read_sealed

RUNS = "runs"
MODEL_FILE = "model.onnx"
FILE_HASH = "file_sha256"  # column of a run's tables of films
_PARTIAL = ".partial"  # behind the name of a run that is being built
FOLDS = "folds"  # of a cross-validation: a run for each


@dataclass(frozen=True)
class RunInfo:
    """A finished run: its folder, its model file, and the date on the model's card.

    `passed_over` is a newer cross-validation that has no model of its own, if there is one.
    """

    folder: Path
    model: Path
    created: str
    name: str
    passed_over: Path | None = None


def newest_run(folder: Path = Path(RUNS)) -> RunInfo | None:
    """The run of the newest card date below `folder`; None where there is none.

    A folder counts when it holds a readable ``model.onnx``; names that begin with a dot are runs
    that were not finished. Equal dates: the later name.
    """
    if not folder.is_dir():
        return None
    found = _runs_of(folder, f"*/{MODEL_FILE}")
    newest = max(found, key=_age, default=None)
    if newest is None:
        return None
    whole = {run.folder for run in found}
    folds = [run for run in _runs_of(folder, f"*/{FOLDS}/*/{MODEL_FILE}") if _top(run) not in whole]
    last = max(folds, key=_age, default=None)
    if last is not None and last.created > newest.created:
        return replace(newest, passed_over=_top(last))
    return newest


def without_model(folder: Path) -> bool:
    """Whether a folder is a cross-validation that has models of its folds alone."""
    return not (folder / MODEL_FILE).exists() and any((folder / FOLDS).glob(f"*/{MODEL_FILE}"))


def partial(final: Path) -> Path:
    """Where the run folder `final` is built."""
    return final.parent / f".{final.name}{_PARTIAL}"


def unfinished(named: Path) -> Path | None:
    """The unfinished run that a path means, as the run was to be called; None: it means none.

    Parameters
    ----------
    named : Path
        The run, the folder that it is built in, or the model in one of them.
    """
    run = named.parent if named.name == MODEL_FILE else named
    if run.name.startswith(".") and run.name.endswith(_PARTIAL):
        run = run.with_name(run.name[1:].removesuffix(_PARTIAL))
    return run if run.name and partial(run).is_dir() and not (run / MODEL_FILE).exists() else None


def _runs_of(folder: Path, pattern: str) -> list[RunInfo]:
    found = []
    for model in folder.glob(pattern):
        candidate = model.parent
        if any(part.startswith(".") for part in candidate.relative_to(folder).parts):
            continue
        try:
            card = card_from_json(read_sealed(model).card)
        except (ModelError, OSError):  # asked for by name it says why; here another run may do
            continue
        found.append(RunInfo(candidate, model, card.created, card.name))
    return found


def _age(run: RunInfo) -> tuple[str, str]:
    return run.created, run.folder.name


def _top(run: RunInfo) -> Path:
    return run.folder.parent.parent
