"""What a finished training run is, and which of them is the newest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xraybatch.core.errors import ModelError
from xraybatch.models.card import card_from_json
from xraybatch.models.seal import read_sealed

RUNS = "runs"
MODEL_FILE = "model.onnx"


@dataclass(frozen=True)
class RunInfo:
    """A finished run: its folder, its model file, and the date on the model's card."""

    folder: Path
    model: Path
    created: str
    name: str


def newest_run(folder: Path = Path(RUNS)) -> RunInfo | None:
    """The run of the newest card date below `folder`; None where there is none.

    A folder counts when it holds a readable ``model.onnx``; names that begin with a dot are runs
    that were not finished. Equal dates: the later name.
    """
    found: list[RunInfo] = []
    if not folder.is_dir():
        return None
    for model in folder.glob(f"*/{MODEL_FILE}"):
        candidate = model.parent
        if candidate.name.startswith("."):
            continue
        try:
            card = card_from_json(read_sealed(model).card)
        except (ModelError, OSError):  # asked for by name it says why; here another run may do
            continue
        found.append(RunInfo(candidate, model, card.created, card.name))
    return max(found, key=lambda run: (run.created, run.folder.name), default=None)
